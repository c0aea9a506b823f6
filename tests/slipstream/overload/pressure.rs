//! Back-pressure: publishers slow down, memory stays flat, and what is acknowledged is there.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt, future::join_all};
use reqwest::StatusCode;
use serde_json::{Value, json};
use slipstream_protocol::token::Role;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::{
    flood::{Flood, Publisher},
    process::Process,
};

/// What the server may hold more than at rest: the newest records for consumers (32 MiB), channel
/// histories, batches on their way, what the series writer gathers and packs into blocks, and what the
/// allocator keeps: 190 to 200 MiB as measured, half of the 512 MB sent at most.
const MAY_GROW: u64 = 256 << 20;
/// What it may hold more after it was sent 256 MB more: what the allocator does not give back.
const MAY_CREEP: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_waits_for_the_disk_loses_nothing_and_memory_stays_flat() {
    let bounds = ["journal.queue_bytes=262144", "actors.backlog_bytes=1048576", "rate.samples_per_token=0"];
    let process = Process::start(&bounds).await;
    let at_rest = process.memory("VmRSS");
    let mut publishers = Vec::new();
    for n in 0..4 {
        publishers.push(Publisher::connect(&process, &format!("flood-{n}")).await);
    }
    let mut most = Vec::new();
    for _ in 0..2 {
        // 4 publishers x 500 frames x 32 samples x 4 KB: 256 MB.
        join_all(publishers.iter_mut().map(|publisher| async {
            for _ in 0..500 {
                assert!(publisher.send(32, 4_000).await, "never disconnected for that");
            }
            publisher.until_acked().await;
            assert!(publisher.is_untroubled(), "no error is heard");
        }))
        .await;
        most.push(process.memory("VmHWM"));
    }
    let (grown, crept) = (most[1].saturating_sub(at_rest), most[1].saturating_sub(most[0]));
    println!("at rest {} MiB; at most {} MiB more with 512 MB, of them {} MiB in the second half", at_rest >> 20, grown >> 20, crept >> 20);
    assert!(grown < MAY_GROW && crept < MAY_CREEP, "{} MiB, {} MiB", grown >> 20, crept >> 20);
    assert!(process.metric("slipstream_ws_backpressure_total").await > 0.0, "it was more than the queue takes");
    assert_eq!(process.metric("slipstream_samples_in_total").await, 128_000.0);
    process.until_metric("slipstream_samples_applied_total", 128_000.0).await;
    assert_eq!(process.metric("slipstream_samples_duplicate_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_the_queue_hear_429_and_nothing_of_them_is_kept() {
    // Whatever waits for the disk is more than may: one request at a time.
    let process = Process::start(&["journal.queue_bytes=1"]).await;
    let client = reqwest::Client::new();
    let token = Process::token("garage", Role::Relay);
    let (mut taken, mut refused) = (0, 0);
    while taken < 20 || refused < 20 {
        let posts = (0..32).map(|_| {
            let body = json!({"driverId": "ALB", "data": {"rpm": 1}});
            client.post(process.url("/api/telemetry")).bearer_auth(&token).json(&body).send()
        });
        for answer in join_all(posts).await.into_iter().map(Result::unwrap) {
            if answer.status() == StatusCode::CREATED {
                taken += 1;
                continue;
            }
            assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
            assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
            let body: Value = answer.json().await.unwrap();
            assert_eq!((body["success"].as_bool(), body["error"]["code"].as_str()), (Some(false), Some("BUSY")), "{body}");
            refused += 1;
        }
        assert!(taken + refused < 100_000, "{taken} taken, {refused} refused");
    }
    process.until_metric("slipstream_samples_applied_total", f64::from(taken)).await;
    assert_eq!(process.metric("slipstream_journal_samples_total").await, f64::from(taken));
}

#[tokio::test]
async fn bodies_beyond_the_room_for_all_hear_429_and_the_room_comes_back() {
    let process = Process::start(&["limits.max_buffered_bytes=100000"]).await;
    let token = Process::token("garage", Role::Relay);
    let head = |length: usize| {
        format!("POST /api/telemetry HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n")
    };
    let mut stalled = TcpStream::connect(process.addr()).await.unwrap();
    stalled.write_all(head(90_001).as_bytes()).await.unwrap();
    stalled.write_all(&vec![b' '; 90_000]).await.unwrap();
    process.until_metric("slipstream_http_buffered_bytes", 90_000.0).await;
    let post = || {
        let body = json!({"driverId": "ALB", "data": {"note": "x".repeat(4_000), "more": "y".repeat(4_000), "yet": "z".repeat(4_000)}});
        reqwest::Client::new().post(process.url("/api/telemetry")).bearer_auth(&token).json(&body).send()
    };
    let answer = post().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
    drop(stalled);
    process.until_metric("slipstream_http_buffered_bytes", 0.0).await;
    assert_eq!(post().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_in_time_beside_stalled_clients_and_a_flood_and_keeps_what_it_promised() {
    let mut process = Process::start(&["drain_timeout=3s", "journal.queue_bytes=65536"]).await;
    // One who asks for everything and reads nothing.
    let (mut deaf, _) = connect_async(process.ws_url(&format!("token={}", Process::token("deaf", Role::Viewer)))).await.unwrap();
    deaf.send(Message::text(r#"{"type":"subscribe","channel":"telemetry:*","on_slow":"drop_oldest"}"#)).await.unwrap();
    assert!(deaf.next().await.unwrap().unwrap().to_text().unwrap().contains("subscribed"));
    // One who stops in the middle of a request, and one in the middle of a frame.
    let mut half = TcpStream::connect(process.addr()).await.unwrap();
    half.write_all(b"POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
    let mut cut = TcpStream::connect(process.addr()).await.unwrap();
    let upgrade = format!(
        "GET /ws?token={} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        Process::token("cut", Role::Relay)
    );
    cut.write_all(upgrade.as_bytes()).await.unwrap();
    assert_eq!(cut.read_u8().await.unwrap(), b'H');
    cut.write_all(&crate::raw_socket::masked(0x81, &[b' '; 1_000])[..500]).await.unwrap();
    let flood = Flood::start(&process, 2, 16, 2_000).await;
    let progress = flood.frames_acked.clone();
    while progress.load(std::sync::atomic::Ordering::SeqCst) < 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (status, took) = process.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", process.log());
    println!("drained in {took:?}");
    assert!(took < Duration::from_secs(3 + 7), "{took:?} with drain_timeout=3s");
    let acked: Vec<u64> = flood.stop().await.iter().map(|publisher| *publisher.acked.borrow()).collect();
    process.start_again().await;
    let token = Process::token("reader", Role::Viewer);
    for (n, acked) in acked.into_iter().enumerate() {
        let latest = reqwest::Client::new().get(process.url(&format!("/api/telemetry/flood-{n}/latest"))).bearer_auth(&token).send().await;
        let latest: Value = latest.unwrap().json().await.unwrap();
        assert!(latest["data"]["data"]["n"].as_f64().unwrap() >= acked as f64, "{acked} was acknowledged: {latest}");
        assert_eq!(latest["data"]["samples"].as_f64(), latest["data"]["data"]["n"].as_f64(), "each once: {latest:.300}");
    }
}
