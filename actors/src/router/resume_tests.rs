//! Who comes back to a long history gets it whole, at its own pace and without harm to itself or others.

use std::time::Duration;

use slipstream_protocol::{
    CloseCode, WireFormat,
    client::{Delivery, Since, SubscribeRequest},
};

use crate::{
    HistoryBound, HistoryBounds, Outbox, OutboxLimits, Router, SystemConfig,
    harness::{batch, config, numbers, read_until, request, samples, system},
};

/// Far less than the histories below need.
const SMALL: OutboxLimits = OutboxLimits { max_bytes: 20_000, max_frames: 64 };

fn remembering(len: usize) -> SystemConfig {
    let history = HistoryBounds::new(|_| HistoryBound { len, age: Duration::from_secs(3_600) });
    SystemConfig { arbiters: 1, history, ..config() }
}

async fn route(router: &Router, vehicle: &str, numbers: std::ops::Range<u64>) {
    assert!(router.route(batch(samples(vehicle, numbers))).await.is_empty());
    router.settled().await;
}

async fn since_the_beginning(router: &Router, channel: &str) -> SubscribeRequest {
    let told = router.history(&channel.parse().unwrap(), None, 1).await.unwrap();
    SubscribeRequest { since: Some(Since { epoch: told.epoch, offset: 0 }), ..request(channel) }
}

/// Its connection used to be closed as that of a slow reader, before it could have read anything.
#[tokio::test]
async fn a_history_larger_than_the_outbox_is_handed_over_whole_and_live_data_follows() {
    for (format, delivery) in [(WireFormat::Json, Delivery::All), (WireFormat::Rkyv, Delivery::All), (WireFormat::Json, Delivery::Latest)] {
        let (actors, _) = system(remembering(10_000));
        let router = actors.router();
        // A batch that is larger than any portion, and many that are small.
        route(&router, "v", 0..1_000).await;
        for n in (1_000..3_000).step_by(5) {
            route(&router, "v", n..n + 5).await;
        }
        let outbox = Outbox::new(format, SMALL);
        let subscriber = router.connect(outbox.clone());
        let request = SubscribeRequest { delivery, ..since_the_beginning(&router, "telemetry:v").await };
        router.subscribe(&subscriber, request).await;
        route(&router, "v", 3_000..3_010).await;
        let heard = read_until(&outbox, |told| numbers(told).last() == Some(&3_009)).await;
        assert_eq!(heard[0]["recovered"], true);
        let expected: Vec<u64> = if delivery == Delivery::All { (0..3_010).collect() } else { (0..3_000).chain([3_009]).collect() };
        assert_eq!(numbers(&heard), expected, "{format:?} {delivery:?}");
        actors.drain(Duration::from_secs(5)).await;
    }
}

/// What channels forget meanwhile would otherwise be kept for everyone who asked and does not read.
#[tokio::test]
async fn who_does_not_read_is_handed_a_few_histories_and_the_rest_when_it_does() {
    let (actors, _) = system(remembering(1_000));
    let router = actors.router();
    let channels: Vec<String> = (0..20).map(|n| format!("telemetry:v{n}")).collect();
    for n in 0..20 {
        route(&router, &format!("v{n}"), 0..300).await;
    }
    let outbox = Outbox::new(WireFormat::Json, SMALL);
    let subscriber = router.connect(outbox.clone());
    let resuming = async {
        for (asked, channel) in channels.iter().enumerate() {
            let request = since_the_beginning(&router, channel).await;
            if tokio::time::timeout(Duration::from_millis(200), router.subscribe(&subscriber, request)).await.is_err() {
                return asked;
            }
        }
        channels.len()
    };
    let asked = resuming.await;
    assert!((1..=8).contains(&asked), "{asked} histories wait for a reader that does not read");
    let told = |n: usize| move |all: &[serde_json::Value]| numbers(all).len() == n * 300;
    // The one that had to wait was given up: its connection asks again.
    let reading = tokio::spawn({
        let outbox = outbox.clone();
        async move { read_until(&outbox, told(20)).await }
    });
    for channel in &channels[asked..] {
        router.subscribe(&subscriber, since_the_beginning(&router, channel).await).await;
    }
    let heard = reading.await.unwrap();
    assert!(heard.iter().filter(|m| m["type"] == "subscribed").all(|m| m["recovered"] == true));
    actors.drain(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_connection_that_ends_waits_for_no_history() {
    let (actors, _) = system(remembering(1_000));
    let router = actors.router();
    let outbox = Outbox::new(WireFormat::Json, SMALL);
    let subscriber = router.connect(outbox.clone());
    for n in 0..8 {
        route(&router, &format!("v{n}"), 0..300).await;
    }
    let asking = async {
        for n in 0..8 {
            router.subscribe(&subscriber, since_the_beginning(&router, &format!("telemetry:v{n}")).await).await;
        }
    };
    let ending = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        outbox.close(CloseCode::GoingAway);
    };
    tokio::time::timeout(Duration::from_secs(10), futures_util::future::join(asking, ending)).await.unwrap();
    actors.drain(Duration::from_secs(5)).await;
}
