//! PostgreSQL down and slow: records say so, everything else goes on.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use slipstream_protocol::token::Role;
use slipstream_tests::{server_process::ServerProcess, servers::Postgres};

use super::{Stream, Viewer, eventually};
use crate::cli::binary;

async fn make_session(server: &ServerProcess, name: &str) -> (StatusCode, Value) {
    let request = reqwest::Client::new().post(server.url("/api/sessions")).bearer_auth(server.token(Role::Engineer));
    let answer = request.json(&json!({"driverId": "HAM", "name": name})).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_records_that_is_down_or_hangs_costs_records_alone() {
    let Some(mut postgres) = Postgres::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(binary(), data.path(), &[("DATABASE_URL", &postgres.url())]);
    let (status, made) = make_session(&server, "before").await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let mut viewer = Viewer::open(&server).await;
    let mut relay = Stream::open(&server, "garage", "durable").await;

    for (round, what) in ["hangs", "is down"].into_iter().enumerate() {
        if round == 0 {
            postgres.pause();
        } else {
            postgres.stop();
        }
        let asked = Instant::now();
        let ((status, told), live) = tokio::join!(make_session(&server, "meanwhile"), async {
            relay.send(50).await;
            relay.all_acknowledged().await;
            viewer.hears(50 * (round as u64 + 1)).await;
            asked.elapsed()
        });
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{what}: {told}");
        assert_eq!(told["error"]["code"], "UNAVAILABLE", "{what}: {told}");
        assert!(told["error"]["message"].as_str().unwrap().contains("database"), "{what}: {told}");
        assert!(asked.elapsed() < Duration::from_secs(20), "{what}: the refusal took {:?}", asked.elapsed());
        if round == 0 {
            assert!(live < asked.elapsed(), "live channels do not wait for the database");
            postgres.resume();
        } else {
            postgres.start_again();
        }
        eventually("records are back", || async { make_session(&server, "after").await.0 == StatusCode::CREATED }).await;
    }
}

/// It used to refuse to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_started_without_its_database_of_records_takes_samples_and_has_records_once_it_is_there() {
    let Some(mut postgres) = Postgres::start() else { return };
    let data = tempfile::tempdir().unwrap();
    for away in ["down", "hanging"] {
        if away == "down" {
            postgres.stop();
        } else {
            postgres.pause();
        }
        let mut server = ServerProcess::start(binary(), data.path(), &[("DATABASE_URL", &postgres.url())]);
        let mut viewer = Viewer::open(&server).await;
        let mut relay = Stream::open(&server, &format!("garage-{away}"), "durable").await;
        relay.send(50).await;
        relay.all_acknowledged().await;
        viewer.hears(50).await;
        let asked = Instant::now();
        let (status, told) = make_session(&server, "meanwhile").await;
        assert_eq!((status, &told["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"UNAVAILABLE".into()), "{away}: {told}");
        assert!(asked.elapsed() < Duration::from_secs(2), "told at once: {:?}", asked.elapsed());
        let health: Value = reqwest::get(server.url("/health")).await.unwrap().json().await.unwrap();
        assert_eq!((&health["data"]["status"], &health["data"]["records"]["ok"]), (&"degraded".into(), &false.into()), "{health}");
        if away == "down" {
            postgres.start_again();
        } else {
            postgres.resume();
        }
        eventually("records are there", || async { make_session(&server, "after").await.0 == StatusCode::CREATED }).await;
        server.terminate();
        std::fs::remove_dir_all(data.path().join("data")).unwrap();
    }
    // What no waiting mends is told at the start, as ever.
    let output = std::process::Command::new(binary())
        .args(["serve", "--port", "0", "--bind", "127.0.0.1"])
        .env("DATABASE_URL", format!("{}_that_is_not_there", postgres.url()))
        .env("DATA_DIR", data.path().join("other"))
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && complaint.contains("DATABASE_URL"), "{complaint}");
}
