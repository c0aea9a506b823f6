//! The durable journal: what is acknowledged as `durable` is synced to the disk before.
//!
//! Appends from any thread go to one committer thread, which writes what has gathered and syncs it
//! (group commit), then answers their tickets. Records lie in segment files, each record with its own
//! checksum; a segment is removed when every consumer has passed it. Why not an embedded database:
//! `docs/adr/0003-journal.md`.

mod commit;
mod consumer;
mod files;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod housekeeping;
mod inspect;
mod positions;
mod publisher_watch;
mod publishers;
mod quarantine;
mod reader;
mod recovery;
mod spare;
mod state;
mod stats;
mod tail;
mod unstored;
mod version;
mod walk;
pub mod whole_file;

use std::{
    fs::{self, File},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use crossbeam::channel::{Sender, unbounded};
use parking_lot::Mutex;
use slipstream_ports::{Journal, JournalError, JournalTicket, PortFuture};
use slipstream_protocol::{
    SampleBatch,
    codec::{Numbering, encode_numbered_record},
};
use tokio::sync::{oneshot, watch};

pub use consumer::{ConsumedBatch, Consumer, ConsumerRole, NumberedRecord};
pub use files::{read_replaced, replace};
pub use inspect::{JournalReport, SegmentReport, dump, verify};
pub use publisher_watch::PublisherWatch;
pub use publishers::{SUBJECT_SEPARATOR, subject_of};
pub use recovery::Recovery;
pub use stats::{ConsumerStats, JournalStats, Latency};
pub use version::{SEGMENT_VERSION, newer_segment};
pub use walk::Walk;

use commit::{Append, Command, Committer};
use positions::Progress;
use quarantine::Quarantine;
use spare::Spare;
use state::{Shared, storage};
use stats::Counters;
use tail::Tail;
use unstored::Unstored;

/// Where and how the journal keeps records.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Its folder; made where it does not exist.
    pub dir: PathBuf,
    /// Longest wait for more appends before a group is written. It is waited only where fewer appends
    /// are there than came together last time; a lone publisher never waits.
    pub commit_delay: Duration,
    /// A segment is closed before it gets larger than this.
    pub segment_bytes: u64,
    /// A segment is closed when it is older than this.
    pub segment_age: Duration,
    /// Segments everyone has passed are kept until all of them together are larger than this.
    pub retain_bytes: u64,
    /// Most bytes kept for a sink that is behind; beyond, its oldest records are given up.
    pub unsent_bytes: u64,
    /// The newest records kept in memory for consumers that keep up.
    pub tail_bytes: usize,
    /// Damage set aside is kept up to this, the newest.
    pub quarantine_bytes: u64,
    /// Appends are refused when more than this waits for the disk.
    pub max_waiting_bytes: u64,
    /// The next segment is written ahead, full of zeros: a sync is then cheaper, and a segment takes its whole
    /// room from the start.
    pub prepare: bool,
}

impl JournalConfig {
    /// The defaults, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            commit_delay: Duration::from_millis(5),
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(3_600),
            retain_bytes: 256 << 20,
            unsent_bytes: u64::MAX,
            tail_bytes: 32 << 20,
            quarantine_bytes: 64 << 20,
            max_waiting_bytes: 64 << 20,
            prepare: true,
        }
    }
}

/// How often somebody who waits for room looks, whatever becomes durable.
const ROOM_POLL: Duration = Duration::from_millis(5);

/// The journal in segment files under one folder.
#[derive(Debug)]
pub struct EmbeddedJournal {
    shared: Arc<Shared>,
    sender: Sender<Command>,
    threads: Mutex<Option<[JoinHandle<()>; 2]>>,
    /// Held as long as the journal is open: one process writes.
    _lock: File,
}

