use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use proptest::prelude::*;
use slipstream_protocol::{
    Channel, ChannelKind, CloseCode, Id, WireFormat,
    client::{Delivery, OnSlow, SubscribeRequest},
    codec::Encoder,
    server::Reply,
};

use super::*;
use crate::{
    channel::{ChannelName, Run},
    harness::{messages, numbers, sample},
    subscription::Subscription,
};

pub(super) fn name(id: &str) -> Arc<ChannelName> {
    let channel = Channel::one(ChannelKind::Telemetry, Id::new(id).unwrap());
    let text = channel.to_string().into();
    Arc::new(ChannelName { channel, text })
}

pub(super) fn run(name: &Arc<ChannelName>, first: u64, count: u32) -> Run {
    let mut out = BytesMut::new();
    let mut last_start = 0;
    for n in first..first + u64::from(count) {
        last_start = out.len();
        Encoder::new(WireFormat::Json).telemetry(&name.text, n, &sample("v", n), &mut out);
    }
    Run { name: name.clone(), first, count, bytes: out.freeze(), last_start }
}

fn subscription(outbox: &Arc<Outbox>, delivery: Delivery, on_slow: OnSlow) -> Arc<Subscription> {
    let request = SubscribeRequest { channel: Channel::all(ChannelKind::Telemetry), id: None, since: None, delivery, on_slow };
    let subscription = Subscription::new(1, 1, outbox.clone(), request);
    outbox.open(&subscription, &Reply::Pong { id: None });
    subscription
}

async fn drained(outbox: &Outbox) -> (Vec<serde_json::Value>, Drained) {
    let mut frames = Vec::new();
    let end = outbox.drain(&mut frames).await;
    (messages(WireFormat::Json, &frames), end)
}

#[tokio::test]
async fn a_slow_reader_that_chose_disconnect_is_closed_and_holds_no_memory() {
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits { max_bytes: 1_000, max_frames: 100 });
    let subscription = subscription(&outbox, Delivery::All, OnSlow::Disconnect);
    let name = name("v");
    let outcomes: Vec<_> = (0..20).map(|i| outbox.push(&subscription, &run(&name, i * 2 + 1, 2))).collect();
    assert!(outcomes.contains(&Delivered::Slow));
    assert_eq!(outcomes.last(), Some(&Delivered::Gone));
    assert_eq!(outbox.waiting_bytes(), 0);
    tokio::time::timeout(Duration::from_secs(1), outbox.cut()).await.unwrap();
    assert_eq!(drained(&outbox).await.1, Drained::Closed(CloseCode::SlowConsumer));
}

#[tokio::test]
async fn a_client_that_asks_and_does_not_read_is_closed_as_slow_before_one_answer_is_dropped() {
    let answer = |id: usize| Reply::Subscribed {
        channel: Channel::all(ChannelKind::Telemetry),
        id: Some(slipstream_protocol::client::RequestId::from_number(id as u64)),
        epoch: 0,
        offset: 0,
        recovered: false,
    };
    let limits = OutboxLimits { max_bytes: 1_000, max_frames: 100 };
    let ways: [fn(&Outbox, &Subscription, &Reply); 3] = [|o, s, r| o.open(s, r), |o, s, r| o.end(s, Some(r)), |o, _, r| o.reply(r)];
    for way in ways {
        let outbox = Outbox::new(WireFormat::Json, limits);
        let subscription = subscription(&outbox, Delivery::All, OnSlow::Disconnect);
        let mut asked = 0;
        while outbox.closing().is_none() {
            way(&outbox, &subscription, &answer(asked));
            asked += 1;
            assert!(asked < 1_000, "it is never closed");
        }
        assert!(asked > 10, "there is space for some");
        tokio::time::timeout(Duration::from_secs(1), outbox.cut()).await.unwrap();
        let (told, end) = drained(&outbox).await;
        assert_eq!((told.len(), end), (0, Drained::Closed(CloseCode::SlowConsumer)));
    }
}

#[tokio::test]
async fn what_waits_is_still_sent_when_the_server_closes() {
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
    let subscription = subscription(&outbox, Delivery::All, OnSlow::Disconnect);
    outbox.push(&subscription, &run(&name("v"), 1, 3));
    outbox.close(CloseCode::GoingAway);
    let (told, end) = drained(&outbox).await;
    assert_eq!((numbers(&told), end), (vec![1, 2, 3], Drained::Closed(CloseCode::GoingAway)));
}

#[tokio::test]
async fn latest_keeps_only_the_newest_of_each_channel() {
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
    let subscription = subscription(&outbox, Delivery::Latest, OnSlow::Disconnect);
    let (a, b) = (name("a"), name("b"));
    assert_eq!(outbox.push(&subscription, &run(&a, 1, 3)), Delivered::Conflated(2));
    assert_eq!(outbox.push(&subscription, &run(&a, 4, 1)), Delivered::Conflated(1));
    assert_eq!(outbox.push(&subscription, &run(&b, 9, 1)), Delivered::Conflated(0));
    let mut told = numbers(&drained(&outbox).await.0);
    told.sort_unstable();
    assert_eq!(told, [4, 9]);
}

