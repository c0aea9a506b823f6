//! What waits to be sent to one connection.
//!
//! Actors push runs of publications, doors push replies; the connection's session task drains
//! everything that waits and sends it in one write. All that concerns "the reader is slow" is
//! decided here and nowhere else.

mod conflation;
mod queue;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use slipstream_protocol::{Channel, CloseCode, WireFormat, client::Delivery, codec::Encoder, server::Reply};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    channel::{Missed, Run},
    subscription::Subscription,
};
use conflation::Conflation;
use queue::{Pushed, Queue};

/// How much may wait for one connection.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Most bytes.
    pub max_bytes: usize,
    /// Most publications.
    pub max_frames: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { max_bytes: 4 << 20, max_frames: 65_536 }
    }
}

/// A connection's queue of whole WebSocket frames, fed by actors and drained by the session task.
pub struct Outbox {
    format: WireFormat,
    state: Mutex<State>,
    /// Something to drain.
    ready: Notify,
    /// The connection must be cut without waiting for pending writes.
    cut: Notify,
    /// Histories that may wait at once to be handed over.
    resumes: Arc<Semaphore>,
}

/// How many subscriptions of one connection may be at what they missed at the same time.
const RESUMES: usize = 4;

struct State {
    queue: Queue,
    conflation: Conflation,
    closed: Option<CloseCode>,
    /// The session task sleeps and must be woken.
    asleep: bool,
}

/// What [`Outbox::drain`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Frames were moved out; more may come.
    Open,
    /// Send what was moved out, then close with this code; nothing more will come.
    Closed(CloseCode),
}

/// What became of a run pushed for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It waits.
    Waits,
    /// It waits, and so many older publications were dropped for it.
    Dropped(u64),
    /// It replaced older news, as the subscription asked; so many publications were skipped.
    Conflated(u64),
    /// The reader was too slow: its connection ends.
    Slow,
    /// The subscription or its connection is gone; forget it.
    Gone,
}

impl Outbox {
    /// An empty outbox for a connection that speaks `format`.
    pub fn new(format: WireFormat, limits: OutboxLimits) -> Arc<Self> {
        Arc::new(Self {
            format,
            state: Mutex::new(State { queue: Queue::new(limits), conflation: Conflation::default(), closed: None, asleep: false }),
            ready: Notify::new(),
            cut: Notify::new(),
            resumes: Arc::new(Semaphore::new(RESUMES)),
        })
    }

    /// The connection's wire format.
    pub const fn format(&self) -> WireFormat {
        self.format
    }

    /// Bytes that wait now.
    pub fn waiting_bytes(&self) -> usize {
        self.state.lock().queue.bytes()
    }

    /// Queues a reply (ack, error, pong), behind what waits already.
    pub fn reply(&self, reply: &Reply) {
        self.control(Encoder::new(self.format).reply(reply));
    }

