//! A typed handle to whatever generation of an actor is alive, with a bounded mailbox behind it.

use std::{
    sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use actix::{Actor, Addr, Context, Handler, Message, prelude::SendError};
use parking_lot::RwLock;
use slipstream_protocol::Timestamp;
use tokio::sync::Notify;

use crate::stats::Stats;

/// How long a waiting sender sleeps at most before it looks again, should a wake-up be missed.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What became of a message.
pub(crate) enum Sent<M> {
    /// It is in the mailbox.
    Yes,
    /// The mailbox is full.
    Full(M),
    /// No actor is resident.
    Absent(M),
}

/// Outlives every generation of its actor.
pub(crate) struct Handle<A: Actor> {
    addr: RwLock<Option<Addr<A>>>,
    space: Notify,
    waiters: AtomicU32,
    depth: AtomicU32,
    last_active: AtomicI64,
    generation: AtomicU64,
    /// How often the actor gave memory back in this idle period.
    compactions: AtomicU32,
}

impl<A: Actor> Default for Handle<A> {
    fn default() -> Self {
        Self {
            addr: RwLock::new(None),
            space: Notify::new(),
            waiters: AtomicU32::new(0),
            depth: AtomicU32::new(0),
            last_active: AtomicI64::new(0),
            generation: AtomicU64::new(0),
            compactions: AtomicU32::new(0),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Handle<A> {
    /// Puts `message` into the mailbox if there is room.
    pub(crate) fn try_send<M>(&self, message: M, stats: &Stats) -> Sent<M>
    where
        A: Handler<M>,
        M: Message<Result = ()> + Send + 'static,
    {
        let guard = self.addr.read();
        let Some(addr) = guard.as_ref() else { return Sent::Absent(message) };
        self.depth.fetch_add(1, Ordering::AcqRel);
        stats.mailbox_depth.add(1);
        let refused = match addr.try_send(message) {
            Ok(()) => return Sent::Yes,
            Err(SendError::Full(message)) => Sent::Full(message),
            Err(SendError::Closed(message)) => Sent::Absent(message),
        };
        self.depth.fetch_sub(1, Ordering::AcqRel);
        stats.mailbox_depth.sub(1);
        refused
    }

    /// Puts `message` into the mailbox, waiting for room: this is where back-pressure is felt.
    /// Gives the message back when no actor is resident.
    pub(crate) async fn deliver<M>(&self, mut message: M, stats: &Stats) -> Result<(), M>
    where
        A: Handler<M>,
        M: Message<Result = ()> + Send + 'static,
    {
        loop {
            message = match self.try_send(message, stats) {
                Sent::Yes => return Ok(()),
                Sent::Absent(message) => return Err(message),
                Sent::Full(message) => message,
            };
            stats.mailbox_full.add(1);
            self.waiters.fetch_add(1, Ordering::AcqRel);
            // A missed wake-up costs a few milliseconds, nothing else.
            let _ = tokio::time::timeout(LOOK_AGAIN, self.space.notified()).await;
            self.waiters.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Called by the actor after each message.
    pub(crate) fn handled(&self, stats: &Stats) {
        self.depth.fetch_sub(1, Ordering::AcqRel);
        stats.mailbox_depth.sub(1);
        if self.waiters.load(Ordering::Acquire) > 0 {
            self.space.notify_waiters();
        }
    }

    /// Makes a new generation with `spawn` unless one is resident.
    pub(crate) fn activate(&self, spawn: impl FnOnce() -> Addr<A>) {
        if self.addr.read().is_some() {
            return;
        }
        let mut addr = self.addr.write();
        if addr.is_none() {
            self.generation.fetch_add(1, Ordering::AcqRel);
            self.depth.store(0, Ordering::Release);
            *addr = Some(spawn());
        }
    }

    /// Ends the resident generation if nothing waits in its mailbox but the message now handled;
    /// `keep` runs before anyone can activate the next one.
    pub(crate) fn retire(&self, keep: impl FnOnce()) -> bool {
        let mut addr = self.addr.write();
        // The message now handled still counts.
        if self.depth.load(Ordering::Acquire) > 1 || addr.is_none() {
            return false;
        }
        keep();
        *addr = None;
        true
    }

    pub(crate) fn is_resident(&self) -> bool {
        self.addr.read().is_some()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn restarted(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(crate) fn touch(&self, now: Timestamp) {
        self.last_active.store(now.micros(), Ordering::Relaxed);
        self.compactions.store(0, Ordering::Relaxed);
    }

    pub(crate) fn last_active(&self) -> Timestamp {
        Timestamp::from_micros(self.last_active.load(Ordering::Relaxed))
    }

    /// Whether the actor has given memory back less than `times` in this idle period; counts one more.
    pub(crate) fn take_compaction(&self, times: u32) -> bool {
        self.compactions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |done| (done < times).then_some(times)).is_ok()
    }

    /// Messages in the mailbox, the one now handled included.
    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed) as usize
    }
}

/// Runs when it is dropped, a panic's unwinding included: a message counts as handled either way.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
