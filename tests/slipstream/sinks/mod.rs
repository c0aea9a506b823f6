//! Sinks that are away, slow, overloaded or refusing, on the real process: ingest and live channels do
//! not notice, and the sink gets everything once, in order, when it is back.

mod disk;
mod records;
mod scripted;
mod stored;
mod two;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use slipstream_protocol::{Timestamp, token::Role};
use slipstream_tests::{gateway::Client, server_process::ServerProcess};

/// How long anything may take on a small, shared machine.
const SOON: Duration = Duration::from_secs(60);

/// The start of the samples' source times, ms.
const T0: i64 = 1_760_000_000_000;

/// A numbered stream of samples, one signal each, that says with which level it is acknowledged.
struct Stream {
    client: Client,
    level: &'static str,
    sent: u64,
    acknowledged: u64,
}

impl Stream {
    async fn open(server: &ServerProcess, name: &str, level: &'static str) -> Self {
        let client = server.client(Role::Relay, &format!("&publisher={name}&ack={level}")).await;
        Self { client, level, sent: 0, acknowledged: 0 }
    }

    fn sample(seq: u64) -> Value {
        let time = Timestamp::from_millis(T0 + seq as i64 * 10).to_string();
        json!({"type": "telemetry", "driverId": "car", "seq": seq, "timestamp": time, "data": {"n": seq}})
    }

    async fn send(&mut self, count: u64) {
        for _ in 0..count {
            self.sent += 1;
            self.client.send(Self::sample(self.sent)).await;
        }
    }

    async fn all_acknowledged(&mut self) {
        let deadline = Instant::now() + SOON;
        while self.acknowledged < self.sent {
            let ack = tokio::time::timeout_at(deadline.into(), self.client.message_of_patiently("ack")).await;
            let ack = ack.unwrap_or_else(|_| panic!("{} of {} acknowledged as {}", self.acknowledged, self.sent, self.level));
            assert_eq!(ack["level"], self.level);
            self.acknowledged = ack["seq"].as_u64().unwrap();
        }
    }

    /// Asserts that the connection lives and nothing more is acknowledged yet.
    async fn none_acknowledged(&mut self) {
        self.client.is_well().await;
    }
}

/// A subscriber of the car.
struct Viewer {
    client: Client,
    heard: u64,
}

impl Viewer {
    async fn open(server: &ServerProcess) -> Self {
        let mut client = server.client(Role::Viewer, "").await;
        client.subscribe("telemetry:car").await;
        Self { client, heard: 0 }
    }

    /// Hears up to publication `until`, each in order; the time it took.
    async fn hears(&mut self, until: u64) -> Duration {
        let started = Instant::now();
        while self.heard < until {
            let message = self.client.message_of("telemetry").await;
            self.heard += 1;
            assert_eq!(message["offset"].as_u64(), Some(self.heard), "{message}");
        }
        started.elapsed()
    }
}

/// Waits until `condition` holds.
async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + SOON;
    while !condition().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The numbers in lines of `n`, in the order sent.
fn numbers(lines: &[String]) -> Vec<u64> {
    let value = |line: &String| line.split("value=").nth(1)?.split([',', ' ']).next()?.parse::<f64>().ok();
    lines.iter().filter_map(value).map(|n| n as u64).collect()
}
