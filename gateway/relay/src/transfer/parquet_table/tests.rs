use std::sync::Arc;

use parquet::{
    basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type, Int96, Int96Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use slipstream_protocol::{Sample, VehicleId};

use super::*;
use crate::source::Start;

/// One row group, written column by column.
struct File(SerializedFileWriter<Vec<u8>>);

type Group<'a> = parquet::file::writer::SerializedRowGroupWriter<'a, Vec<u8>>;

fn put<T: DataType>(group: &mut Group<'_>, values: &[T::T], levels: &[i16]) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, (!levels.is_empty()).then_some(levels), None).unwrap();
    column.close().unwrap();
}

impl File {
    fn new(schema: &str, codec: Compression) -> Self {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(codec).build());
        Self(SerializedFileWriter::new(Vec::new(), schema, properties).unwrap())
    }

    fn with(mut self, columns: impl FnOnce(&mut Group<'_>)) -> bytes::Bytes {
        let mut group = self.0.next_row_group().unwrap();
        columns(&mut group);
        group.close().unwrap();
        self.0.into_inner().unwrap().into()
    }
}

fn options() -> ReadOptions {
    ReadOptions::new(Start::at(Timestamp::from_secs_f64(1e9)))
}

fn read_with(file: bytes::Bytes, options: &ReadOptions) -> (Vec<Sample>, Vec<Skipped>, Vec<Remark>) {
    let (mut samples, mut skipped, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    for item in read(file, options).unwrap() {
        match item.unwrap() {
            Item::Sample(sample) => samples.push(sample),
            Item::Skipped(row) => skipped.push(row),
            Item::Remark(remark) => remarks.push(remark),
        }
    }
    (samples, skipped, remarks)
}

const NANOS: i64 = 1_760_000_000_123_456_789;

#[test]
fn a_wide_table_of_nanoseconds_is_read_in_every_codec() {
    let schema = "message m { OPTIONAL INT64 ts (TIMESTAMP(NANOS, true)); OPTIONAL BYTE_ARRAY Driver (STRING); OPTIONAL DOUBLE speed;
        REQUIRED INT32 gear; OPTIONAL BOOLEAN drs; }";
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
    ] {
        let file = File::new(schema, codec).with(|group| {
            put::<Int64Type>(group, &[NANOS, NANOS + 1_000_000_000], &[1, 1]);
            put::<ByteArrayType>(group, &[ByteArray::from("gt3"), ByteArray::from("gt3")], &[1, 1]);
            put::<DoubleType>(group, &[12.5, f64::NAN], &[1, 1]);
            put::<Int32Type>(group, &[3, 4], &[]);
            put::<BoolType>(group, &[true], &[1, 0]);
        });
        let (samples, skipped, remarks) = read_with(file, &options());
        assert!(skipped.is_empty() && remarks.is_empty(), "{codec}: {skipped:?} {remarks:?}");
        assert_eq!(samples[0].source_time.micros(), NANOS / 1_000, "{codec}");
        assert_eq!((samples[0].number("speed"), samples[0].signal("drs")), (Some(12.5), Some(&SignalValue::Bool(true))));
        assert_eq!((samples[1].signals.len(), samples[1].number("gear")), (1, Some(4.0)), "NaN and null are nothing");
    }
}

#[test]
fn durations_of_pandas_and_polars_are_seconds_since_the_start_and_signals_in_seconds() {
    let file = bytes::Bytes::from_static(include_bytes!("../testdata/pandas_timedelta.parquet"));
    let (samples, skipped, remarks) = read_with(file, &options());
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5));
    assert_eq!((samples[0].number("LapTime"), samples[1].number("LapTime")), (Some(83.456), None));
    assert!(remarks.len() == 1 && !remarks[0].partial && remarks[0].text.contains("LapTime: it holds durations"), "{remarks:?}");
    let file = bytes::Bytes::from_static(include_bytes!("../testdata/polars_duration.parquet"));
    let (samples, skipped, remarks) = read_with(file, &options());
    assert!(skipped.is_empty() && remarks.len() == 2, "{skipped:?} {remarks:?}");
    assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5));
    assert_eq!((samples[0].number("gap_ms"), samples[0].number("gap_ns"), samples[1].number("gap_ms")), (Some(1.5), Some(1.5), Some(2.5)));
}

#[test]
fn repeated_names_keep_both_columns_and_are_reported() {
    let file = bytes::Bytes::from_static(include_bytes!("../testdata/repeated.parquet"));
    let (samples, _, remarks) = read_with(file, &options());
    assert_eq!((samples[0].number("v"), samples[0].number("v_2")), (Some(1.0), Some(5.0)));
    assert!(remarks.len() == 1 && remarks[0].text.contains("v_2"), "{remarks:?}");
}

