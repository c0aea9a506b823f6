//! A real InfluxDB 1.x that is slow, then down; and what `stored` promises meanwhile.

use serde_json::Value;
use slipstream_tests::{server_process::ServerProcess, servers::InfluxDb1};

use super::{Stream, Viewer, eventually};
use crate::cli::binary;

/// How many points of the car the database holds, and whether they are `1..=n`.
async fn points(influx: &InfluxDb1) -> Vec<u64> {
    let query = [("db", "slipstream"), ("q", "SELECT value FROM vehicle_telemetry WHERE vehicle_id = 'car' ORDER BY time")];
    let answer = reqwest::Client::new().get(format!("{}/query", influx.url())).query(&query).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let rows = answer["results"][0]["series"][0]["values"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| row[1].as_f64().unwrap() as u64).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_means_that_the_database_has_it_and_nobody_else_waits_for_a_slow_or_dead_one() {
    let Some(mut influx) = InfluxDb1::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(binary(), data.path(), &[("SLIPSTREAM_INFLUX1_URL", &influx.url())]);
    let mut viewer = Viewer::open(&server).await;
    let mut stored = Stream::open(&server, "garage", "stored").await;
    let mut durable = Stream::open(&server, "pitwall", "durable").await;
    // The second stream goes on with other numbers, so that every point has its own time.
    durable.sent = 10_000;
    durable.acknowledged = 10_000;

    stored.send(50).await;
    stored.all_acknowledged().await;
    assert_eq!(points(&influx).await, (1..=50).collect::<Vec<_>>(), "acknowledged, so it is there");

    // Slow: it takes the connection and says nothing.
    influx.pause();
    stored.send(50).await;
    durable.send(50).await;
    durable.all_acknowledged().await;
    viewer.hears(150).await;
    stored.none_acknowledged().await;
    assert!(server.metric("slipstream_sink_lag_records{store=\"influxdb1\"}").await > 0.0);
    influx.resume();
    stored.all_acknowledged().await;
    assert_eq!(points(&influx).await, (1..=100).chain(10_001..=10_050).collect::<Vec<_>>());

    // Down, and back on the same data.
    influx.stop();
    stored.send(50).await;
    durable.send(50).await;
    durable.all_acknowledged().await;
    viewer.hears(250).await;
    eventually("the server says that the database is away", || async {
        server.metric("slipstream_sink_up{store=\"influxdb1\"}").await == 0.0
    })
    .await;
    assert!(server.metric("slipstream_sink_lag_seconds{store=\"influxdb1\"}").await > 0.0);
    stored.none_acknowledged().await;
    influx.start_again();
    stored.all_acknowledged().await;
    eventually("it has all", || async { points(&influx).await.len() == 250 }).await;
    assert_eq!(points(&influx).await, (1..=150).chain(10_001..=10_100).collect::<Vec<_>>(), "nothing lost, nothing doubled");
    eventually("it is told to have caught up", || async {
        server.metric("slipstream_sink_lag_seconds{store=\"influxdb1\"}").await == 0.0
            && server.metric("slipstream_sink_lag_records{store=\"influxdb1\"}").await == 0.0
    })
    .await;
}
