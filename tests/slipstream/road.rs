//! The whole road: relay agent -> `/ws` -> vehicle actor -> subscriber and every time-series store.
//!
//! The oracle: every sample sent is acknowledged, reaches a `telemetry:*` subscriber once and in
//! order per vehicle, and is found in each store with the same values.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;
use slipstream_actors::ports::{Aggregate, SeriesQuery, SeriesStore};
use slipstream_gateway::relay::{
    self, Endpoint, Outcome, RelayOptions, Report, Source,
    source::{ReadOptions, Simulation, Start},
};
use slipstream_protocol::{PublisherId, SessionId, SignalValue, Timestamp, VehicleId, WireFormat, token::Role};
use slipstream_tests::{
    gateway::{Client, Gateway},
    servers::{InfluxDb1, VictoriaMetrics},
};

/// Signals of one sample.
type Signals = BTreeMap<String, f64>;

/// Per vehicle, in the order sent: when, and what.
type Sent = BTreeMap<String, Vec<(Timestamp, Signals)>>;

const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);

fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var("SLIPSTREAM_DATA").unwrap_or_else(|_| "../shared".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(root);
    let path = root.join("data").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there; SLIPSTREAM_DATA names the folder that holds data/", path.display());
    None
}

fn gunzip(path: &Path) -> csv::Reader<impl std::io::Read> {
    csv::Reader::from_reader(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()))
}

fn samples(sent: &Sent) -> usize {
    sent.values().map(Vec::len).sum()
}

/// What the wide race files hold, read here without the relay's help.
fn wide_file(path: &Path) -> Sent {
    let mut reader = gunzip(path);
    let headers = reader.headers().unwrap().clone();
    let mut sent = Sent::new();
    for row in reader.records().map(Result::unwrap) {
        let mut signals = Signals::new();
        let (mut vehicle, mut at) = (String::new(), 0.0);
        for (name, cell) in headers.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty()) {
            match name {
                "vehicle_id" => cell.clone_into(&mut vehicle),
                "t_s" => at = cell.parse().unwrap(),
                _ => drop(signals.insert(name.to_owned(), cell.parse().unwrap())),
            }
        }
        sent.entry(vehicle).or_default().push((START.plus(Duration::from_secs_f64(at)), signals));
    }
    sent
}

/// A gateway whose outboxes hold a whole file: the test's reader is slower than a flat-out replay.
async fn gateway(influx1: Option<&InfluxDb1>, influx2: Option<&VictoriaMetrics>) -> Gateway {
    Gateway::start_with(|config| {
        config.ws.outbox_bytes = 1 << 30;
        config.ws.outbox_frames = 10_000_000;
        config.influx1.url = influx1.map(InfluxDb1::url);
        config.influx2.url = influx2.map(VictoriaMetrics::url);
    })
    .await
}

async fn drive(gateway: &Gateway, source: Source, format: WireFormat) -> Report {
    let endpoint = Endpoint::new(&gateway.url(""), Some(gateway.token(Role::Relay)), format).unwrap();
    let options = RelayOptions::new(endpoint, PublisherId::new("garage-1").unwrap());
    relay::run(options, source, |_| {}).await
}

fn assert_all_acknowledged(report: &Report, sent: usize) {
    assert_eq!(report.outcome, Outcome::Complete, "{report}");
    assert_eq!((report.sent, report.acknowledged, report.refused_total()), (sent as u64, sent as u64, 0), "{report}");
}

fn signals_of(data: &Value) -> Signals {
    data.as_object().unwrap().iter().filter_map(|(name, v)| v.as_f64().map(|v| (name.clone(), v))).collect()
}

/// What a `telemetry:*` subscriber hears until it has heard `count` samples; offsets must be dense per channel.
async fn hear(client: &mut Client, count: usize) -> Sent {
    let mut heard = Sent::new();
    for _ in 0..count {
        let message = client.message_of("telemetry").await;
        let vehicle = message["driverId"].as_str().unwrap().to_owned();
        assert_eq!(message["channel"], format!("telemetry:{vehicle}"));
        let of = heard.entry(vehicle).or_default();
        of.push((message["timestamp"].as_str().unwrap().parse().unwrap(), signals_of(&message["data"])));
        assert_eq!(message["offset"], of.len(), "offsets count from 1 without a hole");
    }
    client.is_well().await;
    heard
}

/// Times on the live wire are milliseconds.
fn to_millis(sent: &Sent) -> Sent {
    let round = |(at, signals): &(Timestamp, Signals)| (Timestamp::from_millis(at.millis()), signals.clone());
    sent.iter().map(|(vehicle, of)| (vehicle.clone(), of.iter().map(round).collect())).collect()
}

/// Points per signal by time; where several have one time the newest sent is what a store keeps.
fn points(of: &[(Timestamp, Signals)]) -> BTreeMap<String, BTreeMap<i64, f64>> {
    let mut points: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    for (at, signals) in of {
        for (name, value) in signals {
            points.entry(name.clone()).or_default().insert(at.micros(), *value);
        }
    }
    points
}

