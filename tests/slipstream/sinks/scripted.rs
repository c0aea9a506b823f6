//! What databases answer when they are not well, for both write APIs.

use std::time::Duration;

use slipstream_tests::{
    server_process::ServerProcess,
    write_api::{Told, WriteApi},
};

use super::{Stream, Viewer, eventually, numbers};
use crate::cli::binary;

async fn overloaded_then_refusing_some(store: &str, settings: impl Fn(&str) -> Vec<(&'static str, String)>) {
    let api = WriteApi::start().await;
    let partial = r#"{"code":"invalid","error":"partial write: field type conflict: input field \"value\" dropped=2","message":"partial write: field type conflict: input field \"value\" dropped=2"}"#;
    let told = |status, retry_after| Told { retry_after, ..Told::status(status) };
    api.answers([
        told(500, None),
        told(503, None),
        told(429, Some(3)),
        Told { body: partial.to_owned(), ..Told::status(400) },
        told(500, None),
    ]);
    let data = tempfile::tempdir().unwrap();
    let settings = settings(&api.url());
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = ServerProcess::start(binary(), data.path(), &settings);
    let mut viewer = Viewer::open(&server).await;
    let mut stored = Stream::open(&server, "garage", "stored").await;
    stored.send(20).await;
    viewer.hears(20).await;
    stored.all_acknowledged().await;
    stored.send(30).await;
    stored.all_acknowledged().await;

    let writes = api.writes();
    let statuses: Vec<u16> = writes.iter().map(|w| w.status).collect();
    assert_eq!(statuses[..4], [500, 503, 429, 400], "{statuses:?}");
    for pair in writes[..4].windows(2) {
        assert_eq!(numbers(&pair[0].lines), numbers(&pair[1].lines), "the same points again, and no others before them");
    }
    let waited = writes[3].at - writes[2].at;
    assert!(waited >= Duration::from_millis(2_900), "asked to wait 3 s, it came back after {waited:?}");
    // A partial write is a write: what it dropped is gone for good, the rest is there.
    let taken: Vec<u64> = writes.iter().filter(|w| w.status == 204 || w.status == 400).flat_map(|w| numbers(&w.lines)).collect();
    assert_eq!(taken, (1..=50).collect::<Vec<_>>(), "each once, in order");
    let rejected = format!("slipstream_sink_points_rejected_total{{store=\"{store}\"}}");
    eventually("the refused points are counted", || async { server.metric(&rejected).await == 2.0 }).await;
    let letters = std::fs::read_to_string(data.path().join(format!("data/dead-letters/{store}.jsonl"))).unwrap();
    let letters: Vec<serde_json::Value> = letters.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0]["reason"].as_str().unwrap().contains("field type conflict"), "{letters:?}");
    assert_eq!(letters[0]["what"].as_str().unwrap().split(' ').next(), Some("2"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn influxdb1_overloaded_and_refusing_some_points_gets_the_others_in_order() {
    overloaded_then_refusing_some("influxdb1", |url| vec![("SLIPSTREAM_INFLUX1_URL", url.to_owned())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn influxdb2_overloaded_and_refusing_some_points_gets_the_others_in_order() {
    overloaded_then_refusing_some("influxdb2", |url| {
        vec![("SLIPSTREAM_INFLUX2_URL", url.to_owned()), ("SLIPSTREAM_INFLUX2_TOKEN", "a token".to_owned())]
    })
    .await;
}

/// What an operator has to mend is told until it is mended, and costs nothing; what nobody can mend costs one point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_that_someone_can_mend_wait_loudly_and_others_go_to_the_dead_letters() {
    let api = WriteApi::start().await;
    let told = |status, body: &str| Told { body: body.to_owned(), ..Told::status(status) };
    let refusals = [401, 403, 404, 401, 401, 404].map(|status| told(status, r#"{"error":"who are you?"}"#));
    api.answers(refusals.into_iter().chain([told(422, r#"{"error":"no such point"}"#)]));
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(binary(), data.path(), &[("SLIPSTREAM_INFLUX1_URL", &api.url())]);
    let mut stored = Stream::open(&server, "garage", "stored").await;
    stored.send(1).await;
    let refusing = || async { server.metric("slipstream_sink_refusing{store=\"influxdb1\"}").await };
    eventually("the metric says so", || async { refusing().await == 1.0 }).await;
    let health = reqwest::get(server.url("/health")).await.unwrap().json::<serde_json::Value>().await.unwrap();
    assert_eq!((&health["data"]["status"], &health["data"]["sinks"][0]["state"]), (&"degraded".into(), &"refused".into()), "{health}");
    assert!(health["data"]["sinks"][0]["lastError"].as_str().unwrap().contains("check the configured"), "{health}");
    assert!(server.log().contains("refuses until someone acts"), "{}", server.log());
    stored.all_acknowledged().await;
    assert_eq!(refusing().await, 0.0);
    let letters = std::fs::read_to_string(data.path().join("data/dead-letters/influxdb1.jsonl")).unwrap();
    assert!(letters.lines().count() == 1 && letters.contains("no such point") && letters.contains("value=1"), "{letters}");
    let waits: Vec<Duration> = api.writes().windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(waits[5] > waits[0] && waits[5] < Duration::from_secs(10), "ever slower, and it comes back: {waits:?}");

    // Too large for the server: in pieces.
    api.answers([Told::status(413)]);
    stored.send(20).await;
    stored.all_acknowledged().await;
    let taken: Vec<u64> = api.writes().iter().filter(|w| w.status == 204).flat_map(|w| numbers(&w.lines)).collect();
    assert_eq!(taken, (2..=21).collect::<Vec<_>>(), "each once, in order");
}
