//! History and recovery under any interleaving of publications, time, subscriptions, lost connections,
//! compaction and restarts of the owner.

use std::time::Duration;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use slipstream_protocol::{
    client::{Delivery, OnSlow, SubscribeRequest},
    server::FeedbackNote,
};

use super::*;
use crate::{
    Drained, Outbox, OutboxLimits, SystemConfig,
    harness::{ManualClock, START, messages, sample},
    ports::Clock as _,
};

#[derive(Clone, Debug)]
enum Asked {
    Nothing,
    /// Where this subscriber stopped.
    Stopped,
    /// So many publications before the newest.
    Behind(u64),
    /// An offset the channel has not reached.
    Ahead,
    AnotherLife,
}

#[derive(Clone, Debug)]
enum Step {
    Publish(u64),
    PublishEvent,
    Wait(u64),
    Subscribe(usize, Asked),
    Disconnect(usize),
    Compact,
    /// The owner ends and begins again, with what the channel remembers or without.
    Restart {
        with_history: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let since = prop_oneof![
        1 => Just(Asked::Nothing),
        4 => Just(Asked::Stopped),
        3 => (0..40_u64).prop_map(Asked::Behind),
        1 => Just(Asked::Ahead),
        1 => Just(Asked::AnotherLife),
    ];
    prop_oneof![
        6 => (1..6_u64).prop_map(Step::Publish),
        // More than one run.
        1 => (120..160_u64).prop_map(Step::Publish),
        2 => Just(Step::PublishEvent),
        3 => (1..40_u64).prop_map(Step::Wait),
        5 => (0..3_usize, since).prop_map(|(who, since)| Step::Subscribe(who, since)),
        2 => (0..3_usize).prop_map(Step::Disconnect),
        1 => Just(Step::Compact),
        1 => any::<bool>().prop_map(|with_history| Step::Restart { with_history }),
    ]
}

/// A client that keeps an account of what it heard.
#[derive(Default)]
struct Client {
    connection: Option<(Arc<Outbox>, Arc<Subscription>)>,
    /// Epoch and offset of what it heard last.
    stopped: Option<Since>,
}

struct World {
    channel: Broadcast,
    shared: SharedState,
    clock: Arc<ManualClock>,
    clients: [Client; 3],
    keys: u64,
    /// When each publication was made, and how many were made at once; by offset, from 1.
    made: Vec<(Timestamp, usize)>,
    /// Publications up to this offset were forgotten with the history.
    forgotten: u64,
}

const BOUND: HistoryBound = HistoryBound { len: 30, age: Duration::from_millis(100) };

impl World {
    fn new(len: usize) -> Self {
        let clock = ManualClock::new();
        let history = HistoryBounds::new(|_| HistoryBound { len, ..BOUND });
        let shared = SharedState::new(SystemConfig { history, ..SystemConfig::default() }, clock.clone(), Vec::new());
        let channel = Broadcast::new(ChannelKind::Telemetry, &Id::new("v").unwrap(), START);
        Self { channel, shared, clock, clients: Default::default(), keys: 0, made: Vec::new(), forgotten: 0 }
    }

    fn newest(&self) -> u64 {
        self.made.len() as u64
    }

    fn publish(&mut self, count: u64) {
        let (first, now) = (self.newest() + 1, self.clock.now());
        let samples = (first..first + count).map(|n| sample("v", n)).collect();
        self.channel.publish_samples(&Arc::new(samples), now, &self.shared);
        self.made.extend((0..count).map(|_| (now, count as usize)));
    }

    fn publish_event(&mut self) {
        let now = self.clock.now();
        self.channel.publish_event(event(now), now, &self.shared);
        self.made.push((now, 1));
    }

    /// A new connection of a client, in place of the one it had.
    fn subscribe(&mut self, who: usize, asked: &Asked) {
        self.disconnect(who);
        self.keys += 1;
        let epoch = self.channel.epoch;
        let at = |offset| Some(Since { epoch, offset });
        let since = match asked {
            Asked::Nothing => None,
            Asked::Stopped => self.clients[who].stopped,
            Asked::Behind(by) => at(self.newest().saturating_sub(*by)),
            Asked::Ahead => at(self.newest() + 7),
            Asked::AnotherLife => Some(Since { epoch: epoch + 1, offset: self.newest() }),
        };
        let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
        let channel = self.channel.name.channel.clone();
        let request = SubscribeRequest { channel, id: None, since, delivery: Delivery::All, on_slow: OnSlow::Disconnect };
        let subscription = Subscription::new(self.keys, self.keys, outbox.clone(), request);
        let remembered: Vec<u64> = offsets(&self.channel.history(None, usize::MAX));
        let by_rest = self.channel.history(since, usize::MAX);
        self.channel.subscribe(&subscription, &self.shared);

        let told = read(&outbox);
        let reply = &told[0];
        assert_eq!(reply["type"], "subscribed");
        let (from, recovered) = (reply["offset"].as_u64().unwrap(), reply["recovered"].as_bool().unwrap());
        let heard: Vec<u64> = told[1..].iter().map(|m| m["offset"].as_u64().unwrap()).collect();
        assert_eq!(heard, (from + 1..=self.newest()).collect::<Vec<_>>(), "from there to the newest, each once, in order");
        let Some(since) = since else {
            assert_eq!((from, recovered), (self.newest(), false), "who asks for nothing hears what comes");
            return self.connected(who, outbox, subscription);
        };
        assert_eq!((by_rest.offset, by_rest.recovered, offsets(&by_rest)), (from, recovered, heard), "REST tells the same");
        let oldest = remembered.first().copied().unwrap_or(self.newest() + 1);
        let reaches = since.epoch == epoch && (oldest - 1..=self.newest()).contains(&since.offset);
        assert_eq!(recovered, reaches, "since {} of {}, remembered from {oldest}", since.offset, self.newest());
        assert_eq!(from, if recovered { since.offset } else { oldest - 1 }, "exactly what was missed, or all there is");
        self.connected(who, outbox, subscription);
    }

