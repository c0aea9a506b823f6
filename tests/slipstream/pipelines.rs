//! Declared pipelines in a real server: declared over REST and by file, heard on their channels, read from the time series,
//! killed and started again without counting anything twice.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde_json::{Value, json};
use slipstream_engine::pipeline::{Pipeline, RowKind};
use slipstream_gateway::pipelines::document;
use slipstream_protocol::{Quality, Sample, Signal, SignalValue, Timestamp, VehicleId, WireFormat, token::Role};
use slipstream_tests::{
    api::Api,
    gateway::{Gateway, PATIENCE},
};

use crate::process::{Site, wait_for};

const START_MS: i64 = 1_760_000_000_000;

/// Ten-second windows over the speed of cars, as a person would write them.
const SPEED: &str = r#"
name = "speed"
description = "Mean and top speed, each ten seconds"

[source]
vehicles = ["car-*"]
signals = ["speed_mps"]

[time]
delay = "1s"
allowed_lateness = "1m"

[[steps]]
op = "window"
kind = "tumbling"
size = "10s"
of = {speed_mps = ["mean", "max", "count"]}

[outputs]
per_key = true
late = true
series = true
"#;

async fn call(gateway: &Gateway, method: &str, path: &str, role: Role, body: &str) -> (u16, Value) {
    Api::of(gateway, role).call_with_text(method, path, body).await
}

fn point(vehicle: &str, second: f64, speed: f64) -> Value {
    let at = Timestamp::from_micros(START_MS * 1_000 + (second * 1e6) as i64);
    json!({"driverId": vehicle, "timestamp": at, "data": {"speed_mps": speed, "rpm": 1.0}})
}

async fn send(gateway: &Gateway, points: &[Value]) {
    let (status, answer) = call(gateway, "POST", "/api/telemetry", Role::Admin, &json!({"batch": points}).to_string()).await;
    assert_eq!(status, 201, "{answer}");
}

