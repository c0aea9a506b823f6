//! An outbox under any interleaving of publications, replies, subscriptions coming and going, and reads.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use serde_json::Value;
use slipstream_protocol::{
    Channel, ChannelKind, CloseCode, WireFormat,
    client::{Delivery, OnSlow, SubscribeRequest},
    server::Reply,
};

use super::{
    tests::{name, run},
    *,
};
use crate::{channel::ChannelName, harness::messages, subscription::Subscription};

/// Channels: two heard by everything published, one conflated.
const CHANNELS: [(&str, Delivery); 3] = [("a", Delivery::All), ("b", Delivery::All), ("c", Delivery::Latest)];
const LIMITS: OutboxLimits = OutboxLimits { max_bytes: 2_500, max_frames: 10 };

#[derive(Clone, Debug)]
enum Step {
    Publish {
        channel: usize,
        count: u32,
    },
    Reply,
    /// Subscribes, or ends the subscription that stands.
    Turn {
        channel: usize,
    },
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..CHANNELS.len(), 1..14_u32).prop_map(|(channel, count)| Step::Publish { channel, count }),
        2 => Just(Step::Reply),
        1 => (0..CHANNELS.len()).prop_map(|channel| Step::Turn { channel }),
        3 => Just(Step::Read),
    ]
}

/// What one channel's subscriber was promised and has heard.
struct Listener {
    name: Arc<ChannelName>,
    delivery: Delivery,
    subscription: Option<Arc<Subscription>>,
    /// Offset of the newest publication.
    newest: u64,
    /// By the reader's account: subscribed, and the next offset it must hear of.
    stays: bool,
    expected: u64,
    /// Publications told as dropped or skipped by the outbox; told, heard or still waiting by the reader's account.
    counted: u64,
    missed: u64,
}

struct World {
    outbox: Arc<Outbox>,
    listeners: Vec<Listener>,
    keys: u64,
    /// Replies in the order given and in the order heard.
    asked: u64,
    answered: u64,
    largest_run: usize,
    on_slow: OnSlow,
    slow: bool,
}

impl World {
    fn new(on_slow: OnSlow) -> Self {
        let listener = |(id, delivery): (&str, Delivery)| Listener {
            name: name(id),
            delivery,
            subscription: None,
            newest: 0,
            stays: false,
            expected: 0,
            counted: 0,
            missed: 0,
        };
        let outbox = Outbox::new(WireFormat::Json, LIMITS);
        let listeners = CHANNELS.into_iter().map(listener).collect();
        Self { outbox, listeners, keys: 0, asked: 0, answered: 0, largest_run: 0, on_slow, slow: false }
    }

    fn publish(&mut self, channel: usize, count: u32) {
        let listener = &mut self.listeners[channel];
        let run = run(&listener.name, listener.newest + 1, count);
        listener.newest += u64::from(count);
        let Some(subscription) = &listener.subscription else { return };
        self.largest_run = self.largest_run.max(run.bytes.len());
        match self.outbox.push(subscription, &run) {
            Delivered::Waits => {}
            Delivered::Dropped(dropped) => {
                assert_eq!(self.on_slow, OnSlow::DropOldest);
                // Of whichever channel: the sums are compared.
                listener.counted += dropped;
            }
            Delivered::Conflated(skipped) => {
                assert_eq!(listener.delivery, Delivery::Latest);
                listener.counted += skipped;
            }
            Delivered::Slow => {
                assert!(!self.slow, "it is told once");
                self.slow = true;
            }
            Delivered::Gone => assert!(self.slow),
        }
        let bound = LIMITS.max_bytes.max(self.largest_run) + LIMITS.max_bytes;
        assert!(self.outbox.waiting_bytes() <= bound, "{} bytes wait", self.outbox.waiting_bytes());
    }

    fn turn(&mut self, channel: usize) {
        let epoch = 1;
        let listener = &mut self.listeners[channel];
        let (channel, offset) = (listener.name.channel.clone(), listener.newest);
        if let Some(subscription) = listener.subscription.take() {
            self.outbox.end(&subscription, Some(&Reply::Unsubscribed { channel, id: None, epoch, offset }));
            return;
        }
        self.keys += 1;
        let wanted = Channel::all(ChannelKind::Telemetry);
        let request = SubscribeRequest { channel: wanted, id: None, since: None, delivery: listener.delivery, on_slow: self.on_slow };
        let subscription = Subscription::new(self.keys, 1, self.outbox.clone(), request);
        self.outbox.open(&subscription, &Reply::Subscribed { channel, id: None, epoch, offset, recovered: false });
        listener.subscription = Some(subscription);
    }