    fn connected(&mut self, who: usize, outbox: Arc<Outbox>, subscription: Arc<Subscription>) {
        let heard = Since { epoch: self.channel.epoch, offset: self.newest() };
        self.clients[who] = Client { connection: Some((outbox, subscription)), stopped: Some(heard) };
    }

    fn disconnect(&mut self, who: usize) {
        let Some((outbox, subscription)) = self.clients[who].connection.take() else { return };
        self.hear(who, &outbox);
        outbox.end(&subscription, None);
        outbox.close(slipstream_protocol::CloseCode::GoingAway);
        if self.keys.is_multiple_of(2) {
            self.channel.forget(subscription.key());
        }
    }

    /// Live: each publication once, in order.
    fn hear(&mut self, who: usize, outbox: &Outbox) {
        let newest = self.newest();
        let Some(stopped) = &mut self.clients[who].stopped else { return };
        let heard: Vec<u64> = read(outbox).iter().map(|m| m["offset"].as_u64().unwrap()).collect();
        assert_eq!(heard, (stopped.offset + 1..=newest).collect::<Vec<_>>());
        stopped.offset = newest;
    }

    fn restart(&mut self, with_history: bool) {
        for who in 0..self.clients.len() {
            self.disconnect(who);
        }
        let saved = self.channel.save(with_history);
        self.channel = Broadcast::restore(&Id::new("v").unwrap(), saved, &self.shared);
        if !with_history {
            self.forgotten = self.newest();
        }
    }

    /// What is remembered is the newest of what was published, within the bounds and no less than they allow.
    fn check_bounds(&self, len: usize) {
        let remembered = offsets(&self.channel.history(None, usize::MAX));
        assert_eq!(remembered, (self.newest() + 1 - remembered.len() as u64..=self.newest()).collect::<Vec<_>>());
        let at_once = self.made.last().map_or(0, |(_, count)| *count);
        assert!(remembered.len() <= len.max(at_once), "{} are remembered", remembered.len());
        let young = self.made.iter().rev().take_while(|(at, _)| self.clock.now().since(*at) <= BOUND.age).count();
        let may = young.min((self.newest() - self.forgotten) as usize);
        // Publications made at once are forgotten at once.
        let least = may.min((len + 1).saturating_sub(self.made.iter().map(|(_, count)| *count).max().unwrap_or(1)));
        assert!(remembered.len() >= if len == 0 { 0 } else { least }, "{} of {may} are remembered", remembered.len());
    }
}

fn event(timestamp: Timestamp) -> Event {
    Event::Feedback(FeedbackNote { vehicle: "v".parse().unwrap(), session: None, feedback: "{}".into(), timestamp })
}

fn offsets(history: &ChannelHistory) -> Vec<u64> {
    let offset = |text: &Bytes| serde_json::from_slice::<serde_json::Value>(text).unwrap()["offset"].as_u64().unwrap();
    history.publications.iter().map(offset).collect()
}

fn read(outbox: &Outbox) -> Vec<serde_json::Value> {
    let mut told = Vec::new();
    // Portion by portion.
    loop {
        let mut frames = Vec::new();
        let drained = outbox.drain(&mut frames).now_or_never();
        told.extend(messages(WireFormat::Json, &frames));
        if drained != Some(Drained::Open) {
            return told;
        }
    }
}

proptest! {
    #[test]
    fn who_comes_back_hears_exactly_what_was_missed_or_all_there_is(
        steps in prop::collection::vec(step(), 1..60),
        len in prop_oneof![Just(0), Just(1), Just(BOUND.len)],
    ) {
        let mut world = World::new(len);
        for step in steps {
            match step {
                Step::Publish(count) => world.publish(count),
                Step::PublishEvent => world.publish_event(),
                Step::Wait(millis) => world.clock.advance(Duration::from_millis(millis)),
                Step::Subscribe(who, since) => world.subscribe(who, &since),
                Step::Disconnect(who) => world.disconnect(who),
                Step::Compact => world.channel.compact(world.clock.now(), &world.shared),
                Step::Restart { with_history } => world.restart(with_history),
            }
            world.check_bounds(len);
        }
        for who in 0..world.clients.len() {
            world.disconnect(who);
        }
    }
}
