//! The offsets of a vehicle's samples, given when they are taken in.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use slipstream_protocol::Sample;
use tokio::sync::Semaphore;

use crate::backlog::Held;

/// Samples of one vehicle with their offsets.
pub(crate) struct Numbered {
    /// In the order sent.
    pub(crate) samples: Vec<Sample>,
    /// Offset of the first of them.
    pub(crate) first: u64,
    /// What they hold of the backlog.
    pub(crate) held: Option<Held>,
}

/// Gives offsets in the order in which the journal keeps the samples: whoever appends and hands over
/// samples of a vehicle holds its turn meanwhile.
#[derive(Debug)]
pub(crate) struct Counter {
    turn: Semaphore,
    epoch: AtomicU64,
    /// The newest offset given.
    offset: AtomicU64,
}

impl Counter {
    pub(crate) fn new(epoch: u64, offset: u64) -> Self {
        Self { turn: Semaphore::new(1), epoch: AtomicU64::new(epoch), offset: AtomicU64::new(offset) }
    }

    /// Waits for the turn; [`Counter::release`] ends it. Turns are given in the order asked for.
    pub(crate) async fn hold(&self) {
        if let Ok(permit) = self.turn.try_acquire() {
            return permit.forget();
        }
        // Boxed: rare, and every door's task would otherwise keep room for it. It is never closed.
        if let Ok(permit) = Box::pin(self.turn.acquire()).await {
            permit.forget();
        }
    }

    pub(crate) fn release(&self) {
        self.turn.add_permits(1);
    }

    /// The next `count` offsets: the first of them. To be called within a turn.
    pub(crate) fn take(&self, count: u64) -> u64 {
        self.offset.fetch_add(count, Relaxed) + 1
    }

    /// Takes back the newest `count` offsets, of which nothing came. To be called within the turn they were given in.
    pub(crate) fn give_back(&self, count: u64) {
        self.offset.fetch_sub(count, Relaxed);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset.load(Relaxed)
    }

    /// Goes on elsewhere. To be called before samples are taken in.
    pub(crate) fn set(&self, epoch: u64, offset: u64) {
        self.epoch.store(epoch, Relaxed);
        self.offset.store(offset, Relaxed);
    }
}
