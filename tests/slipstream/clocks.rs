//! Clocks that are wrong, and sessions that come in the wrong order: they cost nobody else anything, and are told.

use std::time::Duration;

use serde_json::{Value, json};
use slipstream_gateway::relay::{self, Endpoint, Outcome, RelayOptions, Report, Source, source::Simulation};
use slipstream_protocol::{PublisherId, SessionId, Timestamp, WireFormat, token::Role};
use slipstream_tests::{
    api::Api,
    gateway::{Gateway, now_s},
};

fn now() -> Timestamp {
    Timestamp::from_millis(now_s() * 1_000)
}

fn point(vehicle: &str, time: Timestamp, speed: f64) -> Value {
    json!({"driverId": vehicle, "timestamp": time, "data": {"speed_mps": speed}})
}

/// Two simulated cars over `length`, from `start` on.
async fn drive(gateway: &Gateway, session: &str, start: Timestamp, length: Duration, publisher: &str) -> Report {
    let rate_hz = 5.0;
    let steps = Some((length.as_secs_f64() * rate_hz) as u64);
    let session = SessionId::new(session).unwrap();
    let source = Source::simulated(&Simulation { seed: 1, cars: 2, rate_hz, session, start, steps });
    let endpoint = Endpoint::new(&gateway.url(""), Some(gateway.token(Role::Relay)), WireFormat::Rkyv).unwrap();
    let report = relay::run(RelayOptions::new(endpoint, PublisherId::new(publisher).unwrap()), source, |_| {}).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_ahead_decides_nothing_and_is_named() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Admin);
    let document = json!({"name": "clocks", "source": {"vehicles": ["car-*"]}, "time": {"delay": "0s", "every": "1ms"},
        "steps": [{"op": "window", "kind": "tumbling", "size": "10s", "of": {"speed_mps": "count"}}]});
    api.good("POST", "/api/pipelines", document).await;
    // Where a window begins, so that the seconds below fill five of them.
    let start = Timestamp::from_millis((now().millis() - 120_000) / 10_000 * 10_000);
    let at = |s: u64| start.plus(Duration::from_secs(s));
    api.good("POST", "/api/telemetry", point("car-good", at(0), 1.0)).await;
    let ahead = api.good("POST", "/api/telemetry", point("car-bad", now().plus(Duration::from_secs(300)), 99.0)).await;
    assert_eq!((&ahead["accepted"], &ahead["ahead"]), (&json!(1), &json!(1)), "{ahead}");
    let (status, refused) = api.call("POST", "/api/telemetry", point("car-bad", now().plus(Duration::from_secs(72_000)), 99.0)).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (400, Some("TIMESTAMP_OUT_OF_RANGE")), "{refused}");
    for s in 1..60 {
        api.good("POST", "/api/telemetry", point("car-good", at(s), 1.0)).await;
    }
    let stats = api.read_until("/api/pipelines/clocks/stats", |stats| stats["samplesTaken"] == 61 && stats["results"]["final"] == 5).await;
    assert_eq!((&stats["results"]["late"], &stats["results"]["ahead"]), (&json!(0), &json!(1)), "{stats}");
    assert_eq!(stats["aheadSources"][0]["vehicleId"], "car-bad", "{stats}");
    assert_eq!(api.good("GET", "/health", json!(null)).await["status"], "ok");
    // Its series and its live frames are as they would be; its newest state is not.
    let bad = api.read_until("/api/telemetry/car-bad/latest", |latest| latest["aheadSamples"] == 1).await;
    assert_eq!((bad.get("timestamp"), &bad["data"]), (None, &json!({})), "{bad}");
    api.good("POST", "/api/telemetry", point("car-bad", at(61), 3.0)).await;
    let bad = api.read_until("/api/telemetry/car-bad/latest", |latest| latest["samples"] == 2).await;
    assert_eq!((&bad["data"]["speed_mps"], &bad["lateSamples"]), (&json!(3.0), &json!(0)), "{bad}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_can_make_nothing_of_its_rows_degrades_health() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Admin);
    let document = json!({"name": "clocks", "steps": [{"op": "window", "kind": "tumbling", "size": "10s", "of": {"speed_mps": "count"}}]});
    api.good("POST", "/api/pipelines", document).await;
    for n in 0..40 {
        let lead = Duration::from_secs(200 + n);
        api.good("POST", "/api/telemetry", point("car-bad", now().plus(lead), 1.0)).await;
    }
    api.read_until("/api/pipelines/clocks/stats", |stats| stats["allLost"] == true).await;
    let health = api.good("GET", "/health", json!(null)).await;
    assert_eq!((&health["status"], &health["pipelines"][0]["name"]), (&json!("degraded"), &json!("clocks")), "{health}");
    assert!(health["pipelines"][0]["reason"].as_str().unwrap().contains("'car-bad'"), "{health}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fridays_session_makes_its_laps_after_saturdays_and_lateness_is_told() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Admin);
    let saturday = now().minus(Duration::from_secs(86_400));
    let (friday, length) = (saturday.minus(Duration::from_secs(86_400)), Duration::from_secs(300));
    let first = drive(&gateway, "sat", saturday, length, "one").await;
    assert_eq!(first.lateness, slipstream_protocol::server::Lateness::default(), "{first}");
    let laps = |metrics: &Value| metrics["laps"].as_u64().unwrap_or(0);
    let on_saturday = api.read_until("/api/sessions/sat/metrics", |metrics| metrics["samples"] == first.sent).await;
    assert!(laps(&on_saturday) >= 2, "{on_saturday}");
    let second = drive(&gateway, "fri", friday, length, "two").await;
    let on_friday = api.read_until("/api/sessions/fri/metrics", |metrics| metrics["samples"] == second.sent).await;
    assert_eq!((laps(&on_friday), &on_friday["bestLapS"]), (laps(&on_saturday), &on_saturday["bestLapS"]), "{on_friday}");
    assert_eq!((second.lateness.late, second.lateness.late_in_session), (second.sent, 0), "{second}");
    assert_eq!(second.times.map(|(from, _)| from), Some(friday));
    let third = drive(&gateway, "fri", friday, length, "three").await;
    // The two newest samples of Friday are copies: neither late in their session nor of use.
    assert!(third.lateness.late_in_session >= third.sent - 2, "{third}");
    assert!(third.to_string().contains("they make no laps"), "{third}");
    let again = api.read_until("/api/sessions/fri/metrics", |metrics| metrics["samples"] == second.sent + third.sent).await;
    assert_eq!(laps(&again), laps(&on_friday));
    let latest = api.good("GET", "/api/telemetry/car-01/latest", json!(null)).await;
    assert_eq!(latest["sessionId"], "sat", "{latest}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_never_meets_what_it_or_another_one_played_before() {
    let mut gateway = Gateway::start().await;
    let start = now().minus(Duration::from_secs(7_200));
    drive(&gateway, "q1", start, Duration::from_secs(60), "one").await;
    let api = Api::of(&gateway, Role::Admin);
    let begun = api.good("POST", "/api/replays", json!({"speed": 10_000, "vehicles": ["car-01"]})).await;
    assert_eq!(begun["id"], "replay-1");
    api.read_until("/api/replays/replay-1", |replay| replay["state"] == "done").await;
    gateway.restart().await;
    let api = Api::of(&gateway, Role::Admin);
    let begun =
        api.good("POST", "/api/replays", json!({"speed": 1, "vehicles": ["car-01"], "from": start.plus(Duration::from_secs(50))})).await;
    assert_eq!(begun["id"], "replay-2", "a number is given once");
    api.read_until("/api/replays/replay-2", |replay| replay["played"].as_u64() > Some(0)).await;
    api.read_until("/api/telemetry/replay-2.car-01/latest", |latest| latest["samples"].as_u64() > Some(0)).await;
    api.good("PUT", "/api/replays/replay-2", json!({"position": start, "speed": 1_000})).await;
    let back = api
        .read_until("/api/telemetry/replay-2.car-01/latest", |latest| {
            let time = latest["timestamp"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
            time.is_some_and(|time| time >= start.plus(Duration::from_secs(59)))
        })
        .await;
    assert_eq!(back["lateSamples"], 0, "{back}");
    gateway.stop().await;
}
