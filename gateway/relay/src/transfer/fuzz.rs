//! What must hold of the readers of exported files, whatever a file holds.
#![expect(clippy::missing_panics_doc, reason = "a check that fails panics: that is what it is for")]

use std::io::Cursor;

use slipstream_ports::SeriesPoint;
use slipstream_protocol::{Sample, SignalValue, Timestamp, VehicleId};

use super::{csv_rows, json_rows, parquet_table, row::Row};
use crate::source::{Item, ReadOptions, Start};

/// Times that RFC 3339 can write: years 0 to 9999.
const WRITABLE_MICROS: std::ops::Range<i64> = -62_167_219_200_000_000..253_402_300_800_000_000;

/// An exported table or exported JSON lines; the first byte says which.
pub fn exported_rows(data: &[u8]) {
    let Some((which, file)) = data.split_first() else { return };
    let input = Cursor::new(file.to_vec());
    let samples: Vec<Sample> = match which % 2 {
        0 => csv_rows::read(input).map_while(Result::ok).filter_map(sample).collect(),
        _ => json_rows::read(input).map_while(Result::ok).filter_map(sample).collect(),
    };
    let _ = json_rows::is_row(file);
    let rows: Vec<Row> = samples.iter().filter(|s| WRITABLE_MICROS.contains(&s.source_time.micros())).map(exported).collect();
    reads_back(&rows);
}

/// A Parquet file.
pub fn parquet_files(data: &[u8]) {
    let options = ReadOptions::new(Start::at(Timestamp::default()));
    let told = ReadOptions { vehicle: Some(VehicleId::new("told").expect("letters are an id")), ..options.clone() };
    for options in [options, told] {
        let Ok(rows) = parquet_table::read(bytes::Bytes::copy_from_slice(data), &options) else { continue };
        // A few bytes may promise many equal rows.
        for item in rows.take(10_000).map_while(Result::ok) {
            if let Some(sample) = sample(item) {
                assert!(!sample.signals.is_empty());
            }
        }
    }
}

fn sample(item: Item) -> Option<Sample> {
    match item {
        Item::Sample(sample) => {
            for signal in &sample.signals {
                assert!(!signal.name.is_empty());
                if let SignalValue::Number(number) = signal.value {
                    assert!(number.is_finite());
                }
            }
            Some(sample)
        }
        Item::Skipped(skipped) => {
            assert!(!skipped.reason.is_empty());
            None
        }
        Item::Remark(remark) => {
            assert!(!remark.text.is_empty());
            None
        }
    }
}

/// The row that an export makes of a sample that an import made of a row.
fn exported(sample: &Sample) -> Row {
    let signal = &sample.signals[0];
    let (value, text) = match &signal.value {
        SignalValue::Text(text) => (None, Some(text.to_string())),
        number => (number.as_number(), None),
    };
    let point = SeriesPoint {
        time: sample.source_time,
        value,
        text,
        quality: Some(sample.quality as i64),
        session: sample.session.clone(),
        fleet: sample.fleet.clone(),
    };
    Row::of(&sample.vehicle, &signal.name, point)
}

fn reads_back(rows: &[Row]) {
    let samples: Vec<Sample> = rows.iter().map(|r| r.clone().sample().expect("what was read is good")).collect();
    let mut writer = csv_rows::CsvWriter::new(Vec::new(), false).expect("a Vec takes whatever is written");
    writer.write(rows).expect("a Vec takes whatever is written");
    let table = writer.finish().expect("a Vec takes whatever is written");
    let again: Vec<Sample> = csv_rows::read(Cursor::new(table)).filter_map(|item| sample(item.expect("memory can be read"))).collect();
    assert_eq!(again, samples, "as CSV");
    let mut lines = Vec::new();
    json_rows::write(&mut lines, rows).expect("a Vec takes whatever is written");
    let again: Vec<Sample> = json_rows::read(Cursor::new(lines)).filter_map(|item| sample(item.expect("memory can be read"))).collect();
    assert_eq!(again, samples, "as JSON lines");
}
