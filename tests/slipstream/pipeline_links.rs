//! What pipelines refer to beside samples: other pipelines, tables of the relational store; and what becomes of one that
//! stands still for too long.

use std::time::Duration;

use serde_json::{Value, json};
use slipstream_gateway::config::Secret;
use slipstream_protocol::{Timestamp, WireFormat, token::Role};
use slipstream_tests::{
    api::Api,
    gateway::{Gateway, PATIENCE},
    servers::Postgres,
};
use tokio::time::{Instant, sleep};

use crate::process::{Site, wait_for};

const START_MS: i64 = 1_760_000_040_000;

const TENS: &str = r#"
name = "tens"
time = {delay = "1s", allowed_lateness = "20s"}
steps = [{op = "window", kind = "tumbling", size = "10s", of = {speed_mps = ["count", "sum"]}}]
"#;

const MINUTES: &str = r#"
name = "minutes"
source = {pipeline = "tens", vehicles = ["car-*"]}
steps = [{op = "window", kind = "tumbling", size = "1m", of = {"speed_mps.count" = "sum", "speed_mps.sum" = "sum"}}]
outputs = {series = {prefix = "min"}}
"#;

async fn call(gateway: &Gateway, method: &str, path: &str, body: &str) -> (u16, Value) {
    Api::of(gateway, Role::Admin).call_with_text(method, path, body).await
}

fn point(vehicle: &str, second: f64, speed: f64) -> Value {
    let at = Timestamp::from_micros(START_MS * 1_000 + (second * 1e6) as i64);
    json!({"driverId": vehicle, "sessionId": if second < 100.0 { "practice" } else { "race" }, "timestamp": at, "data": {"speed_mps": speed}})
}

async fn send(gateway: &Gateway, points: &[Value]) {
    let (status, answer) = call(gateway, "POST", "/api/telemetry", &json!({"batch": points}).to_string()).await;
    assert_eq!(status, 201, "{answer}");
}

async fn stats(gateway: &Gateway, name: &str, is: impl Fn(&Value) -> bool) -> Value {
    Api::of(gateway, Role::Admin).read_until(&format!("/api/pipelines/{name}/stats"), is).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_reads_another_and_holds_it_in_place() {
    let gateway = Gateway::start().await;
    let (status, answer) = call(&gateway, "POST", "/api/pipelines", MINUTES).await;
    assert_eq!(status, 400);
    assert!(answer["error"]["details"][0].as_str().unwrap().starts_with("source.pipeline: 'tens' is no pipeline"), "{answer}");
    assert_eq!(call(&gateway, "POST", "/api/pipelines", TENS).await.0, 201);
    assert_eq!(call(&gateway, "POST", "/api/pipelines", MINUTES).await.0, 201);
    let circle = format!("{TENS}\nsource = {{pipeline = \"minutes\"}}");
    let (status, answer) = call(&gateway, "PUT", "/api/pipelines/tens", &circle).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.to_string().contains("a circle: 'tens' reads 'minutes' reads 'tens'"), "{answer}");
    assert_eq!(call(&gateway, "DELETE", "/api/pipelines/tens", "").await.0, 409);

    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    client.subscribe("pipeline:minutes").await;
    let mut points: Vec<Value> = (0..120).map(|i| point("car-1", f64::from(i), 1.0)).collect();
    points.insert(75, point("car-1", 55.5, 100.0));
    send(&gateway, &points).await;
    let told = client.message_of("pipeline_result").await;
    assert_eq!(
        (told["data"]["speed_mps.count.sum"].as_f64(), told["data"]["speed_mps.sum.sum"].as_f64()),
        (Some(61.0), Some(160.0)),
        "{told}"
    );

    // One that is replaced begins anew, and so do its readers.
    assert_eq!(call(&gateway, "PUT", "/api/pipelines/tens", &TENS.replace("\"10s\"", "\"20s\"")).await.0, 200);
    stats(&gateway, "minutes", |s| s["state"] == "running" && s["samplesTaken"] == 0).await;
    assert_eq!(call(&gateway, "DELETE", "/api/pipelines/minutes", "").await.0, 200);
    assert_eq!(call(&gateway, "DELETE", "/api/pipelines/tens", "").await.0, 200);
    gateway.stop().await;
}

#[test]
fn killed_again_and_again_chained_results_are_stored_once_with_their_session() {
    let site = Site::new();
    let mut server = site.serve();
    for document in [TENS, MINUTES] {
        assert_eq!(site.send("POST", "/api/pipelines", document)["success"], true);
    }
    let points: Vec<Value> = (0..600).map(|i| point("car-1", f64::from(i) - f64::from(i % 7) * 0.1, 1.0)).collect();
    for (turn, batch) in points.chunks(30).enumerate() {
        assert_eq!(site.send("POST", "/api/telemetry", &json!({"batch": batch}).to_string())["success"], true);
        if turn == 9 {
            wait_for("a checkpoint", || site.get("/api/pipelines/minutes/stats").filter(|s| s["data"]["checkpoint"].as_u64() > Some(0)));
        }
        if [4, 9, 14].contains(&turn) {
            server.kill();
            server = site.serve();
        }
    }
    let mut expected: Vec<f64> = vec![0.0; 10];
    for i in 0..600 {
        expected[((f64::from(i) - f64::from(i % 7) * 0.1) / 60.0).floor() as usize] += 1.0;
    }
    wait_for("every minute, once and right", || {
        let answer = site.get("/api/telemetry/car-1?signals=min.speed_mps.count.sum")?;
        let points = answer["data"]["series"][0]["points"].as_array()?.clone();
        // The last minutes are open: nothing has come that closes them.
        let counts: Vec<f64> = points.iter().filter_map(|p| p["value"].as_f64()).collect();
        let right = counts.len() >= 9 && counts[..9] == expected[..9];
        let of = |session: &str| {
            let answer = site.get(&format!("/api/telemetry/car-1?signals=min.speed_mps.count.sum&session={session}"))?;
            Some(answer["data"]["series"][0]["points"].as_array()?.len())
        };
        // A result belongs to the session that its end lies in.
        (right && of("practice") == Some(1) && of("race") == Some(counts.len() - 1)).then_some(())
    });
    drop(server);
}