async fn wait_until_stored(gateway: &Gateway) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let newest = gateway.services().journal.position();
    for writer in &gateway.services().writers {
        while writer.stats().position < newest {
            assert!(Instant::now() < deadline, "{:?}", writer.stats());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn assert_store_holds(store: &dyn SeriesStore, sent: &Sent) {
    for (vehicle, of) in sent {
        let query = SeriesQuery {
            vehicle: VehicleId::new(vehicle).unwrap(),
            session: None,
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(2_000_000_000_000),
            signals: Vec::new(),
            window: None,
            aggregate: Aggregate::Mean,
            limit: 10_000_000,
        };
        let answer = store.query(&query).await.unwrap();
        let held: BTreeMap<String, BTreeMap<i64, f64>> = answer
            .series
            .into_iter()
            .map(|s| (s.signal, s.points.into_iter().map(|p| (p.time.micros(), p.value.unwrap())).collect()))
            .collect();
        assert_eq!(held.keys().collect::<Vec<_>>(), points(of).keys().collect::<Vec<_>>(), "{}: signals of {vehicle}", store.name());
        assert!(held == points(of), "{}: the points of {vehicle} are those that were sent", store.name());
    }
}

/// The store behind the write API of `InfluxDB` 2 keeps milliseconds, shows fresh points late, and
/// keeps both of two points of one time.
async fn assert_victoria_holds(server: &VictoriaMetrics, sent: &Sent) {
    let client = reqwest::Client::new();
    for (vehicle, of) in sent {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let query = [("match[]", format!("{{__name__=\"vehicle_telemetry_value\",vehicle_id=\"{vehicle}\"}}")), ("start", "0".into())];
            let text = client.get(format!("{}/api/v1/export", server.url())).query(&query).send().await.unwrap().text().await.unwrap();
            match difference(&exported(&text), &points(of)) {
                None => break,
                Some(why) => assert!(Instant::now() < deadline, "{vehicle}: {why}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Values per signal and millisecond.
type Exported = BTreeMap<String, BTreeMap<i64, Vec<f64>>>;

fn exported(lines: &str) -> Exported {
    let mut held = Exported::new();
    for series in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let of = held.entry(series["metric"]["sensor_type"].as_str().unwrap().to_owned()).or_default();
        let times = series["timestamps"].as_array().unwrap().iter().map(|t| t.as_i64().unwrap());
        for (at, value) in times.zip(series["values"].as_array().unwrap()) {
            of.entry(at).or_default().push(value.as_f64().unwrap());
        }
    }
    held
}

/// The first point sent that is not held, or held and never sent.
fn difference(held: &Exported, sent: &BTreeMap<String, BTreeMap<i64, f64>>) -> Option<String> {
    for (signal, points) in sent {
        let Some(of) = held.get(signal) else { return Some(format!("{signal} is not held")) };
        for (at, value) in points {
            if !of.get(&at.div_euclid(1_000)).is_some_and(|held| held.contains(value)) {
                return Some(format!("{signal} = {value} at {at} is not held: {:?}", of.get(&at.div_euclid(1_000))));
            }
        }
        let times: BTreeSet<i64> = points.keys().map(|at| at.div_euclid(1_000)).collect();
        if let Some(at) = of.keys().find(|at| !times.contains(at)) {
            return Some(format!("{signal} at {at} ms was never sent"));
        }
    }
    (held.len() > sent.len()).then(|| "a signal that was never sent".to_owned())
}

async fn travel(gateway: &Gateway, source: Source, sent: &Sent, format: WireFormat) {
    let mut subscriber = gateway.client(Role::Viewer, WireFormat::Json).await;
    subscriber.subscribe("telemetry:*").await;
    // The agent's state is large; it need not lie in every future that waits for it.
    let report = Box::pin(drive(gateway, source, format)).await;
    assert_all_acknowledged(&report, samples(sent));
    let heard = hear(&mut subscriber, samples(sent)).await;
    assert!(heard == to_millis(sent), "the subscriber hears what was sent, once and in order");
    wait_until_stored(gateway).await;
}

fn simulation() -> Simulation {
    Simulation { seed: 7, cars: 5, rate_hz: 50.0, session: SessionId::new("practice").unwrap(), start: START, steps: Some(100) }
}

/// What the simulator sends, from the simulator itself.
fn simulated() -> Sent {
    let Simulation { seed, cars, rate_hz, session, start, .. } = simulation();
    let mut simulator = slipstream_engine::simulator::Simulator::new(seed, cars, rate_hz, session, start);
    let (mut sent, mut step) = (Sent::new(), Vec::new());
    for _ in 0..100 {
        step.clear();
        simulator.step(&mut step);
        for sample in &step {
            let number = |s: &slipstream_protocol::Signal| match s.value {
                SignalValue::Number(n) => Some((s.name.to_string(), n)),
                _ => None,
            };
            let signals = sample.signals.iter().filter_map(number).collect();
            sent.entry(sample.vehicle.to_string()).or_default().push((sample.source_time, signals));
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_cars_arrive_whole_in_both_formats_and_in_the_embedded_store() {
    for format in WireFormat::ALL {
        let gateway = gateway(None, None).await;
        let sent = simulated();
        // JSON carries milliseconds.
        let sent = if format == WireFormat::Json { to_millis(&sent) } else { sent };
        travel(&gateway, Source::simulated(&simulation()), &sent, format).await;
        assert_store_holds(&*gateway.services().series, &sent).await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_cars_arrive_whole_in_influxdb_1_and_behind_the_influxdb_2_write_api() {
    let (Some(influx1), Some(victoria)) = (InfluxDb1::start(), VictoriaMetrics::start()) else { return };
    let gateway = gateway(Some(&influx1), Some(&victoria)).await;
    let sent = simulated();
    travel(&gateway, Source::simulated(&simulation()), &sent, WireFormat::Rkyv).await;
    assert_victoria_holds(&victoria, &sent).await;
    assert_store_holds(&*influx1_store(&gateway).await, &sent).await;
    gateway.stop().await;
}

/// The `InfluxDB` 1 store of a gateway, opened once more to read.
async fn influx1_store(gateway: &Gateway) -> std::sync::Arc<dyn SeriesStore> {
    let influx1 = gateway.services().config.influx1.clone();
    let config = slipstream_gateway::series::SeriesConfig { influx1, ..Default::default() };
    slipstream_gateway::series::open(&config).await.unwrap().remove(0)
}

fn race_options() -> ReadOptions {
    ReadOptions::new(Start::at(START))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_formula_1_cars_arrive_whole_in_every_store() {
    let Some(path) = data("race/f1_2026test_p1_6cars_7laps.csv.gz") else { return };
    let sent = wide_file(&path);
    let open = || Source::open(&path, &race_options(), || START).unwrap();

    let embedded = gateway(None, None).await;
    travel(&embedded, open(), &sent, WireFormat::Rkyv).await;
    assert_store_holds(&*embedded.services().series, &sent).await;
    embedded.stop().await;

    let (Some(influx1), Some(victoria)) = (InfluxDb1::start(), VictoriaMetrics::start()) else { return };
    let servers = gateway(Some(&influx1), Some(&victoria)).await;
    travel(&servers, open(), &sent, WireFormat::Rkyv).await;
    assert_victoria_holds(&victoria, &sent).await;
    assert_store_holds(&*influx1_store(&servers).await, &sent).await;
    servers.stop().await;
}

/// Rows come newest-first inside batches, some twice, with a second clock beside the ECU's. Documented
/// outcome (README, "Dirty data"): rows of one vehicle and ECU time that follow each other make one
/// sample; every sample is acknowledged and published in the order sent; a store keeps one point per
/// signal and ECU time, the last one sent; "latest" is the newest by ECU time, whatever came last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dirty_long_file_has_the_documented_outcome() {
    let Some(path) = data("race/grcup_barber_raw_long_dirty.csv.gz") else { return };
    let mut sent = Sent::new();
    let mut newest: BTreeMap<String, (Timestamp, f64)> = BTreeMap::new();
    let mut latest = Timestamp::default();
    for row in gunzip(&path).records().map(Result::unwrap) {
        let (at, vehicle): (Timestamp, _) = (row[1].parse().unwrap(), row[2].to_owned());
        let of = sent.entry(vehicle).or_default();
        // The lap column repeats; a measured signal that repeats begins a new sample.
        if of.last().is_none_or(|(last, signals)| *last != at || signals.contains_key(&row[4])) {
            of.push((at, Signals::new()));
        }
        let signals = &mut of.last_mut().unwrap().1;
        let mut put = |name: &str, value: f64| {
            signals.insert(name.to_owned(), value);
            if newest.get(name).is_none_or(|(known, _)| at >= *known) {
                newest.insert(name.to_owned(), (at, value));
            }
        };
        put("lap", row[3].parse().unwrap());
        put(&row[4], row[5].parse().unwrap());
        latest = latest.max(at);
    }
    let gateway = gateway(None, None).await;
    let source = Source::open(&path, &race_options(), || START).unwrap();
    travel(&gateway, source, &sent, WireFormat::Rkyv).await;
    assert_store_holds(&*gateway.services().series, &sent).await;

    let backward: usize = sent.values().map(|of| of.windows(2).filter(|w| w[1].0 < w[0].0).count()).sum();
    assert!(backward > 500, "the file does step back in time: {backward}");
    for vehicle in sent.keys() {
        let twin = gateway.services().router.views().vehicle(vehicle).unwrap();
        assert_eq!(twin.source_time, latest);
        let known: BTreeSet<_> = twin.signals.iter().map(|s| s.name.to_string()).collect();
        assert_eq!(known, newest.keys().cloned().collect());
        for signal in &twin.signals {
            let (at, value) = newest[&*signal.name];
            assert_eq!((signal.time, signal.value.as_number()), (at, Some(value)), "{}", signal.name);
        }
    }
    gateway.stop().await;
}
