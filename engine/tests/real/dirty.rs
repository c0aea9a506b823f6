//! Dirty recordings: what is not true is marked and not averaged; what came twice or out of order is put right; nothing good is lost.

use serde_json::{Value, json};
use slipstream_engine::pipeline::{Pipeline, Row};
use slipstream_protocol::{Quality, Sample, Signal, SignalValue, Timestamp, VehicleId};

use crate::data::{Table, number, table};

fn sample(vehicle: &str, time_s: f64, signals: Vec<(&str, f64)>) -> Sample {
    let time = Timestamp::from_secs_f64(time_s);
    let signals = signals.into_iter().map(|(name, value)| Signal { name: name.into(), value: SignalValue::Number(value) }).collect();
    let vehicle = VehicleId::new(vehicle).unwrap();
    Sample {
        vehicle,
        session: None,
        fleet: None,
        seq: None,
        source_time: time,
        received_at: time,
        quality: Quality::Good,
        signals,
        raw: None,
    }
}

/// The samples of a table, a row each; empty cells are not sent.
fn samples(data: &Table, names: &[&str]) -> Vec<Sample> {
    let (time, vehicle) = (data.column("unix_s"), data.column("vehicle_id"));
    let columns: Vec<(&str, usize)> = names.iter().map(|n| (*n, data.column(n))).collect();
    let row = |r: &Vec<String>| {
        let signals = columns.iter().filter_map(|(name, c)| Some((*name, number(&r[*c])?))).collect();
        sample(&r[vehicle].replace('/', "-"), number(&r[time]).unwrap(), signals)
    };
    data.rows.iter().map(row).collect()
}

struct Ran {
    pipeline: Pipeline,
    rows: Vec<Row>,
}

fn run(steps: &Value, delay: &str, samples: &[Sample]) -> Ran {
    let document = json!({"name": "dirty", "time": {"delay": delay}, "steps": steps});
    let mut pipeline = Pipeline::build(&document).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    for sample in samples {
        pipeline.feed(sample);
    }
    pipeline.finish();
    let rows = std::iter::from_fn(|| pipeline.next_result()).collect();
    Ran { pipeline, rows }
}

impl Ran {
    /// The cells of a signal: value and quality.
    fn cells(&self, name: &str) -> Vec<(Option<f64>, Quality)> {
        let scope = self.pipeline.scope();
        let cells = self.rows.iter().flat_map(|r| &r.cells).filter(|c| scope.signals.name(c.signal) == name);
        cells.map(|c| (c.value.as_number(), c.quality)).collect()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.cells(name).into_iter().filter_map(|(value, _)| value).collect()
    }
}

/// What OBD-II and a receiver can tell.
fn obd_checks() -> Value {
    json!({"op": "validate", "checks": [
        {"signals": ["lat_deg", "lon_deg"], "sentinel": 0, "together": true},
        {"signals": ["throttle_pct", "engine_load_pct", "fuel_level_pct"], "min": 0, "max": 100},
        {"signals": "speed_kph", "min": 0, "max": 255},
        {"signals": "rpm", "min": 0, "max": 16_384},
        {"signals": "coolant_c", "min": -40, "max": 215},
    ]})
}

