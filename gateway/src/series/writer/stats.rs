//! What a writer counts and how it is.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use slipstream_ports::WriteReport;
use slipstream_protocol::Timestamp;

/// How a writer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriterState {
    /// The last write worked, or nothing was to be written yet.
    #[default]
    Writing,
    /// The store does not answer or is overloaded; the writer tries again, ever slower.
    Retrying,
    /// The store refuses (wrong credentials, no such bucket): someone must act. The writer tries again, ever slower; nothing is dropped.
    Refused,
}

impl WriterState {
    /// The word in health answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Retrying => "retrying",
            Self::Refused => "refused",
        }
    }
}

/// What a writer did since the start, and how it is.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesWriterStats {
    /// The store's name.
    pub store: &'static str,
    /// How it is.
    pub state: WriterState,
    /// Points the store has.
    pub points_written: u64,
    /// Points it refused for good.
    pub points_rejected: u64,
    /// Writes that worked.
    pub writes: u64,
    /// Writes that failed and were, or will be, repeated.
    pub retries: u64,
    /// Times the dead-letter file could not be written.
    pub dead_letter_errors: u64,
    /// Dead letters removed to make room for newer ones.
    pub dead_letters_removed: u64,
    /// Time spent in writes that worked, in seconds.
    pub write_seconds: f64,
    /// Position of the last record written.
    pub position: u64,
    /// Records in the journal that wait for the store.
    pub lag_records: u64,
    /// Records given up because the store was behind by more than the journal keeps for it.
    pub given_up_records: u64,
    /// How long the oldest sample that waits has been waiting; 0 when nothing waits.
    pub lag_seconds: f64,
    /// What the last failure said; empty after a write that worked.
    pub last_error: String,
}

#[derive(Debug, Default)]
struct Condition {
    state: WriterState,
    waiting_since: Option<Timestamp>,
    lag: Duration,
    last_error: String,
}

#[derive(Debug)]
pub(super) struct Counters {
    store: &'static str,
    written: AtomicU64,
    rejected: AtomicU64,
    writes: AtomicU64,
    retries: AtomicU64,
    dead_letter_errors: AtomicU64,
    dead_letters_removed: AtomicU64,
    write_us: AtomicU64,
    position: AtomicU64,
    condition: Mutex<Condition>,
}

impl Counters {
    pub(super) fn new(store: &'static str) -> Self {
        Self {
            store,
            written: AtomicU64::default(),
            rejected: AtomicU64::default(),
            writes: AtomicU64::default(),
            retries: AtomicU64::default(),
            dead_letter_errors: AtomicU64::default(),
            dead_letters_removed: AtomicU64::default(),
            write_us: AtomicU64::default(),
            position: AtomicU64::default(),
            condition: Mutex::default(),
        }
    }

    pub(super) const fn store(&self) -> &'static str {
        self.store
    }

    pub(super) fn position(&self) -> u64 {
        self.position.load(Relaxed)
    }

    pub(super) fn reached(&self, position: u64) {
        self.position.store(position, Relaxed);
    }

    pub(super) fn waiting_since(&self, since: Option<Timestamp>) {
        self.condition.lock().waiting_since = since;
    }

    pub(super) fn wrote(&self, report: &WriteReport, took: Duration, lag: Duration) {
        self.written.fetch_add(report.written, Relaxed);
        self.rejected.fetch_add(report.rejected, Relaxed);
        self.writes.fetch_add(1, Relaxed);
        self.write_us.fetch_add(took.as_micros() as u64, Relaxed);
        *self.condition.lock() = Condition { lag, ..Condition::default() };
    }

    /// Notes a failure. True where it is news: the first of its kind since the last success.
    pub(super) fn failed(&self, error: String, state: WriterState) -> bool {
        self.retries.fetch_add(1, Relaxed);
        let mut condition = self.condition.lock();
        let news = condition.state != state;
        condition.state = state;
        condition.last_error = error;
        news
    }

    pub(super) fn dead_letter_failed(&self) {
        self.dead_letter_errors.fetch_add(1, Relaxed);
    }

    pub(super) fn dead_letters_removed(&self, letters: u64) {
        self.dead_letters_removed.fetch_add(letters, Relaxed);
    }

    pub(super) fn read(&self, lag_records: u64, now: Timestamp) -> SeriesWriterStats {
        let condition = self.condition.lock();
        let lag = match condition.waiting_since {
            _ if lag_records == 0 => Duration::ZERO,
            Some(since) => now.since(since),
            None => condition.lag,
        };
        SeriesWriterStats {
            store: self.store,
            state: condition.state,
            points_written: self.written.load(Relaxed),
            points_rejected: self.rejected.load(Relaxed),
            writes: self.writes.load(Relaxed),
            retries: self.retries.load(Relaxed),
            dead_letter_errors: self.dead_letter_errors.load(Relaxed),
            dead_letters_removed: self.dead_letters_removed.load(Relaxed),
            write_seconds: self.write_us.load(Relaxed) as f64 / 1e6,
            position: self.position(),
            lag_records,
            given_up_records: 0,
            lag_seconds: lag.as_secs_f64(),
            last_error: condition.last_error.clone(),
        }
    }
}