impl EmbeddedJournal {
    /// Opens the journal, and repairs what a crash left behind.
    ///
    /// Fails with [`JournalError::Storage`] where the folder cannot be read or written, or another
    /// process has it open.
    pub fn open(config: JournalConfig) -> Result<(Arc<Self>, Recovery), JournalError> {
        let started = Instant::now();
        let dir = config.dir.clone();
        fs::create_dir_all(&dir).map_err(|e| storage(&e))?;
        let lock = lock(&dir)?;
        let counters = Arc::new(Counters::default());
        let quarantine = Quarantine::new(dir.join(files::QUARANTINE), config.quarantine_bytes, counters.clone());
        let recovered = recovery::recover(&dir, &quarantine, &counters).map_err(|e| storage(&e))?;
        let position = recovered.next - 1;
        let recovery = Recovery {
            publishers: recovered.publishers.marks(),
            position,
            records: recovered.records,
            quarantined: counters.quarantined.load(Ordering::Relaxed),
            corrupt: counters.corrupt.load(Ordering::Relaxed),
            torn_bytes: counters.torn_bytes.load(Ordering::Relaxed),
            elapsed: started.elapsed(),
        };
        // Small segments are for tests: they are not worth it.
        let spare_bytes = if config.prepare && config.segment_bytes >= 1 << 20 { config.segment_bytes } else { 0 };
        let dir_of_spare = dir.clone();
        let shared = Arc::new(Shared {
            tail: Mutex::new(Tail::new(recovered.next, config.tail_bytes)),
            config,
            dir,
            counters,
            quarantine,
            segments: Mutex::new(recovered.segments),
            durable: watch::Sender::new(position),
            positions: Mutex::new(recovered.positions),
            stored: watch::Sender::new(u64::MAX),
            spare: Spare::new(&dir_of_spare, spare_bytes),
            keeper: OnceLock::new(),
            publishers_through: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            watch: OnceLock::new(),
            unstored: Unstored::default(),
        });
        let (sender, receiver) = unbounded();
        let committer = Committer::new(shared.clone(), receiver, recovered.publishers, recovered.next).map_err(|e| storage(&e))?;
        let keeper = shared.clone();
        let threads = [spawn("journal-commit", move || committer.run())?, spawn("journal-keeper", move || housekeeping::run(&keeper))?];
        // Set once: nobody else has the journal yet.
        let _ = shared.keeper.set(threads[1].thread().clone());
        Ok((Arc::new(Self { shared, sender, threads: Mutex::new(Some(threads)), _lock: lock }), recovery))
    }

    /// Names who hears at once what became of publishers' numbers; to be called before the first append,
    /// and once: later calls change nothing.
    pub fn watch(&self, watch: Arc<dyn PublisherWatch>) {
        if self.shared.watch.set(watch).is_err() {
            tracing::debug!("publishers are watched already");
        }
    }

    /// A consumer that goes on where the one of the same name stopped; a new one starts at the oldest
    /// record. One consumer of a name at a time.
    pub fn consumer(&self, name: &str, role: ConsumerRole) -> Consumer {
        let oldest = self.shared.oldest();
        let mut positions = self.shared.positions.lock();
        let progress = positions.consumers.entry(name.to_owned()).or_insert(Progress::at(oldest.saturating_sub(1)));
        progress.sink = role == ConsumerRole::Sink;
        let next = progress.position + 1;
        positions.dirty = true;
        self.shared.publish_stored(&positions);
        drop(positions);
        Consumer::new(self.shared.clone(), name.to_owned(), next)
    }

    /// Forgets every consumer but those named, so that a store taken out of the configuration no
    /// longer holds back records. Tells who was forgotten.
    pub fn retain_consumers(&self, names: &[&str]) -> Vec<String> {
        let mut positions = self.shared.positions.lock();
        let gone: Vec<String> = positions.consumers.keys().filter(|name| !names.contains(&name.as_str())).cloned().collect();
        for name in &gone {
            positions.consumers.remove(name);
            positions.dirty = true;
        }
        self.shared.publish_stored(&positions);
        gone
    }

    /// Position of the newest durable record; 0 before the first.
    pub fn position(&self) -> u64 {
        *self.shared.durable.borrow()
    }

    /// Whether at most half of what may wait for the disk does. A source that can wait should wait
    /// for it: the other half is for those that cannot, and for those that looked at the same time.
    pub fn has_room(&self) -> bool {
        self.shared.counters.waiting_bytes.load(Ordering::Relaxed) <= self.shared.config.max_waiting_bytes / 2
    }

    /// Resolves when there is room, in the sense of [`Self::has_room`].
    pub async fn room(&self) {
        let mut durable = self.shared.durable.subscribe();
        while !self.has_room() {
            // A group that fails makes room without becoming durable: hence the look now and then.
            let _ = tokio::time::timeout(ROOM_POLL, durable.changed()).await;
        }
    }

    /// Tells that `consumer` is done with every record up to `position`; see [`Consumer::commit`].
    pub fn commit(&self, consumer: &str, position: u64) {
        self.shared.commit(consumer, position);
    }

    /// Points that a sink will never have among what was written together with the record at `position`: refused for
    /// good by the store, or given up because it was away for too long.
    pub fn unstored(&self, position: u64) -> u64 {
        self.shared.unstored.among(position)
    }

