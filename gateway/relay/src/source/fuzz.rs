//! What must hold of the readers of tables and JSON lines, whatever a file holds.

use std::io::Cursor;

use slipstream_protocol::{Sample, SignalValue, Timestamp, VehicleId};

use super::{Format, Item, ReadOptions, Start, open::read_items};

/// When everything is read.
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A table or JSON lines, plain or gzip, as a file of its own and between good lines. The first byte
/// says how it is read.
pub fn relay_sources(data: &[u8]) {
    let Some((how, file)) = data.split_first() else { return };
    let options = options(*how);
    for sample in samples(file, options.format, &options) {
        check(&sample);
    }
    if !file.starts_with(&[0x1f, 0x8b]) {
        between_good_lines(file);
    }
}

fn options(how: u8) -> ReadOptions {
    let start = if how & 1 == 0 { Start::at(NOW) } else { Start::shifted(NOW) };
    ReadOptions {
        format: [None, Some(Format::Csv), Some(Format::JsonLines), None][usize::from(how >> 1 & 3)],
        vehicle: (how & 8 != 0).then(|| VehicleId::new("told").expect("letters are an id")),
        signals: if how & 16 == 0 { Vec::new() } else { vec!["v".into(), "speed_mps".into()] },
        merge: how & 32 == 0,
        ..ReadOptions::new(start)
    }
}

/// The samples of a file; a source that breaks off has given what it had.
fn samples(file: &[u8], format: Option<Format>, options: &ReadOptions) -> Vec<Sample> {
    let input = Box::new(Cursor::new(file.to_vec()));
    let Ok(items) = read_items(input, "fuzzed", format, options, Box::new(|| NOW), false) else { return Vec::new() };
    let mut samples = Vec::new();
    for item in items.map_while(Result::ok) {
        match item {
            Item::Sample(sample) => samples.push(sample),
            Item::Skipped(skipped) => assert!(!skipped.reason.is_empty()),
            Item::Remark(remark) => assert!(!remark.text.is_empty()),
        }
    }
    samples
}

fn check(sample: &Sample) {
    assert!(sample.seq.is_none() || sample.raw.is_some(), "a table has no numbers of a publisher");
    for signal in &sample.signals {
        if let SignalValue::Number(number) = signal.value {
            assert!(number.is_finite(), "{}", signal.name);
        }
    }
}

/// Bad lines cost the lines around them nothing.
fn between_good_lines(bytes: &[u8]) {
    let options = ReadOptions::new(Start::at(NOW));
    let json = br#"{"driverId":"good","data":{"v":1}}"#;
    let read = samples(&[json.as_slice(), b"\n", bytes, b"\n", json].concat(), Some(Format::JsonLines), &options);
    assert_good(&read);
    // A quote may open a cell that goes on over many lines.
    if !bytes.contains(&b'"') {
        let table = [b"t_s,vehicle_id,v\n0,good,1\n".as_slice(), bytes, b"\n9,good,1\n"].concat();
        assert_good(&samples(&table, Some(Format::Csv), &options));
    }
}

fn assert_good(samples: &[Sample]) {
    for good in [samples.first(), samples.last()] {
        let good = good.expect("there are two good lines");
        assert_eq!((good.vehicle.as_str(), good.number("v")), ("good", Some(1.0)));
    }
    assert!(samples.len() >= 2);
}
