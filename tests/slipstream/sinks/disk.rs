//! A disk that is full: publishers are told and slowed down, readers go on, and it recovers.

use std::time::Instant;

use serde_json::{Value, json};
use slipstream_actors::ports::{Driver, DriverRecords as _, Records as _};
use slipstream_gateway::records::SqlRecords;
use slipstream_protocol::{Timestamp, token::Role};
use slipstream_tests::{
    gateway::{Client, Heard},
    server_process::ServerProcess,
    small_disk::SmallDisk,
};

use super::{SOON, Viewer, eventually};
use crate::cli::binary;

fn sample(seq: u64) -> Value {
    json!({"type": "telemetry", "driverId": "car", "seq": seq, "timestamp": Timestamp::from_millis(1_760_000_000_000 + seq as i64).to_string(), "data": {"n": seq, "padding": "x".repeat(2_000)}})
}

/// Publishes `from..=to`, reconnecting and resending what was not acknowledged, until all of it is, or
/// until the server has complained `complaints` times. Tells how far it came and what was complained.
async fn publish(server: &ServerProcess, from: u64, to: u64, complaints: usize) -> (u64, Vec<Value>) {
    let deadline = Instant::now() + SOON;
    let (mut acknowledged, mut told) = (from - 1, Vec::new());
    while acknowledged < to && told.len() < complaints {
        assert!(Instant::now() < deadline, "{acknowledged} of {to} acknowledged: {told:?}");
        let mut relay: Client = server.client(Role::Relay, "&publisher=garage").await;
        let mut sent = acknowledged;
        'connection: while acknowledged < to {
            while sent < to && sent < acknowledged + 16 {
                sent += 1;
                if !relay.try_send_raw(tokio_tungstenite::tungstenite::Message::text(sample(sent).to_string())).await {
                    break 'connection;
                }
            }
            match relay.hear().await {
                Heard::Message(message) if message["type"] == "ack" => acknowledged = message["seq"].as_u64().unwrap(),
                Heard::Message(message) => told.push(message),
                Heard::Closed(_) => break,
            }
        }
    }
    (acknowledged, told)
}

async fn get(server: &ServerProcess, path: &str) -> (u16, Value) {
    let answer = reqwest::Client::new().get(server.url(path)).bearer_auth(server.token(Role::Engineer)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_to_publishers_readers_go_on_and_nothing_acknowledged_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&home.path().join("data")) else { return };
    let mut server = ServerProcess::start(binary(), home.path(), &[]);
    let mut viewer = Viewer::open(&server).await;
    assert_eq!(publish(&server, 1, 100, 1).await, (100, vec![]));
    viewer.hears(100).await;

    disk.fill();
    // What is open already has some room; then it is told.
    let (acknowledged, told) = publish(&server, 101, 20_000, 2).await;
    assert!(acknowledged < 20_000 && told.len() >= 2, "{acknowledged}");
    let message = told[0]["message"].as_str().unwrap();
    assert!(told[0]["type"] == "error" && told[0]["code"] == "UNAVAILABLE" && message.contains("free disk space"), "{told:?}");
    // Larger than what may be left between two records.
    let batch: Vec<_> = (0..200).map(|n| json!({"driverId": "other", "data": {"n": n, "padding": "x".repeat(2_000)}})).collect();
    let body = json!({"batch": batch});
    let posted = reqwest::Client::new().post(server.url("/api/telemetry")).bearer_auth(server.token(Role::Relay)).json(&body);
    let posted = posted.send().await.unwrap();
    assert!(posted.status() == 503 && posted.headers().contains_key("retry-after"), "{posted:?}");

    // Reads go on.
    let (status, latest) = get(&server, "/api/telemetry/car/latest").await;
    assert!(status == 200 && latest["data"]["data"]["n"].as_f64().unwrap() >= acknowledged as f64, "{latest}");
    assert_eq!(get(&server, "/api/channels/telemetry:car/history").await.0, 200);
    viewer.client.is_well_behind_news().await;

    disk.free();
    let (acknowledged, told) = publish(&server, acknowledged + 1, acknowledged + 200, 100).await;
    assert!(told.iter().all(|m| m["code"] == "UNAVAILABLE"), "{told:?}");
    // Everything acknowledged is in the series, also after a kill.
    server.kill();
    server.start_again();
    eventually("the series has it all", || async {
        let from = "2020-01-01T00:00:00Z";
        let (status, answer) = get(&server, &format!("/api/telemetry/car?signals=n&from={from}&limit=50000")).await;
        let text = answer.to_string();
        let mut numbers: Vec<u64> = answer["data"]["series"][0]["points"]
            .as_array()
            .map(|points| points.iter().filter_map(|p| p["value"].as_f64().or_else(|| p[1].as_f64())).map(|n| n as u64).collect())
            .unwrap_or_default();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(status, 200, "{text}");
        (1..=acknowledged).all(|n| numbers.binary_search(&n).is_ok())
    })
    .await;
}

/// What the database of records has answered is there, and a disk that was full leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_answered_on_a_disk_that_fills_up_are_kept_and_they_go_on_when_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&home.path().join("data")) else { return };
    let path = home.path().join("data/slipstream.db");
    let records = SqlRecords::sqlite(&path).await.unwrap();
    let driver = |n: usize| Driver {
        id: format!("driver-{n}").parse().unwrap(),
        name: "x".repeat(200),
        team: None,
        created_at: Timestamp::from_millis(1_760_000_000_000),
    };
    let mut kept = Vec::new();
    let mut next = 0;
    for _ in 0..3 {
        disk.fill();
        let mut refused = 0;
        while refused < 20 {
            assert!(next < 100_000, "the disk is never full");
            match records.put_driver(driver(next)).await {
                Ok(_) => kept.push(next),
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    refused += 1;
                }
            }
            next += 1;
        }
        disk.free();
        for _ in 0..20 {
            records.put_driver(driver(next)).await.unwrap();
            kept.push(next);
            next += 1;
        }
    }
    // As another process sees it: what a connection believes to be in a transaction of its own is not there.
    let others = SqlRecords::sqlite(&path).await.unwrap();
    for n in &kept {
        assert!(others.driver(&driver(*n).id).await.unwrap().is_some(), "driver {n} of {next} was answered and is not there");
    }
    others.close().await;
    records.close().await;
}
