//! A typed handle to whatever generation of an actor is alive, with a bounded mailbox behind it.

use std::{
    sync::atomic::{AtomicI64, AtomicU32, Ordering},
    time::Duration,
};

use actix::{Actor, Addr, Context, Handler, Message, prelude::SendError};
use slipstream_protocol::Timestamp;
use tokio::sync::Notify;

use crate::{residency::Residency, stats::Stats};

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
    residency: Residency<Addr<A>>,
    space: Notify,
    waiters: AtomicU32,
    last_active: AtomicI64,
    /// How often the actor gave memory back in this idle period.
    compactions: AtomicU32,
}

impl<A: Actor> Default for Handle<A> {
    fn default() -> Self {
        Self {
            residency: Residency::default(),
            space: Notify::new(),
            waiters: AtomicU32::new(0),
            last_active: AtomicI64::new(0),
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
        let sent = self.residency.send(message, |addr, message| {
            stats.mailbox_depth.add(1);
            addr.try_send(message).inspect_err(|_| stats.mailbox_depth.sub(1))
        });
        match sent {
            Ok(Ok(())) => Sent::Yes,
            Ok(Err(SendError::Full(message))) => Sent::Full(message),
            Ok(Err(SendError::Closed(message))) | Err(message) => Sent::Absent(message),
        }
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
        self.residency.handled();
        stats.mailbox_depth.sub(1);
        if self.waiters.load(Ordering::Acquire) > 0 {
            self.space.notify_waiters();
        }
    }

    /// See [`Residency::activate`].
    pub(crate) fn activate(&self, spawn: impl FnOnce() -> Addr<A>) {
        self.residency.activate(spawn);
    }

    /// See [`Residency::retire`].
    pub(crate) fn retire(&self, keep: impl FnOnce()) -> bool {
        self.residency.retire(keep)
    }

    /// The actor ended for good with all that waited in its mailbox: the next message activates a new one.
    pub(crate) fn lost(&self, stats: &Stats) {
        stats.mailbox_depth.sub(u64::from(self.residency.lost()));
        self.space.notify_waiters();
    }

    pub(crate) fn is_resident(&self) -> bool {
        self.residency.is_resident()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.residency.generation()
    }

    pub(crate) fn restarted(&self) -> u64 {
        self.residency.restarted()
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
        self.residency.depth() as usize
    }
}

/// Runs when it is dropped, a panic's unwinding included: a message counts as handled either way.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