async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_declared_heard_stored_corrected_and_seen_at_work() {
    let gateway = Gateway::start().await;
    let (status, answer) = call(&gateway, "POST", "/api/pipelines", Role::Engineer, SPEED).await;
    assert_eq!((status, answer["data"]["state"].as_str()), (201, Some("running")), "{answer}");
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    client.subscribe("pipeline:speed").await;
    let mut own = gateway.client(Role::Viewer, WireFormat::Rkyv).await;
    own.subscribe("pipeline:speed.car-2").await;

    // The bus is not asked for; the row at 9 s comes out of order, within the delay.
    let points = [
        point("car-1", 1.0, 10.0),
        point("bus-1", 1.0, 99.0),
        point("car-2", 1.5, 7.0),
        point("car-1", 9.5, 20.0),
        point("car-1", 9.0, 30.0),
    ];
    send(&gateway, &points).await;
    send(&gateway, &[point("car-2", 12.0, 8.0), point("car-1", 12.0, 1.0)]).await;
    let first = client.message_of("pipeline_result").await;
    assert_eq!(
        (first["key"].as_str(), first["kind"].as_str(), first["offset"].as_u64()),
        (Some("car-1"), Some("final"), Some(1)),
        "{first}"
    );
    assert_eq!(first["data"], json!({"rows": 3.0, "speed_mps.count": 3.0, "speed_mps.max": 30.0, "speed_mps.mean": 20.0}), "{first}");
    assert_eq!(first["start"], Timestamp::from_millis(START_MS).to_string(), "{first}");
    assert_eq!(client.message_of("pipeline_result").await["key"], "car-2");
    assert_eq!(own.message_of("pipeline_result").await["data"]["speed_mps.mean"], 7.0);

    // Late, but within the allowed lateness: the window is told again once time goes on.
    send(&gateway, &[point("car-1", 2.0, 60.0)]).await;
    send(&gateway, &[point("car-1", 13.5, 1.0), point("car-2", 13.5, 1.0)]).await;
    let corrected = client.message_of("pipeline_result").await;
    assert_eq!((corrected["kind"].as_str(), corrected["data"]["speed_mps.mean"].as_f64()), (Some("correction"), Some(30.0)), "{corrected}");

    // In the time series the correction stands in the place of the first result.
    let path = "/api/telemetry/car-1?signals=speed.speed_mps.mean,speed.rows";
    let stored = until("the corrected point", || async {
        let (_, answer) = call(&gateway, "GET", path, Role::Viewer, "").await;
        let series = answer["data"]["series"].as_array()?.clone();
        let value = |name: &str| Some(series.iter().find(|s| s["signal"] == name)?["points"].clone());
        let mean = value("speed.speed_mps.mean")?;
        (mean[0]["value"] == 30.0).then(|| (mean, value("speed.rows")))
    })
    .await;
    assert_eq!(stored.0.as_array().unwrap().len(), 1, "{stored:?}");

    let stats = until("the numbers", || async {
        let (_, answer) = call(&gateway, "GET", "/api/pipelines/speed/stats", Role::Viewer, "").await;
        (answer["data"]["results"]["corrections"] == 1 && answer["data"]["samplesTaken"] == 9).then(|| answer["data"].clone())
    })
    .await;
    assert_eq!((stats["results"]["final"].as_u64(), stats["sources"].as_u64()), (Some(2), Some(2)), "{stats}");
    assert_eq!((stats["steps"][0]["op"].as_str(), stats["steps"][0]["rows_in"].as_u64()), (Some("window"), Some(9)), "{stats}");
    assert!(stats["stateBytesPerKey"].as_u64().unwrap() > 0, "{stats}");
    let metrics = Api::of(&gateway, Role::Admin).metrics().await;
    assert!(metrics.contains("slipstream_pipeline_step_rows_in_total{pipeline=\"speed\",step=\"0\",op=\"window\"} 9"), "{metrics}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_named_and_pipelines_are_paused_replaced_and_removed() {
    let gateway = Gateway::start().await;
    let wrong = SPEED.replace("size = \"10s\"", "siez = \"10s\"").replace("\"mean\"", "\"maen\"");
    let (status, answer) = call(&gateway, "POST", "/api/pipelines", Role::Engineer, &wrong).await;
    let details = answer["error"]["details"].to_string();
    assert_eq!(status, 400, "{answer}");
    for expected in ["steps[0].size: is missing", "steps[0].siez: is not known here", "steps[0].of.speed_mps[0]: 'maen' is no aggregate"] {
        assert!(details.contains(expected), "{expected} in {details}");
    }
    assert_eq!(call(&gateway, "POST", "/api/pipelines", Role::Viewer, SPEED).await.0, 403);
    assert_eq!(call(&gateway, "POST", "/api/pipelines", Role::Engineer, SPEED).await.0, 201);
    assert_eq!(call(&gateway, "POST", "/api/pipelines", Role::Engineer, SPEED).await.0, 409);

    // What comes while it stands still waits in the journal.
    let (_, answer) = call(&gateway, "POST", "/api/pipelines/speed/pause", Role::Engineer, "").await;
    assert_eq!(answer["data"]["state"], "paused", "{answer}");
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    client.subscribe("pipeline:speed").await;
    send(&gateway, &[point("car-1", 1.0, 10.0), point("car-1", 12.0, 10.0)]).await;
    client.is_well().await;
    assert_eq!(call(&gateway, "POST", "/api/pipelines/speed/resume", Role::Engineer, "").await.0, 200);
    assert_eq!(client.message_of("pipeline_result").await["data"]["rows"], 1.0);

    let longer = SPEED.replace("size = \"10s\"", "size = \"20s\"");
    assert_eq!(call(&gateway, "PUT", "/api/pipelines/other", Role::Engineer, &longer).await.0, 400, "the name is another");
    assert_eq!(call(&gateway, "PUT", "/api/pipelines/speed", Role::Engineer, &longer).await.0, 200);
    send(&gateway, &[point("car-1", 21.0, 10.0), point("car-1", 42.0, 10.0)]).await;
    let told = client.message_of("pipeline_result").await;
    assert_eq!(told["start"], Timestamp::from_millis(START_MS + 20_000).to_string(), "{told}");
    let (_, list) = call(&gateway, "GET", "/api/pipelines", Role::Viewer, "").await;
    assert_eq!((list["data"].as_array().unwrap().len(), list["data"][0]["name"].as_str()), (1, Some("speed")), "{list}");
    assert_eq!(call(&gateway, "DELETE", "/api/pipelines/speed", Role::Engineer, "").await.0, 200);
    assert_eq!(call(&gateway, "GET", "/api/pipelines/speed", Role::Viewer, "").await.0, 404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_the_configuration_declare_pipelines_and_state_rides_through_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("speed.toml"), SPEED).unwrap();
    std::fs::write(folder.path().join("broken.toml"), "name = \"broken\"\nsteps = 3").unwrap();
    let data = tempfile::tempdir().unwrap();
    let start =
        || Gateway::start_with(|config| (config.data_dir, config.pipelines_dir) = (data.path().to_owned(), Some(folder.path().to_owned())));
    let gateway = start().await;
    let (_, list) = call(&gateway, "GET", "/api/pipelines", Role::Viewer, "").await;
    assert_eq!((list["data"].as_array().unwrap().len(), list["data"][0]["fromFile"].as_bool()), (1, Some(true)), "{list}");
    assert_eq!(call(&gateway, "DELETE", "/api/pipelines/speed", Role::Engineer, "").await.0, 409);
    send(&gateway, &[point("car-1", 1.0, 10.0), point("car-1", 2.0, 20.0)]).await;
    gateway.stop().await;
    let gateway = start().await;
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    client.subscribe("pipeline:speed").await;
    send(&gateway, &[point("car-1", 3.0, 30.0), point("car-1", 12.0, 1.0)]).await;
    let told = client.message_of("pipeline_result").await;
    assert_eq!((told["data"]["rows"].as_f64(), told["data"]["speed_mps.mean"].as_f64()), (Some(3.0), Some(20.0)), "{told}");
    gateway.stop().await;
}

/// Speeds of three cars, a little out of order, over five minutes.
fn drive() -> Vec<(String, f64, f64)> {
    let mut rows = Vec::new();
    for i in 0..1_500_u32 {
        let jitter = f64::from(i * 7_919 % 13) * 0.07;
        rows.push((format!("car-{}", i % 3), f64::from(i) * 0.2 + 1.0 - jitter, f64::from(i * 31 % 50)));
    }
    rows
}

fn expected(rows: &[(String, f64, f64)]) -> BTreeMap<(String, i64), (f64, f64)> {
    let mut pipeline = Pipeline::build(&document::parse(SPEED).unwrap()).unwrap();
    for (vehicle, second, speed) in rows {
        pipeline.feed(&Sample {
            vehicle: VehicleId::new(vehicle).unwrap(),
            session: None,
            fleet: None,
            seq: None,
            source_time: Timestamp::from_micros(START_MS * 1_000 + (second * 1e6) as i64),
            received_at: Timestamp::default(),
            quality: Quality::Good,
            signals: vec![Signal { name: "speed_mps".into(), value: SignalValue::Number(*speed) }],
            raw: None,
        });
    }
    let mut results = BTreeMap::new();
    while let Some(row) = pipeline.next_result() {
        let scope = pipeline.scope();
        let number = |name: &str| row.number(scope.signals.get(name).unwrap()).unwrap();
        if row.kind != RowKind::Early {
            let place = (scope.keys.name(row.key).to_owned(), row.start.millis());
            results.insert(place, (number("speed_mps.count"), number("speed_mps.mean")));
        }
    }
    results
}

#[test]
fn killed_again_and_again_a_pipeline_counts_nothing_twice_and_loses_nothing() {
    let site = Site::new();
    let mut server = site.serve();
    let declared = site.send("POST", "/api/pipelines", SPEED);
    assert_eq!(declared["success"], true, "{declared}");
    let rows = drive();
    for (turn, part) in rows.chunks(25).enumerate() {
        let batch: Vec<Value> = part.iter().map(|(vehicle, second, speed)| point(vehicle, *second, *speed)).collect();
        let answer = site.send("POST", "/api/telemetry", &json!({"batch": batch}).to_string());
        assert_eq!(answer["success"], true, "{answer}");
        // Once at once, once after a checkpoint, and once more later.
        if turn == 30 {
            wait_for("a checkpoint", || site.get("/api/pipelines/speed/stats").filter(|s| s["data"]["checkpoint"].as_u64() > Some(0)));
        }
        if [7, 30, 33].contains(&turn) {
            server.kill();
            server = site.serve();
        }
    }
    let expected = expected(&rows);
    assert!(expected.len() > 80, "{}", expected.len());
    let mut complaint = String::new();
    wait_for("every result, once and right", || {
        complaint.clear();
        for vehicle in ["car-0", "car-1", "car-2"] {
            let answer = site.get(&format!("/api/telemetry/{vehicle}?signals=speed.speed_mps.count,speed.speed_mps.mean"))?;
            let points = |at: usize| answer["data"]["series"][at]["points"].as_array().cloned().unwrap_or_default();
            let (counts, means) = (points(0), points(1));
            let own: Vec<_> = expected.iter().filter(|((v, _), _)| v == vehicle).collect();
            if counts.len() != own.len() {
                let _ = write!(complaint, "{vehicle}: {} instead of {} windows; ", counts.len(), own.len());
                continue;
            }
            for (((_, start), (count, mean)), (stored, stored_mean)) in own.iter().zip(counts.iter().zip(&means)) {
                let right = stored["time"] == Timestamp::from_millis(*start).to_string() && stored["value"].as_f64() == Some(*count);
                if !right || (stored_mean["value"].as_f64().unwrap() - mean).abs() > 1e-9 {
                    let _ = write!(complaint, "{vehicle}: {stored} {stored_mean} instead of {count} {mean} at {start}; ");
                }
            }
        }
        if !complaint.is_empty() {
            eprintln!("{complaint}");
        }
        complaint.is_empty().then_some(())
    });
    drop(server);
}
