//! Reading the journal in order, with a place that survives a restart.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use slipstream_ports::JournalError;
use slipstream_protocol::{
    Sample,
    codec::{Numbering, RecordDecoder},
};
use tokio::sync::watch;

use super::{
    files,
    reader::{SegmentReader, Step},
    state::{Shared, storage},
};

/// Most bytes read from the disk for one batch.
const READ_BYTES: usize = 4 << 20;

/// What a consumer is to the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerRole {
    /// A series store: the acknowledgement level `stored` waits for it.
    Sink,
    /// Anything else that must see every record.
    Reader,
}

/// Consecutive records.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumedBatch {
    /// Their samples, in order; empty where damage took all of them.
    pub samples: Vec<Sample>,
    /// Position of the first record.
    pub first: u64,
    /// Position of the last record; what to commit when done.
    pub last: u64,
}

/// One record with the offsets its samples have on their channels.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberedRecord {
    /// Its position.
    pub position: u64,
    /// Its samples, in order.
    pub samples: Vec<Sample>,
    /// For each vehicle in order of first appearance; empty where the record was written without.
    pub numbering: Vec<Numbering>,
}

/// Reads every record once, from where it was committed last.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    name: String,
    /// Position of the next record to read.
    next: u64,
    durable: watch::Receiver<u64>,
    disk: Option<DiskCursor>,
    decoder: RecordDecoder,
}

/// An open segment and how far it is read.
#[derive(Debug)]
struct DiskCursor {
    segment: u64,
    reader: SegmentReader,
    /// Position of the next record expected.
    next: u64,
}

type Payloads = Vec<(u64, Bytes)>;

impl Consumer {
    pub(super) fn new(shared: Arc<Shared>, name: String, next: u64) -> Self {
        let durable = shared.durable.subscribe();
        Self { shared, name, next, durable, disk: None, decoder: RecordDecoder::default() }
    }

    /// The name its place is kept under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last record it is done with.
    pub fn position(&self) -> u64 {
        self.shared.positions.lock().consumers.get(&self.name).map_or(0, |c| c.position)
    }

    /// Records that are durable and not yet committed.
    pub fn lag(&self) -> u64 {
        let position = self.position();
        self.shared.durable.borrow().saturating_sub(position)
    }

    /// Waits for the next records and reads about `max_samples` of them, one record at least.
    /// `None` when the journal is closed and everything was read.
    ///
    /// May be cancelled; nothing is passed over. Fails with [`JournalError::Storage`] where the disk
    /// cannot be read; to be tried again.
    pub async fn next(&mut self, max_samples: usize) -> Result<Option<ConsumedBatch>, JournalError> {
        let Some((payloads, last)) = self.payloads(max_samples).await? else { return Ok(None) };
        let mut samples = Vec::new();
        for (position, payload) in payloads {
            match self.decoder.decode(&payload) {
                Ok(batch) => samples.extend(batch.samples),
                Err(error) => self.shared.quarantine.unreadable(position, &payload, &error.message),
            }
        }
        let first = std::mem::replace(&mut self.next, last + 1);
        Ok(Some(ConsumedBatch { samples, first, last }))
    }

    /// Like [`Consumer::next`], record by record with their offsets, and the position read to.
    pub async fn next_records(&mut self, max_samples: usize) -> Result<Option<(Vec<NumberedRecord>, u64)>, JournalError> {
        let Some((payloads, last)) = self.payloads(max_samples).await? else { return Ok(None) };
        let mut records = Vec::with_capacity(payloads.len());
        for (position, payload) in payloads {
            match self.decoder.decode_numbered(&payload) {
                Ok((batch, numbering)) => records.push(NumberedRecord { position, samples: batch.samples, numbering }),
                Err(error) => self.shared.quarantine.unreadable(position, &payload, &error.message),
            }
        }
        self.next = last + 1;
        Ok(Some((records, last)))
    }

    async fn payloads(&mut self, max_samples: usize) -> Result<Option<(Payloads, u64)>, JournalError> {
        let durable = loop {
            let durable = *self.durable.borrow_and_update();
            if durable >= self.next {
                break durable;
            }
            if self.shared.is_closed() || self.durable.changed().await.is_err() {
                return Ok(None);
            }
        };
        // The lock must not live across the await below.
        let near = self.shared.tail.lock().read(self.next, max_samples);
        let Some(payloads) = near else { return self.read_disk(durable, max_samples).await.map(Some) };
        self.disk = None;
        self.shared.counters.tail_reads.fetch_add(1, Relaxed);
        let last = payloads.last().map_or(self.next, |(position, _)| *position);
        Ok(Some((payloads, last)))
    }

