//! The relay agent against the real server: nothing lost, nothing doubled, everything accounted for.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use slipstream_gateway::{
    relay::{
        self, Endpoint, Outcome, RelayOptions, Report, Source,
        source::{ReadOptions, Start},
    },
    tail::{self, Event, TailOptions},
};
use slipstream_protocol::{
    PublisherId, Quality, Sample, Signal, SignalValue, Timestamp, VehicleId, WireFormat,
    token::{Claims, Role},
};
use slipstream_tests::gateway::{Gateway, PATIENCE, now_s};
use tokio_util::sync::CancellationToken;

use crate::cutting_proxy::CuttingProxy;

/// `count` samples of `vehicles` vehicles in turn; `n` counts per vehicle.
fn samples(vehicles: usize, count: usize) -> Vec<Sample> {
    let ids: Vec<_> = (0..vehicles).map(|v| VehicleId::new(&format!("car-{v}")).unwrap()).collect();
    (0..count)
        .map(|i| Sample {
            vehicle: ids[i % vehicles].clone(),
            session: None,
            fleet: None,
            seq: None,
            source_time: Timestamp::from_millis(1_700_000_000_000 + i as i64),
            received_at: Timestamp::default(),
            quality: Quality::Good,
            signals: vec![
                Signal { name: "n".into(), value: SignalValue::Number((i / vehicles) as f64) },
                Signal { name: "speed_mps".into(), value: SignalValue::Number(50.0 + i as f64) },
            ],
            raw: None,
        })
        .collect()
}

fn options(url: &str, token: String, format: WireFormat, publisher: &str) -> RelayOptions {
    let endpoint = Endpoint::new(url, Some(token), format).unwrap();
    RelayOptions {
        batch_size: 50,
        backoff: Duration::from_millis(10),
        give_up_after: Some(PATIENCE),
        ..RelayOptions::new(endpoint, PublisherId::new(publisher).unwrap())
    }
}

async fn send(options: RelayOptions, source: Source) -> Report {
    tokio::time::timeout(6 * PATIENCE, relay::run(options, source, |_| ())).await.expect("the agent ends in time")
}

fn assert_adds_up(report: &Report) {
    assert_eq!(report.sent, report.acknowledged + report.refused_total() + report.unacknowledged, "{report}");
}

/// A `telemetry:*` subscriber that writes down what it hears.
struct Listener {
    heard: Arc<Mutex<BTreeMap<String, Vec<f64>>>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), tail::TailError>>,
}

impl Listener {
    /// Returns when the subscription stands.
    async fn start(url: &str, token: String) -> Self {
        let heard = Arc::new(Mutex::new(BTreeMap::<String, Vec<f64>>::new()));
        let (told, mut stands) = tokio::sync::mpsc::unbounded_channel();
        let endpoint = Endpoint::new(url, Some(token), WireFormat::Json).unwrap();
        let options = TailOptions::new(endpoint, vec!["telemetry:*".parse().unwrap()]);
        let (stop, book) = (options.stop.clone(), heard.clone());
        let task = tokio::spawn(tail::run(options, Timestamp::default, move |event| {
            if let Event::Message { value, .. } = event {
                match tail::kind(&value) {
                    "subscribed" => drop(told.send(())),
                    "telemetry" => {
                        let vehicle = value["driverId"].as_str().unwrap().to_owned();
                        let n = value["data"]["n"].as_f64().unwrap_or(f64::NAN);
                        book.lock().unwrap().entry(vehicle).or_default().push(n);
                    }
                    other => panic!("{other}: {value}"),
                }
            }
            ControlFlow::Continue(())
        }));
        tokio::time::timeout(PATIENCE, stands.recv()).await.unwrap().expect("the subscription stands");
        Self { heard, stop, task }
    }

    fn total(&self) -> usize {
        self.heard.lock().unwrap().values().map(Vec::len).sum()
    }