    fn reply(&mut self) {
        self.asked += 1;
        let number = serde_json::to_string(&self.asked).unwrap();
        let id = slipstream_protocol::client::RequestId::from_json(&number);
        self.outbox.reply(&Reply::Pong { id });
    }

    /// Reads everything, as a client that believes what it is told.
    fn read(&mut self) {
        let mut frames = Vec::new();
        let Some(drained) = self.outbox.drain(&mut frames).now_or_never() else { return };
        let told = messages(WireFormat::Json, &frames);
        if self.slow {
            assert_eq!((told.len(), drained), (0, Drained::Closed(CloseCode::SlowConsumer)));
            return;
        }
        assert_eq!(drained, Drained::Open);
        assert_eq!(self.outbox.waiting_bytes(), 0);
        let mut heard = BTreeMap::<String, usize>::new();
        for message in &told {
            self.hear(message, &mut heard);
        }
        assert!(heard.values().sum::<usize>() <= LIMITS.max_frames.max(14) + CHANNELS.len(), "{} publications waited", heard.len());
    }

    fn hear(&mut self, message: &Value, heard: &mut BTreeMap<String, usize>) {
        if message["type"] == "pong" {
            self.answered += 1;
            assert_eq!(message["id"], self.answered, "replies keep their order");
            return;
        }
        let channel = message["channel"].as_str().unwrap();
        let listener = self.listeners.iter_mut().find(|l| &*l.name.text == channel).unwrap();
        let number = |key: &str| message[key].as_u64().unwrap();
        match message["type"].as_str().unwrap() {
            "subscribed" => {
                assert!(!listener.stays);
                (listener.stays, listener.expected) = (true, number("offset") + 1);
            }
            "unsubscribed" => {
                assert!(listener.stays);
                // What was conflated and did not leave in time goes with the subscription.
                let unheard = number("offset") + 1 - listener.expected;
                assert!(unheard == 0 || listener.delivery == Delivery::Latest, "{unheard} of {channel} neither heard nor told as dropped");
                listener.stays = false;
            }
            "gap" => {
                assert!(listener.stays, "a gap of a channel that is not heard");
                assert_eq!((number("from"), number("dropped")), (listener.expected, number("to") + 1 - number("from")));
                listener.expected = number("to") + 1;
                listener.missed += number("dropped");
            }
            "telemetry" => {
                // A conflated publication leaves behind all ordered ones, so it may come after the end of a stay.
                assert!(listener.stays);
                *heard.entry(channel.to_owned()).or_default() += 1;
                if listener.delivery == Delivery::All {
                    assert_eq!(number("offset"), listener.expected);
                } else {
                    assert!(number("offset") >= listener.expected, "news does not go back");
                    listener.missed += number("offset") - listener.expected;
                }
                listener.expected = number("offset") + 1;
            }
            other => panic!("{other}"),
        }
    }

    /// After the last read: whoever is subscribed has heard of everything.
    fn settle(&mut self) {
        self.reply();
        self.read();
        if self.slow {
            assert_eq!(self.outbox.waiting_bytes(), 0);
            return;
        }
        assert_eq!(self.answered, self.asked);
        for listener in self.listeners.iter().filter(|l| l.subscription.is_some()) {
            assert_eq!(listener.expected, listener.newest + 1, "{}", listener.name.text);
        }
        let sum = |of: fn(&Listener) -> u64| self.listeners.iter().filter(|l| l.delivery == Delivery::All).map(of).sum::<u64>();
        assert_eq!(sum(|l| l.counted), sum(|l| l.missed), "what the outbox counts as dropped is what the reader is told");
    }
}

proptest! {
    #[test]
    fn what_comes_out_and_the_gaps_are_what_went_in(steps in prop::collection::vec(step(), 1..80), drops in prop::bool::weighted(0.8)) {
        let mut world = World::new(if drops { OnSlow::DropOldest } else { OnSlow::Disconnect });
        for step in steps {
            match step {
                Step::Publish { channel, count } => world.publish(channel, count),
                Step::Reply => world.reply(),
                Step::Turn { channel } => world.turn(channel),
                Step::Read => world.read(),
            }
        }
        world.settle();
    }
}
