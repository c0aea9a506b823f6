//! The suite against real servers, and what only servers do: being away, refusing, rejecting.

use slipstream_actors::ports::SeriesStore as _;
use slipstream_gateway::{
    config::{Influx1, Influx2, Secret},
    series::{InfluxDb1Series, InfluxDb2Series},
};
use slipstream_protocol::{FleetId, SessionId, SignalValue};
use slipstream_tests::servers::{InfluxDb1, VictoriaMetrics};

use super::conformance::{self, T0, everything, sample};

fn influx1(url: &str, user: Option<&str>, password: Option<&str>) -> InfluxDb1Series {
    let config =
        Influx1 { url: None, db: "slip \"stream\"".to_owned(), user: user.map(str::to_owned), password: password.map(Secret::new) };
    InfluxDb1Series::new(url, &config).unwrap()
}

fn influx2(url: &str) -> InfluxDb2Series {
    let config = Influx2 { url: None, org: "o".to_owned(), bucket: "b".to_owned(), token: Some(Secret::new("t")) };
    InfluxDb2Series::new(url, &config).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn influxdb1_holds_what_a_store_promises() {
    let Some(server) = InfluxDb1::start() else { return };
    conformance::check(&influx1(&server.url(), None, None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn influxdb1_counts_what_the_server_rejects_and_keeps_the_rest() {
    let Some(server) = InfluxDb1::start() else { return };
    let store = influx1(&server.url(), None, None);
    // Somebody else made `quality` a float in this week's shard: our integers are refused there.
    let clash = format!("vehicle_telemetry,vehicle_id=other quality=1.5 {T0}\n");
    let url = format!("{}/write?db=slip%20%22stream%22&precision=u", server.url());
    store.write(&[sample("far", T0 - 100 * 86_400_000_000, &[("x", SignalValue::Number(1.0))])]).await.unwrap();
    let answer = reqwest::Client::new().post(url).body(clash).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());

    let samples: Vec<_> = (0..10)
        .map(|i| sample("clash", if i < 3 { T0 + i } else { T0 - (100 + i) * 86_400_000_000 }, &[("x", SignalValue::Number(i as f64))]))
        .collect();
    let report = store.write(&samples).await.unwrap();
    assert_eq!((report.written, report.rejected), (7, 3), "{report:?}");
    assert!(report.rejections[0].reason.contains("field type conflict"), "{report:?}");
    // Points of new shards show a moment later on a busy server.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let held = store.query(&everything("clash")).await.unwrap().series.first().map_or(0, |s| s.points.len());
        if held == 7 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{held} of 7 points after 30 s");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn influxdb1_takes_the_right_password_and_no_other() {
    let Some(server) = InfluxDb1::start_with_user("root", "s3cret") else { return };
    let written = [sample("guarded", T0, &[("x", SignalValue::Number(1.0))])];
    for (user, password) in [(None, None), (Some("root"), Some("wrong"))] {
        let error = influx1(&server.url(), user, password).write(&written).await.unwrap_err();
        assert!(!error.is_retryable() && error.to_string().contains("credentials"), "{error}");
    }
    let store = influx1(&server.url(), Some("root"), Some("s3cret"));
    assert_eq!(store.write(&written).await.unwrap().written, 1);
    assert_eq!(store.query(&everything("guarded")).await.unwrap().series.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_worth_another_try() {
    let written = [sample("away", T0, &[("x", SignalValue::Number(1.0))])];
    if let Some(mut server) = InfluxDb1::start() {
        let store = influx1(&server.url(), None, None);
        store.write(&written).await.unwrap();
        server.stop();
        assert!(store.write(&written).await.unwrap_err().is_retryable());
        assert!(store.query(&everything("away")).await.unwrap_err().is_retryable());
        assert!(store.ping().await.unwrap_err().is_retryable());
    }
    if let Some(mut server) = VictoriaMetrics::start() {
        let store = influx2(&server.url());
        store.write(&written).await.unwrap();
        store.ping().await.unwrap();
        server.stop();
        assert!(store.write(&written).await.unwrap_err().is_retryable());
        assert!(store.ping().await.unwrap_err().is_retryable());
    }
}

#[test]
fn what_is_not_an_address_is_refused_with_its_name() {
    let error = InfluxDb2Series::new("localhost 8086", &Influx2::default()).unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("localhost 8086"), "{error}");
    assert!(InfluxDb1Series::new("", &Influx1::default()).is_err());
}

/// What `VictoriaMetrics` has of a vehicle: one JSON object per series. Fresh points show late there.
async fn exported(server: &VictoriaMetrics, vehicle: &str, points: usize) -> Vec<serde_json::Value> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let client = reqwest::Client::new();
    loop {
        let query = [("match[]", format!("{{vehicle_id=\"{vehicle}\"}}")), ("start", "0".to_owned())];
        let text = client.get(format!("{}/api/v1/export", server.url())).query(&query).send().await.unwrap().text().await.unwrap();
        let series: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found: usize = series.iter().map(|s| s["values"].as_array().unwrap().len()).sum();
        if found >= points {
            return series;
        }
        assert!(std::time::Instant::now() < deadline, "{found} of {points} points after 30 s: {text}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_influxdb2_write_api_takes_every_point_with_its_tags() {
    let Some(server) = VictoriaMetrics::start() else { return };
    let store = influx2(&server.url());
    // More than one request; milliseconds, which is what this server keeps.
    let base = T0 / 1_000 * 1_000;
    let samples: Vec<_> = (0..6_000_i64)
        .map(|i| {
            let mut s = sample("car-1", base + i * 1_000, &[("speed mps", SignalValue::Number(i as f64 / 8.0))]);
            s.session = Some(SessionId::new("race").unwrap());
            s.fleet = Some(FleetId::new("red").unwrap());
            s
        })
        .collect();
    let report = store.write(&samples).await.unwrap();
    assert_eq!((report.written, report.rejected), (6_000, 0));

    let series = exported(&server, "car-1", 12_000).await;
    let values = series.iter().find(|s| s["metric"]["__name__"] == "vehicle_telemetry_value").unwrap();
    for (tag, value) in [("sensor_type", "speed mps"), ("session_id", "race"), ("fleet_id", "red"), ("vehicle_id", "car-1")] {
        assert_eq!(values["metric"][tag], value);
    }
    let got: Vec<(i64, f64)> = values["timestamps"]
        .as_array()
        .unwrap()
        .iter()
        .zip(values["values"].as_array().unwrap())
        .map(|(t, v)| (t.as_i64().unwrap() * 1_000, v.as_f64().unwrap()))
        .collect();
    let sent: Vec<(i64, f64)> = samples.iter().map(|s| (s.source_time.micros(), s.number("speed mps").unwrap())).collect();
    assert_eq!(got, sent);
    let qualities = series.iter().find(|s| s["metric"]["__name__"] == "vehicle_telemetry_quality").unwrap();
    assert!(qualities["values"].as_array().unwrap().iter().all(|q| q == 192));

    // It has no Flux: reading says so, and does not ask to be tried again.
    let error = store.query(&everything("car-1")).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("Flux"), "{error}");
}
