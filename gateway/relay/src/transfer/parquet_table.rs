//! Reads Parquet: exported rows, and tables of others (pandas, Polars, Spark), wide and long, as CSV is read.

use std::{borrow::Cow, collections::VecDeque};

use parquet::file::reader::ChunkReader;
use slipstream_protocol::{SignalValue, Timestamp};

use super::{
    parquet_cells::{Cell, Columns},
    row::Row,
};
use crate::source::{
    ColumnMap, Item, Parsed, ReadOptions, Remark, Skipped, TimeForm, TimeFormat,
    row::{Cells, RowReader},
    steps::{Stepped, Steps},
    text::{shown, trimmed},
    time, unique,
};

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum NotRead {
    /// It is no Parquet, or not whole.
    Damaged(String),
    /// Its columns do not say what they are.
    Layout(String),
}

/// Yields samples, and the rows and columns that make none. Fails where the columns do not say what they are.
pub(super) fn read<R: ChunkReader + 'static>(
    file: R,
    options: &ReadOptions,
) -> Result<impl Iterator<Item = Result<Item, String>> + Send + use<R>, NotRead> {
    let mut columns = Columns::open(file).map_err(|e| NotRead::Damaged(e.to_string()))?;
    let repeated = unique(&mut columns.names);
    let has = |name: &str| columns.names.iter().any(|n| n == name);
    let exported =
        has("time") && has("vehicle_id") && has("signal") && (has("value") || has("text")) && options.map == ColumnMap::default();
    let rows = if exported { None } else { Some(RowReader::new(columns.names.clone(), options).map_err(NotRead::Layout)?) };
    let mut ready: VecDeque<Item> = repeated.iter().map(|text| Item::Remark(Remark::new(0, text))).collect();
    if columns.lacks_types {
        let text = "the file's Arrow schema (ARROW:schema) cannot be read; durations that it names are taken for numbers";
        ready.push_back(Item::Remark(Remark::partial(0, text)));
    }
    if let Some(rows) = &rows {
        ready.extend(rows.notes().map(|text| Item::Remark(Remark::new(0, text))));
        let converted = columns.names.iter().enumerate().filter(|(place, _)| rows.is_value(*place));
        ready.extend(converted.filter_map(|(place, name)| {
            let text = format!("column {}: {}", shown(name), columns.conversion(place)?);
            Some(Item::Remark(Remark::new(0, &text)))
        }));
    }
    for list in &columns.lists {
        let text = format!("column {}: it holds lists, which are no signals, and is not read", shown(list));
        ready.push_back(Item::Remark(Remark::partial(0, &text)));
    }
    Ok(Stepped::of(Table { columns, rows, format: options.time_format.clone(), row: 0, ready }))
}

struct Table<R: ChunkReader> {
    columns: Columns<R>,
    /// None for exported rows, which have their own columns.
    rows: Option<RowReader>,
    format: Option<TimeFormat>,
    row: u64,
    ready: VecDeque<Item>,
}

impl<R: ChunkReader + 'static> Steps for Table<R> {
    type Error = String;

    fn ready(&mut self) -> &mut VecDeque<Item> {
        &mut self.ready
    }

    fn step(&mut self) -> Result<bool, String> {
        let cells = self.columns.next().map_err(|e| e.to_string())?;
        let more = cells.is_some();
        match cells {
            Some(cells) => {
                self.row += 1;
                self.take(cells);
            }
            None => self.end(),
        }
        Ok(more)
    }
}

impl<R: ChunkReader> Table<R> {
    fn end(&mut self) {
        if let Some(rows) = &mut self.rows {
            rows.end(&mut self.ready);
        }
        if self.row == 0 {
            // An export may be of nothing.
            let text = "it has columns and no rows; nothing is read";
            self.ready.push_back(Item::Remark(if self.rows.is_some() { Remark::partial(0, text) } else { Remark::new(0, text) }));
        }
    }

    fn take(&mut self, cells: Vec<Cell>) {
        let line = self.row;
        if let Some(rows) = &mut self.rows {
            rows.take(&mut TypedCells { cells: &cells, format: self.format.as_ref() }, line, &mut self.ready);
            return;
        }
        let skipped = |reason: String| Item::Skipped(Skipped::new(line, &reason));
        let row = exported_row(self.columns.names.iter().map(String::as_str).zip(cells));
        self.ready.push_back(row.and_then(Row::sample).map_or_else(skipped, Item::Sample));
    }
}

/// Takes the columns it knows, in any order and of any type that can tell it.
fn exported_row<'a>(columns: impl Iterator<Item = (&'a str, Cell)>) -> Result<Row, String> {
    let mut row = Row::default();
    let mut time = None;
    for (name, cell) in columns {
        match name {
            "time" => time = moment(&cell),
            "vehicle_id" => row.vehicle_id = text(cell).unwrap_or_default(),
            "session_id" => row.session_id = text(cell),
            "fleet_id" => row.fleet_id = text(cell),
            "signal" => row.signal = text(cell).unwrap_or_default(),
            "value" => row.value = number(&cell),
            "text" => row.text = text(cell),
            "quality" => row.quality = number(&cell).map(|n| n as i64),
            _ => {}
        }
    }
    row.time = time.ok_or("time: a timestamp or RFC 3339 text is expected")?;
    Ok(row)
}

