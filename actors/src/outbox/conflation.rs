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
        // A channel of which nothing waits is remembered for its rate only: owners that leave memory and come back
        // have another name each time, and would fill the map.
        self.slots.retain(|_, slot| {
            let due = slot.not_before <= now;
            if slot.newest.is_none() {
                return !due;
            }
            if due {
                into.extend(slot.newest.take());
                slot.not_before = now + slot.every;
                return !slot.every.is_zero();
            }
            next = Some(next.map_or(slot.not_before, |n| n.min(slot.not_before)));
            true
        });
        next
    }

    pub(super) fn forget(&mut self, subscription: u64) {
        self.slots.retain(|(key, _), _| *key != subscription);
    }
}

#[cfg(test)]
mod tests {
    use slipstream_protocol::{
        Channel, ChannelKind, WireFormat,
        client::{OnSlow, SubscribeRequest},
    };

    use super::*;
    use crate::outbox::{Outbox, OutboxLimits};

    /// It used to grow by one each time a vehicle left memory and came back.
    #[tokio::test(start_paused = true)]
    async fn channels_of_which_nothing_waits_are_forgotten() {
        let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
        for delivery in [Delivery::Latest, Delivery::MaxRate(2.0)] {
            let channel: Channel = "telemetry:*".parse().unwrap();
            let request = SubscribeRequest { channel, id: None, since: None, delivery, on_slow: OnSlow::Disconnect };
            let subscription = Subscription::new(1, 1, outbox.clone(), request);
            let (mut conflation, mut told) = (Conflation::default(), Vec::new());
            for n in 0..100_u64 {
                let channel = Channel::one(ChannelKind::Telemetry, slipstream_protocol::Id::new("v").unwrap());
                let name = Arc::new(ChannelName { text: channel.to_string().into(), channel });
                let run = Run { name, first: n + 1, count: 1, bytes: Bytes::from_static(b"x"), last_start: 0 };
                conflation.push(&subscription, &run);
                conflation.drain(Instant::now(), &mut told);
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            assert_eq!(told.len(), 100);
            assert!(conflation.slots.len() <= 1, "{delivery:?}: {}", conflation.slots.len());
        }
    }
}
