//! What a restart keeps: subscribers and publishers ride through a clean one; after a crash the state
//! is what the journal holds, and so are the channels.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;
use slipstream_gateway::relay::{self, Endpoint, Outcome, RelayOptions, Source, source::Simulation};
use slipstream_protocol::{PublisherId, SessionId, Timestamp, WireFormat, token::Role};
use slipstream_tests::gateway::{Client, Gateway};

use crate::process::{Site, wait_for};

const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);

/// One car, `steps` samples from sample `first` on.
fn drive(first: usize, steps: usize) -> Source {
    let simulation = Simulation { seed: 3, cars: 1, rate_hz: 50.0, session: SessionId::new("s").unwrap(), start: START, steps: None };
    let mut simulator = slipstream_engine::simulator::Simulator::new(3, 1, 50.0, simulation.session, START);
    let mut samples = Vec::new();
    for _ in 0..first + steps {
        simulator.step(&mut samples);
    }
    Source::from_samples(samples.split_off(first))
}

async fn relay(gateway: &Gateway, first: usize, steps: usize) {
    let endpoint = Endpoint::new(&gateway.url(""), Some(gateway.token(Role::Relay)), WireFormat::Rkyv).unwrap();
    let options = RelayOptions { first_seq: first as u64 + 1, ..RelayOptions::new(endpoint, PublisherId::new("garage").unwrap()) };
    let report = relay::run(options, drive(first, steps), |_| {}).await;
    assert_eq!((&report.outcome, report.acknowledged), (&Outcome::Complete, steps as u64), "{report}");
}

async fn offsets(client: &mut Client, count: usize) -> Vec<u64> {
    let mut heard = Vec::new();
    while heard.len() < count {
        heard.push(client.message_of("telemetry").await["offset"].as_u64().unwrap());
    }
    heard
}

async fn resume(gateway: &Gateway, channel: &str, epoch: u64, offset: u64) -> (Client, serde_json::Value) {
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    client.send(json!({"type": "subscribe", "channel": channel, "since": {"epoch": epoch, "offset": offset}})).await;
    let answer = client.message_of("subscribed").await;
    (client, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_rides_through_a_clean_restart_without_gap_or_repeat() {
    let mut gateway = Gateway::start().await;
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    let epoch = client.subscribe("telemetry:car-01").await["epoch"].as_u64().unwrap();
    relay(&gateway, 0, 40).await;
    assert_eq!(offsets(&mut client, 40).await, (1..=40).collect::<Vec<_>>());
    drop(client);
    relay(&gateway, 40, 30).await;
    gateway.restart().await;
    assert_eq!(gateway.services().router.views().vehicle("car-01").unwrap().samples, 70);
    let (mut client, answer) = resume(&gateway, "telemetry:car-01", epoch, 40).await;
    assert_eq!((answer["recovered"].as_bool(), answer["epoch"].as_u64()), (Some(true), Some(epoch)), "{answer}");
    // Sent again after the restart: known by number, published no second time.
    relay(&gateway, 60, 30).await;
    assert_eq!(offsets(&mut client, 50).await, (41..=90).collect::<Vec<_>>());
    client.is_well().await;
    gateway.stop().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of the data folder of a running server is what a power cut would leave behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_state_and_channels_are_what_was_acknowledged() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    let epoch = client.subscribe("telemetry:car-01").await["epoch"].as_u64().unwrap();
    relay(&gateway, 0, 120).await;
    let before = gateway.services().router.views().vehicle("car-01").unwrap();
    let image = tempfile::tempdir().unwrap();
    copy(&gateway.services().config.data_dir, image.path());
    gateway.stop().await;

    let folder = image.path().to_owned();
    let crashed = Gateway::start_with(|config| config.data_dir = folder).await;
    let after = crashed.services().router.views().vehicle("car-01").unwrap();
    assert_eq!((after.samples, &after.signals), (120, &before.signals));
    let session = crashed.services().router.views().session("s");
    assert_eq!(session.map(|s| s.samples), Some(120), "the room is back, too");
    let (mut ahead, answer) = resume(&crashed, "telemetry:car-01", epoch, 121).await;
    assert_eq!(answer["recovered"], false, "nobody can have heard it, as far as was kept: {answer}");
    ahead.is_well_behind_news().await;
    let (mut client, answer) = resume(&crashed, "telemetry:car-01", epoch, 100).await;
    assert_eq!((answer["recovered"].as_bool(), answer["offset"].as_u64()), (Some(true), Some(100)), "{answer}");
    assert_ne!(answer["epoch"].as_u64(), Some(epoch), "what was heard and not kept must never be taken for something else");
    // What was acknowledged and is sent again is not applied again.
    relay(&crashed, 100, 40).await;
    assert_eq!(offsets(&mut client, 40).await, (101..=140).collect::<Vec<_>>());
    assert_eq!(crashed.services().router.views().vehicle("car-01").unwrap().samples, 140);
    client.is_well_behind_news().await;
    crashed.stop().await;
}

/// What `tail --json` printed of the signal `n`, in the order it came.
fn numbers(printed: &str) -> Vec<u64> {
    let messages = printed.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages.filter(|m| m["type"] == "telemetry").map(|m| m["data"]["n"].as_f64().unwrap() as u64).collect()
}

/// The commands people run, against a server that is restarted under them.
#[test]
fn relay_and_tail_ride_through_restarts_of_the_process_with_nothing_lost_and_nothing_doubled() {
    const ROWS: usize = 1_200;
    for spool in [&[][..], &["--spool", "spool"]] {
        let site = Site::new();
        let mut table = String::from("t_s,vehicle_id,n\n");
        for row in 0..ROWS {
            let _ = writeln!(table, "{:.3},car,{row}", row as f64 / 200.0);
        }
        std::fs::write(site.path("table.csv"), table).unwrap();
        let mut server = site.serve();
        let tail = site.start(&["tail", "telemetry:car", "--json", "--count", &ROWS.to_string()]);
        wait_for("the subscription", || tail.said().contains("\"subscribed\"").then_some(()));
        let relay = site.start(&[&["relay", "table.csv", "--publisher", "garage", "--quiet"], spool].concat());
        for part in 1..=2 {
            wait_for("samples", || (numbers(&tail.said()).len() > part * ROWS / 4).then_some(()));
            let asked = Instant::now();
            server.terminate();
            let (status, _, log) = server.end();
            assert_eq!(status.code(), Some(0), "a drain is no failure: {log}");
            assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?}", asked.elapsed());
            server = site.serve();
        }
        let (status, report, log) = relay.end();
        assert_eq!(status.code(), Some(0), "{report}\n{log}");
        let (status, printed, complaints) = tail.end();
        assert_eq!(status.code(), Some(0), "{complaints}");
        assert!(complaints.contains("trying again") && !complaints.contains("missed"), "{complaints}");
        let mut heard = numbers(&printed);
        if !spool.is_empty() {
            // What could not be sent at once comes beside what is live.
            heard.sort_unstable();
        }
        assert!(heard.iter().copied().eq(0..ROWS as u64), "{} heard", heard.len());
        let mut stored: Vec<u64> = site.journalled().into_iter().map(|sample| sample.2).collect();
        stored.sort_unstable();
        assert!(stored.iter().copied().eq(0..ROWS as u64), "{} stored", stored.len());
        drop(server);
    }
}
