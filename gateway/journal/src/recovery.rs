//! Opening what an earlier run, or a crash, left behind.

use std::{
    collections::{HashMap, VecDeque},
    fs::OpenOptions,
    io,
    path::Path,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use slipstream_protocol::{PublisherId, codec::RecordDecoder};

use super::{
    files, frame,
    positions::Positions,
    publishers::Publishers,
    quarantine::Quarantine,
    reader::{SegmentReader, Step},
    state::Segment,
    stats::Counters,
};

/// What was found on opening a journal.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Highest number of each publisher: a number up to it has been kept before.
    pub publishers: HashMap<PublisherId, u64>,
    /// Position of the newest record; 0 where there is none.
    pub position: u64,
    /// Records read, because no snapshot covers them.
    pub records: u64,
    /// Pieces of damage set aside under `quarantine/`.
    pub quarantined: u64,
    /// Records lost to them.
    pub corrupt: u64,
    /// Bytes of an unfinished write that were cut off.
    pub torn_bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

pub(super) struct Recovered {
    pub(super) segments: VecDeque<Segment>,
    pub(super) publishers: Publishers,
    pub(super) positions: Positions,
    /// Position of the next record.
    pub(super) next: u64,
    pub(super) records: u64,
}

/// Reads what no snapshot covers, and cuts the newest segment behind its last valid record.
pub(super) fn recover(dir: &Path, quarantine: &Quarantine, counters: &Counters) -> io::Result<Recovered> {
    let mut publishers = Publishers::load(dir)?;
    let positions = Positions::load(dir)?;
    let firsts = files::segments(dir)?;
    let mut segments = VecDeque::with_capacity(firsts.len());
    let mut records = 0;
    let mut last = 0;
    for (index, first) in firsts.iter().copied().enumerate() {
        let path = files::segment_path(dir, first);
        if let Some(next) = firsts.get(index + 1)
            && *next <= publishers.through.saturating_add(1)
        {
            segments.push_back(Segment { first, last: next - 1, bytes: path.metadata()?.len() });
            last = next - 1;
            continue;
        }
        let scan = scan(&path, first, &mut publishers, quarantine)?;
        records += scan.records;
        let mut bytes = scan.end;
        if index + 1 == firsts.len() {
            cut(&path, &scan, first, quarantine, counters)?;
        } else {
            bytes = path.metadata()?.len();
            if !scan.rest.is_empty() {
                quarantine.damage(first, scan.end, &scan.rest, firsts[index + 1].saturating_sub(scan.last + 1));
            }
        }
        segments.push_back(Segment { first, last: scan.last, bytes });
        last = scan.last;
    }
    // A record that was consumed and then lost to damage must not lend its position to another:
    // the consumer would pass over that one.
    let consumed = positions.consumers.values().map(|c| c.position).max().unwrap_or(0);
    let next = last.max(publishers.through).max(consumed).saturating_add(1);
    publishers.through = next - 1;
    Ok(Recovered { segments, publishers, positions, next, records })
}

struct Scan {
    last: u64,
    records: u64,
    /// Where the last valid record ends.
    end: u64,
    /// What lies behind it.
    rest: Vec<u8>,
}

fn scan(path: &Path, first: u64, publishers: &mut Publishers, quarantine: &Quarantine) -> io::Result<Scan> {
    let mut reader = SegmentReader::open(path, u64::MAX)?;
    let mut decoder = RecordDecoder::default();
    let mut scan = Scan { last: first.saturating_sub(1), records: 0, end: 0, rest: Vec::new() };
    let mut damage = None;
    loop {
        match reader.step()? {
            Step::Record { position, payload } => {
                if let Some((offset, bytes)) = damage.take() {
                    let bytes: Vec<u8> = bytes;
                    quarantine.damage(first, offset, &bytes, position.saturating_sub(scan.last + 1));
                }
                scan.last = position;
                if position > publishers.through {
                    scan.records += 1;
                    match decoder.head(reader.bytes(payload.clone())) {
                        Ok(head) => {
                            if let (Some(publisher), Some(seq)) = (&head.publisher, head.max_seq) {
                                publishers.observe(publisher, seq, position);
                            }
                        }
                        Err(error) => quarantine.unreadable(position, reader.bytes(payload), &error.message),
                    }
                }
            }
            Step::Damaged { offset, bytes } => damage = Some((offset, bytes)),
            Step::End { offset, rest } => {
                scan.end = offset;
                scan.rest = rest;
                return Ok(scan);
            }
        }
    }
}

/// Cuts the newest segment where its valid records end.
fn cut(path: &Path, scan: &Scan, first: u64, quarantine: &Quarantine, counters: &Counters) -> io::Result<()> {
    if frame::was_whole(&scan.rest) {
        quarantine.damage(first, scan.end, &scan.rest, 1);
    } else {
        counters.torn_bytes.fetch_add(scan.rest.len() as u64, Relaxed);
    }
    let file = OpenOptions::new().write(true).open(path)?;
    let len = file.metadata()?.len();
    if len > scan.end {
        file.set_len(scan.end)?;
        file.sync_all()?;
    }
    Ok(())
}
