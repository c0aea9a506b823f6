//! One publisher that floods does not starve the others.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use slipstream_protocol::token::Role;
use tokio::time::{interval, timeout};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::{
    flood::{Flood, Publisher},
    process::Process,
};

/// Frames of one connection that may be on their way (`ws.window`).
const WINDOW: u64 = 32;
const FLOODERS: usize = 3;
/// Samples of the one who behaves: five seconds at 60 Hz.
const SAMPLES: u64 = 300;

/// The bound is counted in the others' work, not in time: while one sample waits for its acknowledgement,
/// each flooder may get through what it had on its way before (a window), one frame until the sample's
/// turn, and a window more for the clients' own delays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_flooders_every_sample_at_60_hz_is_acknowledged_and_heard_in_order() {
    let window = format!("ws.window={WINDOW}");
    let process = Process::start(&[&window, "journal.queue_bytes=131072", "rate.samples_per_token=0"]).await;
    let (mut listener, _) = connect_async(process.ws_url(&format!("token={}", Process::token("eye", Role::Viewer)))).await.unwrap();
    listener.send(Message::text(r#"{"type":"subscribe","channel":"telemetry:calm"}"#)).await.unwrap();
    assert!(listener.next().await.unwrap().unwrap().to_text().unwrap().contains("subscribed"));
    let flood = Flood::start(&process, FLOODERS, 64, 500).await;
    let done = || flood.frames_acked.load(Ordering::SeqCst);
    while done() < 10 * WINDOW {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let mut calm = Publisher::connect(&process, "calm").await;
    let mut acked = calm.acked.clone();
    let (began, started) = (Instant::now(), done());
    let mut ticks = interval(Duration::from_micros(16_667));
    // Per sample, how much of the flood was done when it was sent; and the most that passed by one.
    let (mut sent_at, mut most_passed_by, mut most_waiting) = (Vec::new(), 0, 0);
    let mut seen = 0;
    while seen < SAMPLES {
        tokio::select! {
            _ = ticks.tick(), if calm.sent() < SAMPLES => {
                sent_at.push(done());
                assert!(calm.send(1, 100).await);
                most_waiting = most_waiting.max(calm.sent() - seen);
            }
            changed = timeout(Duration::from_secs(60), acked.changed()) => {
                changed.expect("the flood does not starve it").unwrap();
                let now = *acked.borrow_and_update();
                for sample in seen..now {
                    most_passed_by = most_passed_by.max(done() - sent_at[sample as usize]);
                }
                seen = now;
            }
        }
    }
    let flooded = done() - started;
    println!(
        "{SAMPLES} samples in {:?} beside {flooded} frames of the flood; most passed by one sample: {most_passed_by}; most waiting: {most_waiting}",
        began.elapsed()
    );
    assert!(calm.is_untroubled());
    assert!(flooded > 10 * WINDOW, "the flood went on: {flooded}");
    let bound = FLOODERS as u64 * WINDOW * 2;
    assert!(most_passed_by <= bound, "{most_passed_by} frames of the flood passed by one sample, {bound} may");
    for n in 1..=SAMPLES {
        let message = timeout(Duration::from_secs(60), listener.next()).await.expect("it is heard").unwrap().unwrap();
        let heard: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert_eq!(heard["data"]["n"], n, "in order, none missing: {heard}");
    }
    for mut publisher in flood.stop().await {
        publisher.until_acked().await;
        assert!(publisher.is_untroubled(), "the flooders lose nothing either");
    }
}

/// Requests cannot wait in line, so half of the journal's queue is theirs: flooders on `WebSocket`s do not take it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_flooders_a_publisher_that_posts_is_neither_refused_nor_passed_by() {
    const POSTS: u64 = 100;
    let window = format!("ws.window={WINDOW}");
    let process = Process::start(&[&window, "journal.queue_bytes=131072", "rate.samples_per_token=0"]).await;
    let flood = Flood::start(&process, FLOODERS, 64, 500).await;
    let done = || flood.frames_acked.load(Ordering::SeqCst);
    while done() < 10 * WINDOW {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (client, token) = (reqwest::Client::new(), Process::token("poster", Role::Relay));
    let (started, mut most_passed_by) = (done(), 0);
    for n in 1..=POSTS {
        let body = serde_json::json!({"driverId": "posted", "sessionId": "s", "data": {"n": n}});
        let sent_at = done();
        let request = client.post(process.url("/api/telemetry")).bearer_auth(&token).json(&body).send();
        let answer = timeout(Duration::from_secs(60), request).await.expect("the flood does not starve it").unwrap();
        assert_eq!(answer.status().as_u16(), 201, "post {n}: {}", answer.text().await.unwrap());
        most_passed_by = most_passed_by.max(done() - sent_at);
    }
    println!("{POSTS} posts beside {} frames of the flood; most passed by one: {most_passed_by}", done() - started);
    let bound = FLOODERS as u64 * WINDOW * 2;
    assert!(most_passed_by <= bound, "{most_passed_by} frames of the flood passed by one post, {bound} may");
    assert!(done() > started, "the flood went on");
    let url = process.url("/api/telemetry/posted/latest");
    let latest: Value = client.get(url).bearer_auth(Process::token("eye", Role::Viewer)).send().await.unwrap().json().await.unwrap();
    assert_eq!((&latest["data"]["samples"], &latest["data"]["data"]["n"]), (&POSTS.into(), &(POSTS as f64).into()), "{latest}");
    for mut publisher in flood.stop().await {
        publisher.until_acked().await;
        assert!(publisher.is_untroubled(), "the flooders lose nothing either");
    }
}
