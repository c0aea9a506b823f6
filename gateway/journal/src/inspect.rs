//! Looking at a journal from outside, also while a server runs on it: nothing is changed.

use std::{io, path::Path};

use serde::Serialize;
use slipstream_protocol::{SampleBatch, codec::RecordDecoder};

use super::{
    files,
    positions::Positions,
    publishers::Publishers,
    reader::{SegmentReader, Step},
};

/// One segment file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    /// Position of its first record; its name.
    pub first: u64,
    /// Position of its last valid record.
    pub last: u64,
    /// Valid records.
    pub records: u64,
    /// Samples in them.
    pub samples: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Places (offset, length) that hold no valid record.
    pub damaged: Vec<(u64, u64)>,
    /// Records whose bytes are intact and that this build cannot read.
    pub unreadable: u64,
    /// Bytes behind the last valid record: damage, or a write under way.
    pub rest_bytes: u64,
    /// Where in the file the last valid record ends.
    pub end: u64,
}

/// A whole journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JournalReport {
    /// Oldest first.
    pub segments: Vec<SegmentReport>,
    /// Positions missing between the first and the last record.
    pub missing: u64,
    /// How many publishers have a high-water mark.
    pub publishers: usize,
    /// Where each consumer was when its position was saved last.
    pub consumers: std::collections::BTreeMap<String, u64>,
}

impl JournalReport {
    /// Whether every record is there and readable.
    pub fn is_sound(&self) -> bool {
        let last = self.segments.len().saturating_sub(1);
        self.missing == 0
            && self.segments.iter().enumerate().all(|(index, segment)| {
                // The newest segment may end in a write under way.
                segment.damaged.is_empty() && segment.unreadable == 0 && (index == last || segment.rest_bytes == 0)
            })
    }
}

/// Reads and checks every record of the journal in `dir`.
pub fn verify(dir: &Path) -> io::Result<JournalReport> {
    let mut report = JournalReport {
        publishers: Publishers::load(dir)?.marks().len(),
        consumers: Positions::load(dir)?.snapshot(),
        ..JournalReport::default()
    };
    let mut decoder = RecordDecoder::default();
    let mut expected = None;
    for first in files::segments(dir)? {
        let path = files::segment_path(dir, first);
        let mut segment = SegmentReport { first, last: first.saturating_sub(1), bytes: path.metadata()?.len(), ..SegmentReport::default() };
        report.missing += first.saturating_sub(expected.unwrap_or(first));
        expected = Some(first.max(expected.unwrap_or(first)));
        let mut reader = SegmentReader::open(&path, u64::MAX)?;
        loop {
            match reader.step()? {
                Step::Record { position, payload } => {
                    report.missing += position.saturating_sub(expected.unwrap_or(position));
                    expected = Some(position + 1);
                    segment.last = position;
                    segment.records += 1;
                    match decoder.decode(reader.bytes(payload)) {
                        Ok(batch) => segment.samples += batch.samples.len() as u64,
                        Err(_) => segment.unreadable += 1,
                    }
                }
                Step::Damaged { offset, bytes } => segment.damaged.push((offset, bytes.len() as u64)),
                Step::End { offset, rest } => {
                    segment.end = offset;
                    segment.rest_bytes = rest.len() as u64;
                    break;
                }
            }
        }
        report.segments.push(segment);
    }
    Ok(report)
}

/// At most `limit` records from position `from` on, with their positions. Damage is passed over.
pub fn dump(dir: &Path, from: u64, limit: usize) -> io::Result<Vec<(u64, SampleBatch)>> {
    let firsts = files::segments(dir)?;
    let start = firsts.partition_point(|first| *first <= from).saturating_sub(1);
    let mut decoder = RecordDecoder::default();
    let mut records = Vec::new();
    for first in &firsts[start.min(firsts.len())..] {
        let mut reader = SegmentReader::open(&files::segment_path(dir, *first), u64::MAX)?;
        while records.len() < limit {
            match reader.step()? {
                Step::Record { position, payload } if position >= from => {
                    if let Ok(batch) = decoder.decode(reader.bytes(payload)) {
                        records.push((position, batch));
                    }
                }
                Step::Record { .. } | Step::Damaged { .. } => {}
                Step::End { .. } => break,
            }
        }
    }
    Ok(records)
}
