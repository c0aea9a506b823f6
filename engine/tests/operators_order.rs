//! The operators for vehicles and players give the same results in whatever order samples arrive within the delay, and wherever the
//! pipeline is cut, saved and taken up again.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use serde_json::{Value, json};
use slipstream_engine::pipeline::{Pipeline, Row};
use slipstream_protocol::{Quality, Sample, Signal, SignalValue, Timestamp, VehicleId};

/// How far out of order samples may come, s.
const DELAY_S: f64 = 5.0;

fn document(step: &Value) -> Value {
    json!({"name": "order", "time": {"delay": format!("{DELAY_S}s")}, "steps": [step]})
}

fn steps() -> Vec<Value> {
    vec![
        json!({"op": "time_laps", "gates": [{"x_m": 100, "y_m": 0, "heading_deg": 0}, {"x_m": -100, "y_m": 0, "heading_deg": 180}], "min_lap": "10s", "reckon": "1s", "mini_sectors": 5, "progress": true}),
        json!({"op": "time_laps", "sectors_m": [300], "min_lap": "10s"}),
        json!({"op": "measure_motion", "max_speed_mps": 40, "smooth": 5, "over_mps": [10]}),
        json!({"op": "find_trips", "radius_m": 20, "leave_m": 40, "stop_after": "5s", "max_gap": "30s"}),
        json!({"op": "fence", "dwell": "3s", "margin_m": 2, "fences": [{"name": "a", "shape": "circle", "middle": {"x_m": 100, "y_m": 0}, "radius_m": 40}, {"name": "b", "shape": "circle", "middle": {"x_m": 80, "y_m": 50}, "radius_m": 60}]}),
        json!({"op": "alarm", "rule": "r", "when": "heat > 80", "clear": "heat < 60", "value": "heat", "raise_after": "1s", "clear_after": "2s", "repeat_within": "10s", "escalate": [{"after": "3s", "severity": "critical"}]}),
        json!({"op": "detect", "method": "zscore", "signals": ["heat"], "window": 20, "warm": 5}),
        json!({"op": "detect", "method": "model", "signals": ["heat", "speed_mps"], "rows": 60, "components": 1}),
    ]
}

/// Two vehicles around a circle of 100 m, with a rest, and a signal that goes up and down.
fn samples(count: usize, noise: &[f64]) -> Vec<Sample> {
    let mut all = Vec::new();
    for i in 0..count {
        for (v, vehicle) in ["a", "b"].iter().enumerate() {
            let t = i as f64 * 0.4 + v as f64 * 0.1;
            let driven = 22.0 * if t < 40.0 { t } else { (t - 12.0).max(40.0) };
            let angle = driven / 100.0;
            let wild = noise[(i * 2 + v) % noise.len()];
            let values = [
                ("x_m", 100.0 * angle.cos() + wild * 0.02),
                ("y_m", 100.0 * angle.sin() - wild * 0.02),
                ("speed_mps", if (40.0..52.0).contains(&t) { 0.0 } else { 22.0 }),
                ("lap_dist_m", driven % 628.3),
                ("heat", 70.0 + 25.0 * (t / 4.0).sin() + wild * 0.2),
            ];
            let time = Timestamp::from_secs_f64(1_000.0 + t);
            let signals = values.into_iter().map(|(name, value)| Signal { name: name.into(), value: SignalValue::Number(value) }).collect();
            let vehicle = VehicleId::new(vehicle).unwrap();
            all.push(Sample {
                vehicle,
                session: None,
                fleet: None,
                seq: None,
                source_time: time,
                received_at: time,
                quality: Quality::Good,
                signals,
                raw: None,
            });
        }
    }
    all
}

/// Results by content: names instead of numbers.
fn told(pipeline: &mut Pipeline, out: &mut Vec<String>) {
    while let Some(row) = pipeline.next_result() {
        out.push(words(pipeline, &row));
    }
}

fn words(pipeline: &Pipeline, row: &Row) -> String {
    let scope = pipeline.scope();
    let mut cells: Vec<String> = row.cells.iter().map(|c| format!("{}={:?}", scope.signals.name(c.signal), c.value)).collect();
    cells.sort();
    format!("{} {} {}", scope.keys.name(row.key), row.time, cells.join(" "))
}

fn run(step: &Value, samples: &[Sample], cuts: &[usize]) -> Vec<String> {
    let document = document(step);
    let (mut pipeline, mut out) = (Pipeline::build(&document).unwrap_or_else(|m| panic!("{m}")), Vec::new());
    for (i, sample) in samples.iter().enumerate() {
        if cuts.contains(&i) {
            told(&mut pipeline, &mut out);
            pipeline = Pipeline::restore(&document, &pipeline.snapshot().unwrap()).unwrap();
        }
        pipeline.feed(sample);
    }
    pipeline.finish();
    assert_eq!(pipeline.stats().iter().map(|s| s.late).sum::<u64>(), 0);
    told(&mut pipeline, &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_order_within_the_delay_and_any_restart_give_the_same_results(
        noise in prop::collection::vec(-25.0..25.0_f64, 40), late in prop::collection::vec(0.0..DELAY_S - 0.01, 300), cuts in prop::collection::vec(0..300_usize, 0..4)
    ) {
        let inorder = samples(150, &noise);
        let mut arrived: Vec<(f64, Sample)> = inorder.iter().zip(&late).map(|(s, late)| (s.source_time.secs_f64() + late, s.clone())).collect();
        arrived.sort_by(|a, b| a.0.total_cmp(&b.0));
        let arrived: Vec<Sample> = arrived.into_iter().map(|(_, s)| s).collect();
        for step in steps() {
            let expected = run(&step, &inorder, &[]);
            prop_assert!(!expected.is_empty(), "{} tells something", step["op"]);
            prop_assert_eq!(&run(&step, &arrived, &cuts), &expected, "{}", step);
        }
    }
}