fn moment(cell: &Cell) -> Option<Timestamp> {
    match cell {
        Cell::Moment(time) => Some(*time),
        Cell::Text(text) => Timestamp::from_text_in_utc(text),
        Cell::Number(n) => match time::of_number(*n, TimeForm::Text)? {
            Parsed::Absolute(time) => Some(time),
            Parsed::Relative(_) | Parsed::Clock(_) | Parsed::TwoWay(_) => None,
        },
        Cell::Empty | Cell::Bool(_) | Cell::Duration(_) | Cell::Other(_) => None,
    }
}

fn text(cell: Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(text),
        Cell::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(n) | Cell::Duration(n) => Some(*n),
        Cell::Bool(on) => Some(f64::from(u8::from(*on))),
        _ => None,
    }
}

/// The cells of one row, with the types of their columns.
struct TypedCells<'a> {
    cells: &'a [Cell],
    format: Option<&'a TimeFormat>,
}

impl Cells for TypedCells<'_> {
    fn text(&self, column: usize) -> Result<Cow<'_, str>, String> {
        match self.cells.get(column) {
            None | Some(Cell::Empty) => Ok(Cow::Borrowed("")),
            Some(Cell::Text(text)) => Ok(Cow::Borrowed(trimmed(text))),
            Some(Cell::Number(n) | Cell::Duration(n)) => Ok(Cow::Owned(n.to_string())),
            Some(Cell::Bool(on)) => Ok(Cow::Owned(on.to_string())),
            Some(Cell::Moment(time)) => Ok(Cow::Owned(time.to_string())),
            Some(Cell::Other(kind)) => Err(format!("cell {} holds {kind}", column + 1)),
        }
    }

    fn time(&mut self, column: usize, form: TimeForm) -> Result<Parsed, String> {
        match self.cells.get(column) {
            Some(Cell::Moment(time)) => Ok(Parsed::Absolute(*time)),
            Some(Cell::Duration(seconds)) => Ok(Parsed::Relative(*seconds)),
            Some(Cell::Other(kind)) => Err(format!("it holds {kind}")),
            Some(Cell::Number(n)) => time::of_number(*n, form).ok_or_else(|| format!("{n} is not a time")),
            Some(Cell::Text(text)) => match self.format {
                Some(format) => {
                    let wrong = || format!("'{}' is not a time by --time-format", shown(text));
                    format.parse(text).map(Parsed::Absolute).ok_or_else(wrong)
                }
                None => time::parse(text.trim(), text.trim().parse().ok(), form),
            },
            Some(Cell::Bool(_)) => Err("a timestamp, a number or text is expected as the time".to_owned()),
            Some(Cell::Empty) | None => Err("the time is missing".to_owned()),
        }
    }

    fn value(&mut self, column: usize) -> Result<Option<SignalValue>, String> {
        Ok(Some(match self.cells.get(column) {
            None | Some(Cell::Empty) => return Ok(None),
            Some(Cell::Number(n) | Cell::Duration(n)) if n.is_finite() => SignalValue::Number(*n),
            Some(Cell::Number(n) | Cell::Duration(n)) => return Err(format!("'{n}' is not a finite number")),
            Some(Cell::Bool(on)) => SignalValue::Bool(*on),
            Some(Cell::Text(text)) => SignalValue::Text(text.trim_matches('\u{feff}').into()),
            Some(Cell::Moment(time)) => SignalValue::Text(time.to_string().into()),
            Some(Cell::Other(kind)) => return Err(format!("it holds {kind}")),
        }))
    }

    fn are_typed(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
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
        let file = bytes::Bytes::from_static(include_bytes!("testdata/pandas_timedelta.parquet"));
        let (samples, skipped, remarks) = read_with(file, &options());
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5));
        assert_eq!((samples[0].number("LapTime"), samples[1].number("LapTime")), (Some(83.456), None));
        assert!(remarks.len() == 1 && !remarks[0].partial && remarks[0].text.contains("LapTime: it holds durations"), "{remarks:?}");
        let file = bytes::Bytes::from_static(include_bytes!("testdata/polars_duration.parquet"));
        let (samples, skipped, remarks) = read_with(file, &options());
        assert!(skipped.is_empty() && remarks.len() == 2, "{skipped:?} {remarks:?}");
        assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5));
        assert_eq!(
            (samples[0].number("gap_ms"), samples[0].number("gap_ns"), samples[1].number("gap_ms")),
            (Some(1.5), Some(1.5), Some(2.5))
        );
    }

    #[test]
    fn repeated_names_keep_both_columns_and_are_reported() {
        let file = bytes::Bytes::from_static(include_bytes!("testdata/repeated.parquet"));
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
}