#[tokio::test(start_paused = true)]
async fn max_rate_sends_the_newest_of_each_interval() {
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
    let subscription = subscription(&outbox, Delivery::MaxRate(10.0), OnSlow::Disconnect);
    let name = name("v");
    let begin = Instant::now();
    let mut told = Vec::new();
    for n in 1..=30 {
        outbox.push(&subscription, &run(&name, n, 1));
        let mut frames = Vec::new();
        if tokio::time::timeout(Duration::from_millis(20), outbox.drain(&mut frames)).await.is_ok() {
            told.extend(numbers(&messages(WireFormat::Json, &frames)).into_iter().map(|n| (begin.elapsed().as_millis() as u64, n)));
        }
        tokio::time::sleep_until(begin + Duration::from_millis(20 * n)).await;
    }
    // 30 publications in 600 ms at 10 a second.
    assert!((6..=7).contains(&told.len()), "{told:?}");
    assert!(told.windows(2).all(|w| w[1].0 - w[0].0 >= 99), "{told:?}");
}

#[tokio::test]
async fn nothing_of_a_channel_follows_the_end_of_its_subscription() {
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
    let subscription = subscription(&outbox, Delivery::All, OnSlow::Disconnect);
    let name = name("v");
    outbox.push(&subscription, &run(&name, 1, 1));
    outbox.end(&subscription, Some(&Reply::Pong { id: None }));
    assert_eq!(outbox.push(&subscription, &run(&name, 2, 1)), Delivered::Gone);
    let told = drained(&outbox).await.0;
    assert_eq!(told.iter().map(|m| m["type"].as_str().unwrap()).collect::<Vec<_>>(), ["pong", "telemetry", "pong"]);
}

/// A gap used to be told before all that waited, so before the answer to the very subscription it was of.
#[tokio::test]
async fn a_gap_is_told_where_what_was_dropped_would_have_been() {
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits { max_bytes: 10_000, max_frames: 4 });
    let subscription = subscription(&outbox, Delivery::All, OnSlow::DropOldest);
    let name = name("v");
    for first in [1, 3, 5] {
        outbox.push(&subscription, &run(&name, first, 2));
    }
    let told = drained(&outbox).await.0;
    assert_eq!(told.iter().map(|m| m["type"].as_str().unwrap()).collect::<Vec<_>>(), ["pong", "gap", "telemetry", "telemetry"]);
    assert_eq!((told[1]["from"].as_u64(), told[1]["to"].as_u64()), (Some(1), Some(4)));
}

/// Drives `future` on this thread, which sleeps for good if nobody wakes it.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}

/// Run under Miri too (docs/book/understand/testing.md), which tries other interleavings than the machine has and tells a
/// thread that sleeps for good.
#[test]
fn a_reader_that_falls_asleep_misses_no_wake_up() {
    let frames = if cfg!(miri) { 8 } else { 20_000_u64 };
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
    let writer = {
        let outbox = outbox.clone();
        std::thread::spawn(move || {
            for n in 0..frames {
                outbox.control(Bytes::copy_from_slice(&n.to_be_bytes()));
            }
            outbox.close(CloseCode::GoingAway);
        })
    };
    let mut read = Vec::new();
    loop {
        let mut frames = Vec::new();
        let end = block_on(outbox.drain(&mut frames));
        assert!(!frames.is_empty() || end != Drained::Open, "it wakes only where something waits");
        read.extend(frames);
        if end != Drained::Open {
            break;
        }
    }
    writer.join().unwrap();
    assert_eq!(read, (0..frames).map(|n| Bytes::copy_from_slice(&n.to_be_bytes())).collect::<Vec<_>>());
}

proptest! {
    /// Whatever is pushed and however seldom it is read: what arrives is in order, and what does not
    /// arrive is told in gap frames whose numbers add up.
    #[test]
    fn dropped_publications_are_told_exactly(steps in prop::collection::vec((1..6_u32, prop::bool::weighted(0.2)), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let outbox = Outbox::new(WireFormat::Json, OutboxLimits { max_bytes: 3_000, max_frames: 12 });
            let subscription = subscription(&outbox, Delivery::All, OnSlow::DropOldest);
            let name = name("v");
            let mut next = 1;
            let mut expected = 1;
            let mut read = |told: &[serde_json::Value]| {
                for message in told {
                    match message["type"].as_str() {
                        Some("gap") => {
                            let (from, to) = (message["from"].as_u64().unwrap(), message["to"].as_u64().unwrap());
                            assert_eq!(from, expected, "a gap starts where the stream stopped");
                            assert_eq!(message["dropped"].as_u64().unwrap(), to - from + 1);
                            expected = to + 1;
                        }
                        Some("telemetry") => {
                            assert_eq!(message["offset"].as_u64().unwrap(), expected);
                            expected += 1;
                        }
                        _ => {}
                    }
                }
            };
            for (count, reads) in steps {
                assert_ne!(outbox.push(&subscription, &run(&name, next, count)), Delivered::Slow);
                next += u64::from(count);
                if reads {
                    read(&drained(&outbox).await.0);
                }
            }
            outbox.reply(&Reply::Pong { id: None });
            read(&drained(&outbox).await.0);
            assert_eq!(expected, next, "every publication arrived or was told as dropped");
        });
    }
}