#[test]
fn obd_positions_without_a_fix_and_a_throttle_of_2000_percent_are_marked_and_not_averaged() {
    let Some(data) = table("fleet/obd_natal_drivers.csv.gz") else { return };
    let names = ["lat_deg", "lon_deg", "speed_kph", "rpm", "throttle_pct", "engine_load_pct", "coolant_c", "fuel_level_pct"];
    let mut rows = samples(&data, &names);
    let zeros = data.rows.iter().filter(|r| number(&r[data.column("lat_deg")]) == Some(0.0)).count();
    // A throttle of 2000 %, as adapters tell now and then, at a known place.
    let wild = rows[100].signals.iter_mut().find(|s| &*s.name == "throttle_pct").unwrap();
    let honest = std::mem::replace(&mut wild.value, SignalValue::Number(2_000.0));

    let ran = run(&json!([obd_checks()]), "1h", &rows);
    assert_eq!(ran.rows.len(), rows.len(), "no row is lost");
    let places = ran.cells("lat_deg");
    assert_eq!(places.iter().filter(|(value, _)| value.is_none()).count(), zeros);
    assert!(places.iter().all(|(value, _)| value.is_none_or(|lat| (-5.9..-5.8).contains(&lat))), "Natal");
    let bad: Vec<_> = ran.cells("throttle_pct").into_iter().filter(|(_, quality)| *quality == Quality::Bad).collect();
    assert!(bad.contains(&(Some(2_000.0), Quality::Bad)), "the value stays to be seen");

    let mean = |rows: &[Sample], steps: Value| {
        let ran = run(&steps, "1h", rows);
        let (sums, counts) = (ran.numbers("throttle_pct.sum"), ran.numbers("throttle_pct.count"));
        (sums.iter().sum::<f64>(), counts.iter().sum::<f64>())
    };
    let window = json!({"op": "window", "kind": "tumbling", "size": "1m", "of": {"throttle_pct": ["sum", "count"], "lat_deg": ["mean"]}});
    let marked = mean(&rows, json!([obd_checks(), window]));
    rows[100].signals.retain(|s| &*s.name != "throttle_pct");
    assert_eq!(mean(&rows, json!([window])), marked, "as if it had not been said");
    assert!(matches!(honest, SignalValue::Number(n) if n <= 100.0));
}

/// 1 178 vehicles of a whole city in one snapshot.
#[test]
fn hsl_negative_speed_and_odometers_beyond_any_bus_are_marked() {
    let Some(data) = table("fleet/hsl_gtfsrt_vehicle_positions.csv.gz") else { return };
    let rows = samples(&data, &["lat_deg", "lon_deg", "speed_mps", "odometer_m"]);
    let checks = json!([{"op": "validate", "checks": [{"signals": "speed_mps", "min": 0, "max": 60}, {"signals": "odometer_m", "min": 0, "max": 1e9}]}]);
    let ran = run(&checks, "10m", &rows);
    let bad = |name: &str| ran.cells(name).iter().filter(|(_, quality)| *quality == Quality::Bad).count();
    assert_eq!((ran.rows.len(), bad("speed_mps"), bad("odometer_m")), (rows.len(), 1, 3));
}

/// Batches that arrive newest first, with repetitions: in order and once, whatever the order of arrival.
#[test]
fn gr_cup_raw_rows_come_out_in_order_and_once_however_they_arrive() {
    let Some(data) = table("race/grcup_barber_raw_long_dirty.csv.gz") else { return };
    let [time, vehicle, name, value] = ["timestamp", "vehicle_id", "telemetry_name", "telemetry_value"].map(|c| data.column(c));
    // 2025-09-05T00:28:20.593Z: minutes and seconds count; the recording does not cross an hour's end twice.
    let clock = |text: &str| {
        let part = |from: usize, to: usize| number(&text[from..to]).unwrap();
        part(8, 10) * 86_400.0 + part(11, 13) * 3_600.0 + part(14, 16) * 60.0 + number(text[17..].trim_end_matches('Z')).unwrap()
    };
    let row = |r: &Vec<String>| Some(sample(&r[vehicle], clock(&r[time]), vec![(r[name].as_str(), number(&r[value])?)]));
    let mut rows: Vec<Sample> = data.rows.iter().filter_map(row).collect();
    let backward = rows.windows(2).filter(|w| w[1].source_time < w[0].source_time).count();
    assert!(backward > 1_000, "{backward}");
    let steps = json!([{"op": "deduplicate"}]);
    let ran = run(&steps, "12h", &rows);
    let stats = ran.pipeline.stats();
    let dropped: u64 = stats.iter().map(|s| s.dropped).sum();
    let late: u64 = stats.iter().map(|s| s.late).sum();
    println!("{} rows, {backward} backward steps, {dropped} said twice, {late} late", rows.len());
    assert_eq!((ran.rows.len() as u64 + dropped, late), (rows.len() as u64, 0));
    assert!((74..=188).contains(&dropped), "{dropped}");
    assert!(ran.rows.windows(2).all(|w| w[0].time <= w[1].time));
    rows.reverse();
    assert_eq!(run(&steps, "12h", &rows).numbers("aps"), ran.numbers("aps"), "however they arrive");
}
