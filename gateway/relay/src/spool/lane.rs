//! A lane: a log on the disk, a numbered stream, a connection.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use slipstream_ports::JournalError;
use slipstream_protocol::PublisherId;
use tokio::sync::watch;

use super::{Account, SpoolOptions, book::Book};
use slipstream_journal::{Consumer, ConsumerRole, EmbeddedJournal, JournalConfig};

/// The name under which a log keeps how far the server has acknowledged it.
const CONSUMER: &str = "server";

/// Segments of a spool: a part of the whole, because only whole segments give back their space.
const PARTS: u64 = 16;

/// What a lane's connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// The first attempt is under way.
    Connecting,
    /// It is there.
    Up,
    /// It is not.
    Down,
}

/// What the parts of the relay tell each other about a lane.
#[derive(Debug)]
pub(crate) struct LaneState {
    pub(crate) link: watch::Sender<LinkState>,
    /// Whether frames wait for the connection.
    pub(crate) congested: watch::Sender<bool>,
    /// The highest number written.
    written: AtomicU64,
    /// The highest acknowledged number.
    acked: AtomicU64,
    /// Samples acknowledged or refused.
    done: AtomicU64,
}

impl LaneState {
    fn new(written: u64, acked: u64) -> Self {
        Self {
            link: watch::Sender::new(LinkState::Connecting),
            congested: watch::Sender::new(false),
            written: AtomicU64::new(written),
            acked: AtomicU64::new(acked),
            done: AtomicU64::new(0),
        }
    }

    /// Everything up to number `seq` is on the disk.
    pub(super) fn written(&self, seq: u64) {
        self.written.store(seq, Relaxed);
    }

    /// Numbers written and not acknowledged.
    pub(crate) fn outstanding(&self) -> u64 {
        self.written.load(Relaxed).saturating_sub(self.acked.load(Relaxed))
    }

    /// Samples acknowledged or refused in this run.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }
}

/// One of a spool's two streams.
pub(crate) struct Lane {
    pub(crate) publisher: PublisherId,
    pub(crate) journal: Arc<EmbeddedJournal>,
    pub(crate) state: Arc<LaneState>,
    pub(super) consumer: Consumer,
    /// Number of the next sample.
    pub(super) next: u64,
    /// Number of the oldest sample without an acknowledgement; `next` where there is none.
    pub(crate) oldest: u64,
    /// Where drops are written down, in the lane that drops.
    pub(super) account: Option<Arc<Account>>,
}

impl Lane {
    /// Opens the log called `name`. Numbers go on behind the highest in it.
    pub(super) async fn open(options: &SpoolOptions, name: &str, publisher: PublisherId, book: &Book) -> Result<Self, JournalError> {
        let config = JournalConfig {
            // A laptop's disk is to hold samples, not room for them.
            prepare: false,
            segment_bytes: (options.max_bytes / PARTS).min(16 << 20),
            retain_bytes: 0,
            tail_bytes: 4 << 20,
            ..JournalConfig::new(options.dir.join(name))
        };
        let (journal, recovery) = EmbeddedJournal::open(config)?;
        let next = recovery.publishers.get(&publisher).map_or(book.first, |mark| mark + 1);
        let mut consumer = journal.consumer(CONSUMER, ConsumerRole::Reader);
        let start = consumer.position();
        let mut oldest = next;
        // The first sample that can be read tells where the acknowledgements ended.
        let mut read = start;
        while oldest == next && read < recovery.position {
            let Some(batch) = consumer.next(1).await? else { break };
            read = batch.last;
            let waits = |seq: &u64| name != "backlog" || *seq > book.dropped_to;
            oldest = batch.samples.iter().filter_map(|s| s.seq).find(waits).unwrap_or(next);
        }
        consumer.rewind(start);
        let state = Arc::new(LaneState::new(next - 1, oldest - 1));
        Ok(Self { publisher, journal, state, consumer, next, oldest, account: None })
    }
}

/// A lane as its agent sees it.
pub(crate) struct LaneEnd {
    pub(crate) journal: Arc<EmbeddedJournal>,
    pub(crate) state: Arc<LaneState>,
    /// The other lane, to the same server.
    pub(crate) other: Arc<LaneState>,
    /// Whether none is sent here while the other lane's frames wait for their connection.
    pub(crate) yields: bool,
    /// Whether to connect only when there is something to send.
    pub(crate) lazy: bool,
}

impl LaneEnd {
    /// Everything up to number `acked` and up to `position` in the log is done with, `done` samples
    /// in this run.
    pub(crate) fn acknowledged(&self, acked: u64, position: Option<u64>, done: u64) {
        self.state.acked.fetch_max(acked, Relaxed);
        self.state.done.store(done, Relaxed);
        if let Some(position) = position {
            self.journal.commit(CONSUMER, position);
        }
    }
}

/// Commits what is dropped.
pub(super) fn pass(journal: &EmbeddedJournal, position: u64) {
    journal.commit(CONSUMER, position);
    journal.tidy();
}