const NAMED: &str = r#"
name = "named"
time = {delay = "0s"}
steps = [{op = "enrich", table = "drivers"}, {op = "select", signals = ["name", "team", "speed_mps"]}]
"#;

/// The next result of a sample; what is told of older ones is passed over.
async fn told_after(gateway: &Gateway, client: &mut slipstream_tests::gateway::Client, second: f64) -> Value {
    send(gateway, &[point("ALB", second, second)]).await;
    loop {
        let told = client.message_of("pipeline_result").await;
        if told["data"]["speed_mps"] == second {
            return told["data"].clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_enriched_from_the_records_and_from_what_is_known_while_they_are_away() {
    let Some(server) = Postgres::start() else { return };
    let url = server.url();
    let gateway = Gateway::start_with(|config| {
        config.database_url = Some(Secret::new(&url));
        config.pipelines.refresh = Duration::from_millis(100);
    })
    .await;
    assert_eq!(call(&gateway, "PUT", "/api/drivers/ALB", r#"{"name": "Alex", "teamId": "williams"}"#).await.0, 200);
    let (status, answer) = call(&gateway, "POST", "/api/pipelines", &NAMED.replace("drivers", "divers")).await;
    assert_eq!(status, 400);
    assert!(answer.to_string().contains("'divers' is no table; there are drivers, fleets"), "{answer}");
    assert_eq!(call(&gateway, "POST", "/api/pipelines", NAMED).await.0, 201);
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    client.subscribe("pipeline:named").await;
    let first = told_after(&gateway, &mut client, 1.0).await;
    assert_eq!((first["name"].as_str(), first["team"].as_str()), (Some("Alex"), Some("williams")), "{first}");

    assert_eq!(call(&gateway, "PUT", "/api/drivers/ALB", r#"{"name": "Alexander", "teamId": "williams"}"#).await.0, 200);
    let deadline = Instant::now() + PATIENCE;
    let mut second = 2.0;
    while told_after(&gateway, &mut client, second).await["name"] != "Alexander" {
        assert!(Instant::now() < deadline, "a change is seen within the interval");
        second += 1.0;
        sleep(Duration::from_millis(50)).await;
    }
    drop(server);
    let away = stats(&gateway, "named", |s| s["tables"][0]["error"].is_string()).await;
    assert_eq!((away["tables"][0]["table"].as_str(), away["tables"][0]["rows"].as_u64()), (Some("drivers"), Some(1)), "{away}");
    assert_eq!(told_after(&gateway, &mut client, second + 1.0).await["name"], "Alexander");
    let metrics = Api::of(&gateway, Role::Admin).metrics().await;
    assert!(metrics.contains("slipstream_pipeline_table_stale{table=\"drivers\"} 1"), "{metrics}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stands_still_for_too_long_holds_the_journal_no_longer_and_tells_what_it_missed() {
    let data = tempfile::tempdir().unwrap();
    let start = || {
        Gateway::start_with(|config| {
            config.data_dir = data.path().to_owned();
            (config.journal.segment_bytes, config.journal.retain_bytes) = (20_000, 40_000);
            config.pipelines.hold_bytes = 100_000;
        })
    };
    let gateway = start().await;
    assert_eq!(call(&gateway, "POST", "/api/pipelines", TENS).await.0, 201);
    send(&gateway, &[point("car-1", 1.0, 1.0)]).await;
    stats(&gateway, "tens", |s| s["samplesTaken"] == 1).await;
    assert_eq!(call(&gateway, "POST", "/api/pipelines/tens/pause", "").await.0, 200);
    for turn in 0..40 {
        let batch: Vec<Value> = (0..100).map(|i| point("car-1", 2.0 + f64::from(turn * 100 + i) * 0.1, 1.0)).collect();
        send(&gateway, &batch).await;
    }
    stats(&gateway, "tens", |s| s["released"] == true).await;
    // With the snapshot of a clean end nobody else needs the old records.
    gateway.stop().await;
    let gateway = start().await;
    let deadline = Instant::now() + PATIENCE;
    while gateway.services().journal.stats().oldest < 10 {
        assert!(Instant::now() < deadline, "{:?}", gateway.services().journal.stats());
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(call(&gateway, "POST", "/api/pipelines/tens/resume", "").await.0, 200);
    let told = stats(&gateway, "tens", |s| s["samplesTaken"].as_u64() > Some(0)).await;
    assert!(told["missed"]["records"].as_u64() > Some(0), "{told}");
    assert_eq!((told["state"].as_str(), told["released"].as_bool()), (Some("running"), Some(false)), "{told}");
    gateway.stop().await;
}