#[test]
fn exported_rows_of_other_writers_keep_their_microseconds() {
    let schema = "message m { OPTIONAL INT96 time; REQUIRED BYTE_ARRAY vehicle_id (STRING); REQUIRED BYTE_ARRAY signal (STRING); OPTIONAL FLOAT value; }";
    let mut spark = Int96::new();
    let (days, within) = (1_760_000_000 / 86_400 + 2_440_588, (1_760_000_000_u64 % 86_400) * 1_000_000_000 + 123_456_000);
    spark.set_data((within & 0xffff_ffff) as u32, (within >> 32) as u32, days);
    let file = File::new(schema, Compression::SNAPPY).with(|group| {
        put::<Int96Type>(group, &[spark], &[1]);
        put::<ByteArrayType>(group, &[ByteArray::from("a")], &[]);
        put::<ByteArrayType>(group, &[ByteArray::from("rpm")], &[]);
        put::<FloatType>(group, &[6_500.0], &[1]);
    });
    let (samples, skipped, _) = read_with(file, &options());
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!((samples[0].source_time.micros(), samples[0].number("rpm")), (1_760_000_000_123_456, Some(6_500.0)));
}

#[test]
fn columns_are_told_by_the_map_and_what_is_missing_is_named() {
    let schema = "message m { REQUIRED DOUBLE clock; REQUIRED DOUBLE speed; }";
    let file = || {
        File::new(schema, Compression::SNAPPY).with(|group| {
            put::<DoubleType>(group, &[1.5], &[]);
            put::<DoubleType>(group, &[20.0], &[]);
        })
    };
    let Err(NotRead::Layout(reason)) = read(file(), &options()).map(|_| ()) else { panic!("nothing is the time") };
    assert!(reason.contains("no time column among clock, speed") && reason.contains("--map time="), "{reason}");
    let told =
        ReadOptions { map: "time=clock,speed_mps=speed".parse().unwrap(), vehicle: Some(VehicleId::new("gt3").unwrap()), ..options() };
    let (samples, _, _) = read_with(file(), &told);
    assert_eq!((samples[0].source_time, samples[0].number("speed_mps")), (Timestamp::from_secs_f64(1e9 + 1.5), Some(20.0)));
    let misspelt = ReadOptions { signals: vec!["sped".into()], ..told };
    let Err(NotRead::Layout(reason)) = read(file(), &misspelt).map(|_| ()) else { panic!("there is no such signal") };
    assert!(reason.contains("'sped'"), "{reason}");
}

/// Rows of a table whose columns are a vehicle, a number and these times.
fn timed(times: &str, rows: usize, put_times: impl FnOnce(&mut Group<'_>)) -> bytes::Bytes {
    let schema = format!("message m {{ {times} REQUIRED BYTE_ARRAY vehicle_id (STRING); REQUIRED DOUBLE v; }}");
    File::new(&schema, Compression::SNAPPY).with(|group| {
        put_times(group);
        put::<ByteArrayType>(group, &vec![ByteArray::from("a"); rows], &[]);
        put::<DoubleType>(group, &vec![1.0; rows], &[]);
    })
}

fn moments(samples: &[Sample]) -> Vec<String> {
    samples.iter().map(|sample| sample.source_time.to_string()).collect()
}

#[test]
fn times_of_day_keep_their_clock_as_those_of_tables_of_text_do() {
    let options = ReadOptions::new(Start::at("2026-02-18T09:00:00Z".parse().unwrap()));
    let micros = [32_405_000_000, 86_399_000_000, 1_000_000];
    let typed = timed("REQUIRED INT64 time (TIME(MICROS, true));", 3, |group| put::<Int64Type>(group, &micros, &[]));
    let text = ["09:00:05", "23:59:59", "00:00:01"].map(ByteArray::from);
    let written = timed("REQUIRED BYTE_ARRAY time (STRING);", 3, |group| put::<ByteArrayType>(group, &text, &[]));
    for file in [typed, written] {
        let (samples, skipped, _) = read_with(file, &options);
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!(moments(&samples), ["2026-02-18T09:00:05.000Z", "2026-02-18T23:59:59.000Z", "2026-02-19T00:00:01.000Z"]);
    }
}

#[test]
fn a_day_beside_a_time_of_day_is_its_date_and_no_signal() {
    let typed = timed("REQUIRED INT32 date (DATE); REQUIRED INT64 time (TIME(MICROS, true));", 1, |group| {
        put::<Int32Type>(group, &[20_502], &[]);
        put::<Int64Type>(group, &[36_000_000_000], &[]);
    });
    let written = timed("REQUIRED BYTE_ARRAY Date (STRING); REQUIRED BYTE_ARRAY Time (STRING);", 1, |group| {
        put::<ByteArrayType>(group, &[ByteArray::from("18.02.2026")], &[]);
        put::<ByteArrayType>(group, &[ByteArray::from("10:00:00")], &[]);
    });
    for file in [typed, written] {
        let (samples, skipped, _) = read_with(file, &options());
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!((moments(&samples), samples[0].signals.len()), (vec!["2026-02-18T10:00:00.000Z".to_owned()], 1));
    }
}

#[test]
fn a_date_below_decides_how_those_above_it_are_read() {
    let dates = ["01/02/2026 10:00", "13/02/2026 10:00"].map(ByteArray::from);
    let file = timed("REQUIRED BYTE_ARRAY time (STRING);", 2, |group| put::<ByteArrayType>(group, &dates, &[]));
    let (samples, skipped, remarks) = read_with(file, &options());
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!(moments(&samples), ["2026-02-01T10:00:00.000Z", "2026-02-13T10:00:00.000Z"]);
    assert!(remarks.iter().any(|remark| remark.line == 2 && remark.text.contains("the day first")), "{remarks:?}");
}
