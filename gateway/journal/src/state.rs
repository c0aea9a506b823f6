//! What the journal's threads and consumers share.

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::Thread,
};

use parking_lot::Mutex;
use slipstream_ports::JournalError;
use tokio::sync::watch;

use super::{
    JournalConfig,
    positions::{Positions, Progress},
    publisher_watch::PublisherWatch,
    quarantine::Quarantine,
    spare::Spare,
    stats::{ConsumerStats, Counters, JournalStats},
    tail::Tail,
    unstored::Unstored,
};

/// A segment file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Position of its first record; its name.
    pub(super) first: u64,
    /// Position of its last record; `first - 1` while it has none.
    pub(super) last: u64,
    /// Synced bytes.
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: JournalConfig,
    pub(super) dir: PathBuf,
    pub(super) counters: Arc<Counters>,
    pub(super) quarantine: Quarantine,
    /// Oldest first; the last is written to. Empty before the first record.
    pub(super) segments: Mutex<VecDeque<Segment>>,
    pub(super) tail: Mutex<Tail>,
    /// Position of the newest synced record.
    pub(super) durable: watch::Sender<u64>,
    pub(super) positions: Mutex<Positions>,
    /// How far every sink is; `u64::MAX` where there is none.
    pub(super) stored: watch::Sender<u64>,
    /// How far the saved snapshot of publishers reaches: records up to there may go.
    pub(super) publishers_through: AtomicU64,
    pub(super) closed: AtomicBool,
    /// The file of the next segment.
    pub(super) spare: Spare,
    /// The thread that makes it, among other things.
    pub(super) keeper: OnceLock<Thread>,
    /// Hears what became of publishers' numbers.
    pub(super) watch: OnceLock<Arc<dyn PublisherWatch>>,
    /// What sinks will never have.
    pub(super) unstored: Unstored,
}

impl Shared {
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Wakes everyone who waits, to find the journal closed.
    pub(super) fn mark_closed(&self) {
        self.closed.store(true, Ordering::Release);
        self.durable.send_modify(|_| {});
        self.stored.send_modify(|_| {});
    }

    /// Position of the oldest record that is still there.
    pub(super) fn oldest(&self) -> u64 {
        self.segments.lock().front().map_or_else(|| *self.durable.borrow() + 1, |s| s.first)
    }

    /// The segment that holds `position`, or the first after it, and the first position of the next one.
    pub(super) fn locate(&self, position: u64) -> Option<(Segment, Option<u64>)> {
        let segments = self.segments.lock();
        let index = segments.partition_point(|s| s.first <= position).saturating_sub(1);
        segments.get(index).map(|segment| (*segment, segments.get(index + 1).map(|s| s.first)))
    }

    /// `consumer` is done with every record up to `position`.
    pub(super) fn commit(&self, consumer: &str, position: u64) {
        let mut positions = self.positions.lock();
        let Some(progress) = positions.consumers.get_mut(consumer) else { return };
        if position > progress.position {
            progress.position = position;
            positions.dirty = true;
            self.publish_stored(&positions);
        }
    }

    /// Tells those who wait for `stored` how far the sinks are.
    pub(super) fn publish_stored(&self, positions: &Positions) {
        self.stored.send_replace(positions.stored().unwrap_or(u64::MAX));
    }

    pub(super) fn stats(&self) -> JournalStats {
        let position = *self.durable.borrow();
        let (segments, segment_bytes) = {
            let segments = self.segments.lock();
            (segments.len() as u64, segments.iter().map(|s| s.bytes).sum())
        };
        let progress_of = |progress: &Progress| ConsumerStats {
            position: progress.position,
            lag: position.saturating_sub(progress.position),
            sink: progress.sink,
            given_up: progress.given_up,
        };
        let consumers = self.positions.lock().consumers.iter().map(|(name, progress)| (name.clone(), progress_of(progress))).collect();
        JournalStats { segments, segment_bytes, position, oldest: self.oldest(), consumers, ..self.counters.read() }
    }
}

/// An error of the file system as callers see it.
pub(super) fn storage(error: &io::Error) -> JournalError {
    JournalError::Storage(error.to_string())
}