    async fn read_disk(&mut self, durable: u64, max_samples: usize) -> Result<(Payloads, u64), JournalError> {
        self.shared.counters.disk_reads.fetch_add(1, Relaxed);
        let (shared, next, cursor) = (self.shared.clone(), self.next, self.disk.take());
        let read = tokio::task::spawn_blocking(move || read(&shared, next, cursor, durable, max_samples)).await;
        let read = read.map_err(|e| JournalError::Storage(e.to_string()))?.map_err(|e| storage(&e))?;
        self.disk = read.cursor;
        Ok((read.payloads, read.last))
    }

    /// Goes back to the record after `position`, to read again what was read, or committed, before.
    pub fn rewind(&mut self, position: u64) {
        self.next = self.next.min(position + 1);
        self.disk = None;
    }

    /// Notes that this sink will never have `points` of the records `first..=last`; to be called before they are committed.
    pub fn note_unstored(&self, first: u64, last: u64, points: u64) {
        self.shared.unstored.note(first, last, points);
    }

    /// Tells that every record up to `position` is dealt with. Saved within a fraction of a second.
    pub fn commit(&self, position: u64) {
        self.shared.commit(&self.name, position);
    }
}

struct DiskRead {
    payloads: Payloads,
    last: u64,
    cursor: Option<DiskCursor>,
}

/// Reads records from `from` on, at most to `durable`.
fn read(shared: &Shared, from: u64, cursor: Option<DiskCursor>, durable: u64, max_samples: usize) -> io::Result<DiskRead> {
    let mut heads = RecordDecoder::default();
    let mut read = DiskRead { payloads: Vec::new(), last: from, cursor: cursor.filter(|c| c.next == from) };
    let (mut samples, mut bytes, mut expected) = (0, 0, from);
    while samples < max_samples && bytes < READ_BYTES && expected <= durable {
        let Some((segment, following)) = shared.locate(expected) else { break };
        let mut cursor = match read.cursor.take().filter(|c| c.segment == segment.first) {
            Some(cursor) => cursor,
            None => match open(shared, segment.first, segment.bytes) {
                Ok(reader) => DiskCursor { segment: segment.first, reader, next: segment.first },
                // Removed between the look and the opening: everyone else has passed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    expected = following.unwrap_or(durable + 1).max(expected);
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        // Records may be gone for good where a consumer comes late.
        expected = expected.max(segment.first);
        cursor.reader.extend(segment.bytes);
        match step(shared, &mut cursor, following.unwrap_or(durable + 1))? {
            Some((position, payload)) if position >= expected => {
                samples += heads.head(&payload).map_or(1, |h| h.samples);
                bytes += payload.len();
                expected = position + 1;
                read.payloads.push((position, payload));
            }
            Some(_) => {}
            None => {
                expected = following.unwrap_or(durable + 1).max(expected);
                read.cursor = None;
                continue;
            }
        }
        cursor.next = expected;
        read.cursor = Some(cursor);
    }
    read.last = expected.saturating_sub(1).max(from);
    Ok(read)
}

fn open(shared: &Shared, first: u64, limit: u64) -> io::Result<SegmentReader> {
    SegmentReader::open(&files::segment_path(&shared.dir, first), limit)
}

/// The next record of the segment, whose records end before position `until`; `None` at its end.
/// Damage on the way is set aside.
fn step(shared: &Shared, cursor: &mut DiskCursor, until: u64) -> io::Result<Option<(u64, Bytes)>> {
    let expected = cursor.next;
    let mut damage: Option<(u64, Vec<u8>)> = None;
    loop {
        match cursor.reader.step()? {
            Step::Record { position, payload } => {
                if let Some((offset, bytes)) = damage {
                    shared.quarantine.damage(cursor.segment, offset, &bytes, position.saturating_sub(expected));
                }
                cursor.next = position + 1;
                return Ok(Some((position, Bytes::copy_from_slice(cursor.reader.bytes(payload)))));
            }
            Step::Damaged { offset, bytes } => damage = Some((offset, bytes)),
            Step::End { offset, rest } => {
                let lost = until.saturating_sub(expected);
                if lost > 0 || !rest.is_empty() {
                    shared.quarantine.damage(cursor.segment, offset, &rest, lost);
                }
                return Ok(None);
            }
        }
    }
}