    /// Waits until `count` samples were heard, then yields them by vehicle.
    async fn hear(self, count: usize) -> BTreeMap<String, Vec<f64>> {
        let deadline = tokio::time::Instant::now() + 3 * PATIENCE;
        while self.total() < count {
            assert!(tokio::time::Instant::now() < deadline, "{} of {count} heard", self.total());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        Arc::into_inner(self.heard).unwrap().into_inner().unwrap()
    }
}

fn assert_each_once_in_order(heard: &BTreeMap<String, Vec<f64>>, vehicles: usize, count: usize) {
    assert_eq!(heard.len(), vehicles);
    for (vehicle, numbers) in heard {
        let expected: Vec<f64> = (0..count / vehicles).map(|n| n as f64).collect();
        assert_eq!(*numbers, expected, "{vehicle}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_is_acknowledged_and_heard_once_in_order_in_both_formats() {
    for format in WireFormat::ALL {
        let gateway = Gateway::start().await;
        let listener = Listener::start(&gateway.url(""), gateway.token(Role::Viewer)).await;
        let options = options(&gateway.url(""), gateway.token(Role::Relay), format, "pit-wall");
        let report = send(options, Source::from_samples(samples(5, 5_000))).await;
        assert_eq!((report.acknowledged, report.refused_total(), report.resent), (5_000, 0, 0), "{report}");
        assert_eq!(report.outcome, Outcome::Complete);
        assert!(report.ack_latency.count() > 0);
        assert_each_once_in_order(&listener.hear(5_000).await, 5, 5_000);
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_mid_frame_lose_nothing_and_double_nothing() {
    for format in WireFormat::ALL {
        let gateway = Gateway::start().await;
        let listener = Listener::start(&gateway.url(""), gateway.token(Role::Viewer)).await;
        let proxy = CuttingProxy::start(gateway.server().addr, &[9_001, 40_003, 777, 20_000, 60_001]).await;
        let options = options(&format!("http://{}", proxy.addr), gateway.token(Role::Relay), format, "bad-network");
        let report = send(options, Source::from_samples(samples(4, 6_000))).await;
        assert_eq!((report.acknowledged, report.refused_total(), report.unacknowledged), (6_000, 0, 0), "{report}");
        assert!(proxy.connections.load(Ordering::SeqCst) >= 6 && report.resent > 0, "{report}");
        assert_each_once_in_order(&listener.hear(6_000).await, 4, 6_000);
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_rides_through_a_restart_of_the_server() {
    let mut gateway = Gateway::start().await;
    let proxy = CuttingProxy::start(gateway.server().addr, &[]).await;
    let mut options = options(&format!("http://{}", proxy.addr), gateway.token(Role::Relay), WireFormat::Rkyv, "rider");
    options.pace = relay::Pace::Times(1.0);
    let agent = tokio::spawn(send(options, Source::from_samples(samples(2, 3_000))));
    tokio::time::sleep(Duration::from_millis(500)).await;
    gateway.restart().await;
    proxy.move_to(gateway.server().addr);
    let report = agent.await.unwrap();
    assert_eq!((report.acknowledged, report.refused_total(), report.unacknowledged), (3_000, 0, 0), "{report}");
    assert!(report.reconnects() >= 1, "{report}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_token_may_not_publish_is_reported_and_the_rest_goes_on() {
    let gateway = Gateway::start().await;
    let listener = Listener::start(&gateway.url(""), gateway.token(Role::Viewer)).await;
    let claims = Claims {
        sub: "garage".into(),
        exp: now_s() + 600,
        iat: None,
        role: Role::Relay,
        channels: None,
        publish: Some(vec!["car-1".into()]),
    };
    let options = options(&gateway.url(""), gateway.token_of(&claims), WireFormat::Rkyv, "garage");
    let report = send(options, Source::from_samples(samples(3, 30))).await;
    assert_adds_up(&report);
    assert_eq!((report.acknowledged, report.refused_total()), (10, 20), "{report}");
    assert!(report.refused["FORBIDDEN"].examples[0].contains("car-0"), "{report}");
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!(listener.hear(10).await["car-1"].len(), 10);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_ends_it_at_once_with_what_to_do() {
    let gateway = Gateway::start().await;
    let report = send(options(&gateway.url(""), "not.a.token".into(), WireFormat::Rkyv, "x"), Source::from_samples(samples(1, 1))).await;
    let Outcome::Failed(reason) = &report.outcome else { panic!("{report}") };
    assert!(reason.contains("401") && reason.contains("slipstream token"), "{reason}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_is_under_way() {
    let gateway = Gateway::start().await;
    let mut options = options(&gateway.url(""), gateway.token(Role::Relay), WireFormat::Rkyv, "stopped");
    options.pace = relay::Pace::Times(1.0);
    let stop = options.stop.clone();
    let agent = tokio::spawn(relay::run(options, Source::from_samples(samples(1, 1_000_000)), move |report: &Report| {
        if report.acknowledged > 100 {
            stop.cancel();
        }
    }));
    let report = tokio::time::timeout(3 * PATIENCE, agent).await.unwrap().unwrap();
    assert_eq!((report.outcome.clone(), report.unacknowledged), (Outcome::Stopped, 0), "{report}");
    assert!(report.acknowledged > 100 && report.acknowledged == report.sent, "{report}");
    gateway.stop().await;
}

/// A file of the sample data, or `None` with a word about it.
fn recording(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SLIPSTREAM_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")), PathBuf::from);
    let path = root.join("data").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there; SLIPSTREAM_DATA names the folder of sample data", path.display());
    None
}

async fn replay(gateway: &Gateway, path: &std::path::Path) -> Report {
    let start = Start::at(Timestamp::from_millis(1_700_000_000_000));
    let source = Source::open(path, &ReadOptions::new(start), || Timestamp::from_millis(now_s() * 1_000)).unwrap();
    send(options(&gateway.url(""), gateway.token(Role::Relay), WireFormat::Rkyv, "replay"), source).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_session_of_six_cars_arrives_whole() {
    let Some(path) = recording("race/f1_2026test_p1_6cars_7laps.csv.gz") else { return };
    let gateway = Gateway::start().await;
    let listener = Listener::start(&gateway.url(""), gateway.token(Role::Viewer)).await;
    let report = replay(&gateway, &path).await;
    assert_eq!((report.acknowledged, report.skipped, report.refused_total()), (32_450, 0, 0), "{report}");
    assert_eq!(report.fraction, Some(1.0));
    assert_eq!(listener.hear(32_450).await.len(), 6);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dirty_long_recording_keeps_every_row_in_samples_by_its_own_clock() {
    let Some(path) = recording("race/grcup_barber_raw_long_dirty.csv.gz") else { return };
    let source = Source::open(&path, &ReadOptions::new(Start::at(Timestamp::default())), Timestamp::default).unwrap();
    let (mut rows, mut samples) = (0, 0);
    for item in source {
        let sample = match item.unwrap() {
            relay::source::Item::Sample(sample) => sample,
            relay::source::Item::Remark(remark) if remark.text.contains("'meta_time'") => continue,
            other => panic!("nothing is skipped: {other:?}"),
        };
        // `lap` stands beside each row and is told once a sample.
        rows += sample.signals.iter().filter(|s| &*s.name != "lap").count();
        samples += 1;
    }
    assert_eq!(rows, 10_000);
    let gateway = Gateway::start().await;
    let listener = Listener::start(&gateway.url(""), gateway.token(Role::Viewer)).await;
    let report = replay(&gateway, &path).await;
    assert_eq!((report.acknowledged, report.skipped, report.refused_total()), (samples, 0, 0), "{report}");
    assert_eq!(listener.hear(samples as usize).await.len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_citys_buses_arrive_under_their_own_names() {
    let Some(path) = recording("fleet/hsl_gtfsrt_vehicle_positions.csv.gz") else { return };
    let gateway = Gateway::start().await;
    let report = replay(&gateway, &path).await;
    assert_eq!((report.acknowledged, report.skipped, report.refused_total()), (1_178, 0, 0), "{report}");
    gateway.stop().await;
}
