//! The conflated part of an outbox: for `latest` and `max_rate` only the newest publication of each
//! channel waits, and it leaves no earlier than the rate allows.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use slipstream_protocol::client::Delivery;
use tokio::time::Instant;

use crate::{
    channel::{ChannelName, Run},
    subscription::Subscription,
};

/// A subscription (a wildcard has many channels) and a channel by the address of its shared name.
type Key = (u64, usize);

struct Slot {
    /// Keeps the name's address from being reused while the slot stands.
    _name: Arc<ChannelName>,
    newest: Option<Bytes>,
    not_before: Instant,
    every: Duration,
}

#[derive(Default)]
pub(super) struct Conflation {
    slots: HashMap<Key, Slot>,
}

impl Conflation {
    /// Replaces what waits of the run's channel by the run's last publication; tells how many publications were skipped.
    pub(super) fn push(&mut self, subscription: &Subscription, run: &Run) -> u64 {
        let every = match subscription.delivery() {
            Delivery::MaxRate(hz) => Duration::from_secs_f64(1.0 / hz),
            Delivery::All | Delivery::Latest => Duration::ZERO,
        };
        let key = (subscription.key(), Arc::as_ptr(&run.name) as usize);
        let slot =
            self.slots.entry(key).or_insert_with(|| Slot { _name: run.name.clone(), newest: None, not_before: Instant::now(), every });
        let replaced = slot.newest.replace(run.last_frame()).is_some();
        u64::from(run.count) - 1 + u64::from(replaced)
    }

    /// Moves out what is due; tells when the next one is.
    pub(super) fn drain(&mut self, now: Instant, into: &mut Vec<Bytes>) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for slot in self.slots.values_mut().filter(|s| s.newest.is_some()) {
            if slot.not_before <= now {
                into.extend(slot.newest.take());
                slot.not_before = now + slot.every;
            } else {
                next = Some(next.map_or(slot.not_before, |n| n.min(slot.not_before)));
            }
        }
        next
    }

    pub(super) fn forget(&mut self, subscription: u64) {
        self.slots.retain(|(key, _), _| *key != subscription);
    }
}
