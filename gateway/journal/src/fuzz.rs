//! What must hold of opening a journal, whatever lies in its folder.
#![expect(clippy::missing_panics_doc, reason = "a check that fails panics: that is what it is for")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use slipstream_protocol::{PublisherId, Quality, Sample, SampleBatch, Signal, SignalValue, Timestamp, VehicleId, codec::encode_record};

use super::{
    files,
    frame::{self, HEAD},
    inspect,
    quarantine::Quarantine,
    recovery::{Recovered, recover},
    stats::Counters,
};

/// Segment files that `data` describes, written into `folder` (which is emptied), looked at and opened.
///
/// Every record that is whole in its file is found, and opening twice repairs once.
pub fn journal_files(data: &[u8], folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).expect("a folder can be made");
    let written = Written::of(data);
    for (first, segment) in &written.segments {
        fs::write(files::segment_path(folder, *first), &segment.bytes).expect("a file can be written");
    }
    for (name, content) in &written.tables {
        files::replace(folder, name, content).expect("a file can be written");
    }
    let expected = written.records();
    assert_eq!(found(folder), expected, "before it is opened");
    let (opened, _) = open(folder);
    assert!(expected.iter().all(|position| *position < opened.next), "the next record takes a place of its own");
    assert!(opened.segments.iter().all(|s| s.first <= s.last.saturating_add(1)));
    assert_eq!(found(folder), expected, "after it was opened");
    let (again, counters) = open(folder);
    assert_eq!(again.next, opened.next);
    assert_eq!(counters.torn_bytes.load(Relaxed), 0, "what was torn is cut once");
    assert_eq!(again.publishers.marks(), opened.publishers.marks());
}

fn open(folder: &Path) -> (Recovered, Arc<Counters>) {
    let counters = Arc::new(Counters::default());
    let quarantine = Quarantine::new(folder.join(files::QUARANTINE), 1 << 20, counters.clone());
    (recover(folder, &quarantine, &counters).expect("the folder can be read"), counters)
}

/// Positions of the readable records.
fn found(folder: &Path) -> Vec<u64> {
    let report = inspect::verify(folder).expect("the folder can be read");
    let records = inspect::dump(folder, 0, usize::MAX).expect("the folder can be read");
    let readable: u64 = report.segments.iter().map(|s| s.records - s.unreadable).sum();
    assert_eq!(readable, records.len() as u64, "what is counted is what is shown");
    records.into_iter().map(|(position, _)| position).collect()
}

#[derive(Default)]
struct Segment {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

/// A frame that was written. What was cut off it may come back, byte by byte.
struct Frame {
    position: u64,
    start: usize,
    bytes: Vec<u8>,
    is_record: bool,
}

/// What lies in the folder.
#[derive(Default)]
struct Written {
    segments: BTreeMap<u64, Segment>,
    tables: Vec<(&'static str, Vec<u8>)>,
}

impl Written {
    /// Each step takes a byte that says what, one that says how much, and so many bytes.
    fn of(mut data: &[u8]) -> Self {
        let mut written = Self::default();
        let mut current = written.begin(1);
        let mut next = 1_u64;
        while let [what, len, rest @ ..] = data {
            let (bytes, rest) = rest.split_at(usize::from(*len).min(rest.len()));
            data = rest;
            let segment = written.segments.entry(current).or_default();
            match what % 10 {
                0..=2 => {
                    segment.frame(next, &record(next, bytes), true);
                    next += 1;
                }
                3 => segment.bytes.extend_from_slice(bytes),
                // Intact, and no record.
                4 => {
                    segment.frame(next, bytes, false);
                    next += 1;
                }
                5 => next = next.saturating_add(number(bytes) >> 8).min(u64::MAX - 1_000),
                // A position that was there before, or that has none after it.
                6 => segment.frame(if *len % 2 == 0 { next - 1 } else { u64::MAX }, bytes, false),
                7 => segment.cut(usize::from(*len)),
                8 => current = written.begin(next),
                _ => written.tables.push((if *len % 2 == 0 { "consumers" } else { "publishers" }, bytes.to_vec())),
            }
        }
        written
    }

    fn begin(&mut self, first: u64) -> u64 {
        self.segments.entry(first).or_insert_with(|| Segment { bytes: HEAD.to_vec(), ..Segment::default() });
        first
    }

    fn records(&self) -> Vec<u64> {
        self.segments.values().flat_map(Segment::whole).collect()
    }
}

impl Segment {
    /// A frame with this payload, of a record or of none.
    fn frame(&mut self, position: u64, payload: &[u8], is_record: bool) {
        let start = self.bytes.len();
        frame::put(&mut self.bytes, position, payload);
        if start >= HEAD.len() {
            self.frames.push(Frame { position, start, bytes: self.bytes[start..].to_vec(), is_record });
        }
    }

    /// Positions of the records that are there in full, and behind whatever else is there in full: a frame that was cut may
    /// have its last bytes back from the first ones of the next, which then is damaged.
    fn whole(&self) -> Vec<u64> {
        let is_there = |frame: &&Frame| self.bytes.get(frame.start..).is_some_and(|bytes| bytes.starts_with(&frame.bytes));
        let mut there: Vec<_> = self.frames.iter().filter(is_there).collect();
        there.sort_by_key(|frame| frame.start);
        let (mut end, mut last, mut whole) = (0, 0, Vec::new());
        for frame in there {
            if frame.start >= end && frame.position > last && frame.position < u64::MAX {
                (end, last) = (frame.start + frame.bytes.len(), frame.position);
                whole.extend(frame.is_record.then_some(frame.position));
            }
        }
        whole
    }

    fn cut(&mut self, bytes: usize) {
        self.bytes.truncate(self.bytes.len().saturating_sub(bytes));
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn record(position: u64, text: &[u8]) -> Vec<u8> {
    let time = Timestamp::from_micros(i64::from(text.len() as u32));
    encode_record(&SampleBatch {
        publisher: PublisherId::new("fuzzed").ok(),
        samples: vec![Sample {
            vehicle: VehicleId::new("car").expect("letters are an id"),
            session: None,
            fleet: None,
            seq: Some(position),
            source_time: time,
            received_at: time,
            quality: Quality::Good,
            signals: vec![Signal { name: "v".into(), value: SignalValue::Text(String::from_utf8_lossy(text).into()) }],
            raw: None,
        }],
    })
}

/// The corpus, and damaged copies of it, keep to the property.
#[cfg(test)]
mod corpus {
    #[test]
    fn journal_files() {
        let folder = tempfile::tempdir().unwrap();
        slipstream_corpus::replay("journal_files", |data| super::journal_files(data, folder.path()));
    }
}