    /// Bytes of the segments that hold records behind `position`.
    pub fn bytes_behind(&self, position: u64) -> u64 {
        self.shared.segments.lock().iter().filter(|s| s.last > position).map(|s| s.bytes).sum()
    }

    /// Bytes of all segment files.
    pub fn segment_bytes(&self) -> u64 {
        self.shared.segments.lock().iter().map(|s| s.bytes).sum()
    }

    /// Position of the last record of the oldest segment: passing it frees that segment. `None` while
    /// there is only the one that is written to.
    pub fn oldest_sealed(&self) -> Option<u64> {
        let segments = self.shared.segments.lock();
        segments.front().filter(|_| segments.len() > 1).map(|s| s.last)
    }

    /// Saves positions and removes what everyone has passed now instead of a little later.
    pub fn tidy(&self) {
        if let Some([_, keeper]) = &*self.threads.lock() {
            keeper.thread().unpark();
        }
    }

    /// What it is doing.
    pub fn stats(&self) -> JournalStats {
        self.shared.stats()
    }

    /// Writes what was handed in, saves positions and marks, and stops. Later appends are refused;
    /// consumers read to the end and then hear `None`. Waits for the disk; may be called more than once.
    pub fn close(&self) {
        let Some([committer, keeper]) = self.threads.lock().take() else { return };
        // A committer that is gone already needs no telling.
        let _ = self.sender.send(Command::Close);
        let ended = committer.join().is_ok();
        self.shared.mark_closed();
        keeper.thread().unpark();
        if !(keeper.join().is_ok() && ended) {
            tracing::error!("a thread of the journal ended with a panic");
        }
    }
}

impl Drop for EmbeddedJournal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Journal for EmbeddedJournal {
    fn append(&self, batch: &SampleBatch) -> JournalTicket {
        self.append_numbered(batch, &[])
    }

    fn append_numbered(&self, batch: &SampleBatch, numbering: &[Numbering]) -> JournalTicket {
        let counters = &self.shared.counters;
        counters.appends.fetch_add(1, Ordering::Relaxed);
        let at = Instant::now();
        let payload = Bytes::from(encode_numbered_record(batch, numbering));
        let bytes = payload.len();
        let waiting_bytes = counters.waiting_bytes.load(Ordering::Relaxed);
        let refusal = if bytes > frame::MAX_PAYLOAD {
            Some(JournalError::TooLarge { bytes, most: frame::MAX_PAYLOAD })
        } else if waiting_bytes > self.shared.config.max_waiting_bytes {
            Some(JournalError::Overloaded { waiting_bytes })
        } else {
            None
        };
        if let Some(error) = refusal {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            return Box::pin(std::future::ready(Err(error)));
        }
        let highest = batch.samples.iter().filter_map(|s| s.seq).max();
        let numbered = batch.publisher.clone().zip(highest);
        let (ticket, outcome) = oneshot::channel();
        counters.waiting_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let append = Append { payload, samples: batch.samples.len(), numbered, at, ticket };
        if self.sender.send(Command::Append(append)).is_err() {
            counters.waiting_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
            return Box::pin(std::future::ready(Err(JournalError::Closed)));
        }
        Box::pin(async move { outcome.await.unwrap_or(Err(JournalError::Closed)) })
    }

    fn stored(&self, position: u64) -> PortFuture<'static, Result<(), JournalError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let mut durable = shared.durable.subscribe();
            let mut stored = shared.stored.subscribe();
            let closed = || shared.is_closed();
            durable.wait_for(|d| *d >= position || closed()).await.map_err(|_| JournalError::Closed)?;
            let reached = *stored.wait_for(|s| *s >= position || closed()).await.map_err(|_| JournalError::Closed)?;
            if reached >= position && *durable.borrow() >= position { Ok(()) } else { Err(JournalError::Closed) }
        })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, JournalError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|e| storage(&e))
}

/// How long the folder may still be locked before it counts as somebody else's: a child process that was
/// just started shares our locks until it runs its own program, and a server about to end has its last word.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Whether another process works in the journal's folder `dir`. Makes nothing there.
pub fn is_in_use(dir: &std::path::Path) -> bool {
    File::open(dir.join("lock")).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

fn lock(dir: &std::path::Path) -> Result<File, JournalError> {
    let file = File::create(dir.join("lock")).map_err(|e| storage(&e))?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if waited < LOCK_PATIENCE => {
                let pause = Duration::from_millis(10);
                std::thread::sleep(pause);
                waited += pause;
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(JournalError::InUse { folder: dir.display().to_string() });
            }
            Err(fs::TryLockError::Error(error)) => return Err(storage(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