    /// Queues one raw frame (a WebSocket pong or ping).
    pub fn control(&self, frame: Bytes) {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return;
        }
        if state.queue.push_control(frame) == Pushed::Full {
            self.cut_slow(&mut state);
        }
        self.wake(state);
    }

    /// Queues the answer to a request. A reader for whom there is no space any more is closed: an answer is never
    /// dropped from among others.
    fn answer(&self, state: &mut State, reply: &Reply) {
        if state.queue.push_control(Encoder::new(self.format).reply(reply)) == Pushed::Full {
            self.cut_slow(state);
        }
    }

    /// Queues a reply that starts a subscription: from now on runs of `subscription` are taken.
    pub(crate) fn open(&self, subscription: &Subscription, reply: &Reply) {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return;
        }
        subscription.set_active(true);
        self.answer(&mut state, reply);
        self.wake(state);
    }

    /// Queues a reply that ends a subscription: from now on no run of `subscription` is taken.
    pub(crate) fn end(&self, subscription: &Subscription, reply: Option<&Reply>) {
        let mut state = self.state.lock();
        subscription.set_active(false);
        state.conflation.forget(subscription.key());
        if state.closed.is_some() {
            return;
        }
        if let Some(reply) = reply {
            self.answer(&mut state, reply);
        }
        self.wake(state);
    }

    /// Hands over a run of publications for `subscription`.
    pub(crate) fn push(&self, subscription: &Subscription, run: &Run) -> Delivered {
        let mut state = self.state.lock();
        if state.closed.is_some() || !subscription.is_active() {
            return Delivered::Gone;
        }
        let delivered = match subscription.delivery() {
            Delivery::All => match state.queue.push_run(subscription, run) {
                Pushed::Waits => Delivered::Waits,
                Pushed::DroppedOldest(dropped) => Delivered::Dropped(dropped),
                Pushed::Full => {
                    self.cut_slow(&mut state);
                    Delivered::Slow
                }
            },
            Delivery::Latest | Delivery::MaxRate(_) => Delivered::Conflated(state.conflation.push(subscription, run)),
        };
        self.wake(state);
        delivered
    }

    /// Tells that publications `from..=to` of a channel will not come, to anyone.
    pub(crate) fn tell_gap(&self, subscription: &Subscription, channel: &Channel, from: u64, to: u64) {
        if subscription.is_active() {
            self.reply(&Reply::Gap { channel: channel.clone(), dropped: to + 1 - from, from, to });
        }
    }

    /// Waits for the right to ask for what was missed: a reader gets on with a few histories at a time. `None`
    /// where the connection ends.
    pub(crate) async fn may_resume(&self) -> Option<OwnedSemaphorePermit> {
        self.resumes.clone().acquire_owned().await.ok()
    }

    /// Hands over publications a subscriber missed, however many: never conflated, never too much.
    pub(crate) fn push_missed(&self, subscription: &Subscription, missed: Missed) {
        let mut state = self.state.lock();
        if state.closed.is_none() && subscription.is_active() {
            state.queue.push_missed(subscription, missed);
        }
        self.wake(state);
    }

    /// Waits until there is something to send, then moves it into `into`, in order: all of it, or as much as
    /// comes before the end of a portion of what was missed.
    pub async fn drain(&self, into: &mut Vec<Bytes>) -> Drained {
        loop {
            let ready = self.ready.notified();
            let (portion, next_due) = {
                let mut state = self.state.lock();
                let portion = state.queue.drain(self.format, into);
                // News does not overtake what was missed.
                let next_due =
                    if state.queue.is_empty() && portion.is_none() { state.conflation.drain(Instant::now(), into) } else { None };
                match state.closed {
                    Some(code) if portion.is_none() => return Drained::Closed(code),
                    _ => {}
                }
                state.asleep = portion.is_none() && into.is_empty();
                (portion, next_due)
            };
            // Not under the lock: actors that push must not wait for it.
            into.extend(portion.map(|portion| portion.encode(self.format)));
            if !into.is_empty() {
                return Drained::Open;
            }
            match next_due {
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, ready).await;
                }
                None => ready.await,
            }
        }
    }

    /// Ends the connection: what waits is still sent, then `code`.
    pub fn close(&self, code: CloseCode) {
        let mut state = self.state.lock();
        state.closed.get_or_insert(code);
        self.resumes.close();
        self.wake(state);
    }

    /// Whether the connection is ending, and why.
    pub fn closing(&self) -> Option<CloseCode> {
        self.state.lock().closed
    }

    /// Resolves when the reader is too slow to be waited for: the session task abandons pending
    /// writes, tries to send the close frame and drops the connection.
    pub async fn cut(&self) {
        self.cut.notified().await;
    }

    fn cut_slow(&self, state: &mut State) {
        state.closed = Some(CloseCode::SlowConsumer);
        state.queue.clear();
        state.conflation = Conflation::default();
        self.resumes.close();
        self.cut.notify_one();
    }

    /// Releases the lock, then wakes the session task if it sleeps.
    fn wake(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.ready.notify_one();
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
