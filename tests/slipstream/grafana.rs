//! The Grafana dashboard and the book's queries, each against a real `InfluxDB` that our sink has written.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use slipstream_actors::ports::SeriesStore as _;
use slipstream_engine::simulator::Simulator;
use slipstream_gateway::{config::Influx1, series::InfluxDb1Series};
use slipstream_protocol::{Quality, Sample, SessionId, Signal, SignalValue, Timestamp, VehicleId};
use slipstream_tests::servers::InfluxDb1;

use crate::book;

const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const DATABASE: &str = "slipstream";

fn dashboard() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/grafana/slipstream.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Two cars for ten seconds; one tells its tyres in words, and a sensor of it is in doubt at the end. An agent learns.
fn drive() -> Vec<Sample> {
    let mut simulator = Simulator::new(3, 2, 10.0, SessionId::new("q1").unwrap(), START);
    let mut samples = Vec::new();
    for _ in 0..100 {
        simulator.step(&mut samples);
    }
    samples[0].signals.push(Signal { name: "tyre".into(), value: SignalValue::Text("soft".into()) });
    samples.last_mut().unwrap().quality = Quality::Uncertain;
    samples.push(training());
    samples
}

/// A moment of an agent's training, as the server writes it.
fn training() -> Sample {
    let values = [("training.episode_reward", 85.5), ("training.evaluated", 423.9), ("training.loss", 0.1), ("training.epsilon", 0.4)];
    Sample {
        vehicle: VehicleId::new("bus-1").unwrap(),
        session: Some(SessionId::new("training-1").unwrap()),
        fleet: None,
        seq: None,
        source_time: START.plus(Duration::from_secs(5)),
        received_at: START,
        quality: Quality::Good,
        signals: values.map(|(name, value)| Signal { name: name.into(), value: SignalValue::Number(value) }).to_vec(),
        raw: None,
    }
}

/// What Grafana puts in the place of its variables, with everything chosen.
fn filled(query: &str) -> String {
    let end = START.plus(Duration::from_secs(60));
    query
        .replace("$timeFilter", &format!("time >= {}ms and time <= {}ms", START.millis(), end.millis()))
        .replace("$__interval", "1s")
        .replace("$vehicle", ".*")
        .replace("$session", ".*")
}

/// Rows of the answer; an error of the server fails the test.
async fn rows(server: &InfluxDb1, query: &str) -> usize {
    let query = filled(query);
    let ask = [("db", DATABASE), ("q", &query)];
    let answer: Value =
        reqwest::Client::new().get(format!("{}/query", server.url())).query(&ask).send().await.unwrap().json().await.unwrap();
    let result = &answer["results"][0];
    assert!(answer.get("error").is_none() && result.get("error").is_none(), "{query}: {answer}");
    let series = result["series"].as_array().map_or(&[][..], Vec::as_slice);
    series.iter().map(|s| s["values"].as_array().unwrap().len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_dashboard_and_the_book_finds_what_our_sink_wrote() {
    let Some(server) = InfluxDb1::start() else { return };
    let config = Influx1 { db: DATABASE.to_owned(), ..Influx1::default() };
    let store = InfluxDb1Series::new(&server.url(), &config).unwrap();
    let report = store.write(&drive()).await.unwrap();
    assert_eq!(report.rejected, 0);

    let dashboard = dashboard();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["query"].as_str().unwrap();
            assert!(rows(&server, query).await > 0, "panel '{}' shows nothing: {query}", panel["title"]);
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap().iter().filter(|v| v["type"] == "query") {
        let query = variable["query"].as_str().unwrap();
        assert!(rows(&server, query).await > 0, "variable '{}' has nothing to choose: {query}", variable["name"]);
    }
    let pages = book::text();
    let queries = book::blocks(&pages).into_iter().find(|b| b.mark == "tested influxql").expect("the book shows queries");
    for query in queries.body.lines() {
        assert!(rows(&server, query).await > 0, "the README's query finds nothing: {query}");
    }
    // The check itself: what nobody wrote is not found.
    assert_eq!(rows(&server, r#"SELECT "value" FROM "vehicle_telemetry" WHERE "sensor_type" = 'no_such' AND $timeFilter"#).await, 0);
}

#[test]
fn panels_do_not_overlap_and_use_the_chosen_data_source() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let place = |p: &Value| ["x", "y", "w", "h"].map(|k| p["gridPos"][k].as_u64().unwrap());
    for (n, panel) in panels.iter().enumerate() {
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        let [x, y, w, h] = place(panel);
        assert!(x + w <= 24, "{}", panel["title"]);
        for other in &panels[n + 1..] {
            let [ox, oy, ow, oh] = place(other);
            let apart = x + w <= ox || ox + ow <= x || y + h <= oy || oy + oh <= y;
            assert!(apart, "{} and {}", panel["title"], other["title"]);
        }
    }
}
