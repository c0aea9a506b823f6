//! Clocks that are wrong: they harm nobody else.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use slipstream_protocol::{Sample, Timestamp};

use crate::pipeline::{
    Pipeline, Surroundings,
    state::save,
    testing::{results, sample},
    watermark::WatermarkConfig,
};

/// A live sample: measured at `time_s` by its source, arrived at `arrival_s`.
fn live(vehicle: &str, time_s: f64, arrival_s: f64, signals: &[(&str, f64)]) -> Sample {
    Sample { received_at: Timestamp::from_secs_f64(arrival_s), ..sample(vehicle, time_s, signals) }
}

fn windows() -> Value {
    json!({"name": "speed", "steps": [{"op": "window", "kind": "tumbling", "size": "10s", "of": {"speed_mps": ["mean", "count"]}}]})
}

/// Two buses each second for two minutes.
fn good() -> Vec<Sample> {
    let at = |t: u32| 1_000.0 + f64::from(t);
    (0..120).flat_map(|t| ["bus-1", "bus-2"].map(|bus| live(bus, at(t), at(t) + 0.2, &[("speed_mps", f64::from(t))]))).collect()
}

/// Results of all but `bus-3`, and the pipeline.
fn told(document: &Value, samples: &[Sample]) -> (Vec<String>, Pipeline) {
    let mut pipeline = Pipeline::build(document).unwrap();
    for sample in samples {
        pipeline.feed(sample);
    }
    let mut told = results(&mut pipeline);
    told.retain(|result| !result.starts_with("bus-3"));
    // A third source moves the moments at which windows close, not what is in them.
    told.sort();
    (told, pipeline)
}

fn with_bus_3(lead_s: impl Fn(usize) -> Option<f64>) -> Vec<Sample> {
    let mut all = Vec::new();
    for (i, sample) in good().into_iter().enumerate() {
        let arrival = sample.received_at.secs_f64();
        all.push(sample);
        all.extend(lead_s(i).map(|lead| live("bus-3", arrival + lead, arrival, &[("speed_mps", 5.0)])));
    }
    all
}

#[test]
fn one_clock_ahead_costs_the_others_no_row_however_far_and_however_often() {
    let (expected, alone) = told(&windows(), &good());
    assert!(expected.len() >= 20, "{expected:?}");
    assert_eq!(alone.ahead(), 0);
    for lead in [1.0, 45.0, 59.0, 61.0, 600.0, 72_000.0] {
        let (got, mut once) = told(&windows(), &with_bus_3(|i| (i == 20).then_some(lead)));
        assert_eq!(got, expected, "once by {lead} s");
        assert!(once.next_late().is_none_or(|late| late.ahead), "{lead} s");
        let (got, always) = told(&windows(), &with_bus_3(|i| (i % 2 == 0).then_some(lead)));
        assert_eq!(got, expected, "always by {lead} s");
        let is_ahead = lead > 60.0;
        assert_eq!((always.ahead(), always.clocks_ahead().count()), if is_ahead { (120, 1) } else { (0, 0) });
        if is_ahead {
            let source = always.clocks_ahead().next().unwrap();
            assert_eq!((source.vehicle.as_str(), source.rows, source.lead), ("bus-3", 120, Duration::from_secs_f64(lead)));
        }
    }
}

#[test]
fn a_slow_clock_is_not_idle_and_loses_no_row() {
    for slow in [1.0, 45.0, 300.0] {
        let slow_bus = with_bus_3(|i| (i % 2 == 0).then_some(-slow));
        // Its first row comes before the others'.
        let first = live("bus-3", 1_000.0 - slow, 1_000.0, &[("speed_mps", 5.0)]);
        let (_, mut pipeline) = told(&windows(), &[vec![first], slow_bus].concat());
        assert_eq!((pipeline.next_late(), pipeline.sources()), (None, (3, 0)), "slow by {slow} s");
    }
}

#[test]
fn a_clock_ahead_neither_raises_nor_escalates_anybodys_alarm() {
    let document = json!({"name": "hot-engines", "steps": [{"op": "alarm", "name": "hot", "rule": "engine hot", "when": "coolant_c > 110",
        "clear": "coolant_c < 104", "value": "coolant_c", "severity": "warning", "raise_after": "10s", "clear_after": "30s",
        "escalate": [{"after": "5m", "severity": "critical"}]}]});
    let mut pipeline = Pipeline::build(&document).unwrap();
    let at = |vehicle: &str, time_s: f64, arrival_s: f64, coolant: f64| live(vehicle, time_s, arrival_s, &[("coolant_c", coolant)]);
    let samples = [
        at("bus-1", 1_000.0, 1_000.0, 100.0),
        at("bus-1", 1_001.0, 1_001.0, 111.0),
        at("bus-3", 73_000.0, 1_001.5, 120.0),
        at("bus-1", 73_001.0, 1_001.7, 120.0),
        at("bus-1", 1_002.0, 1_002.0, 100.0),
        at("bus-1", 1_003.0, 1_003.0, 100.0),
        at("bus-1", 1_040.0, 1_040.0, 100.0),
    ];
    for sample in &samples {
        pipeline.feed(sample);
    }
    pipeline.silence(Timestamp::from_secs_f64(1_100.0));
    assert_eq!((results(&mut pipeline), pipeline.take_alarms()), (Vec::<String>::new(), Vec::new()));
    assert_eq!(pipeline.ahead(), 2);
}

#[test]
fn the_skew_is_the_surroundings_and_changing_it_keeps_the_state() {
    let around = Surroundings { clock_skew: Duration::from_secs(5), ..Surroundings::default() };
    let mut pipeline = Pipeline::build_with(&windows(), &around).unwrap();
    let row = |lead: f64| live("bus-1", 1_000.0 + lead, 1_000.0, &[("speed_mps", 1.0)]);
    pipeline.feed(&row(4.0));
    pipeline.feed(&row(6.0));
    assert_eq!((pipeline.rows_in(), pipeline.ahead()), (2, 1));
    let mut again = Pipeline::restore(&windows(), &pipeline.snapshot().unwrap()).unwrap();
    again.feed(&row(6.0));
    again.finish();
    assert_eq!(results(&mut again), ["bus-1 1000..1009.999999 rows=2 speed_mps.count=2 speed_mps.mean=1"]);
}

#[test]
fn a_state_saved_when_idleness_was_told_by_event_time_is_read() {
    /// As version 1 wrote it.
    #[derive(serde::Serialize)]
    struct Old {
        config: WatermarkConfig,
        newest: Vec<i64>,
        newest_of_all: i64,
        looked_at: i64,
        watermark: i64,
        next: i64,
        behind: Vec<bool>,
        behind_count: usize,
    }
    let second = |s: i64| s * 1_000_000;
    let mut pipeline = Pipeline::build(&json!({"name": "all"})).unwrap();
    pipeline.feed(&sample("a", 1_000.0, &[("x", 1.0)]));
    let scope = pipeline.scope();
    let watermarks = Old {
        config: WatermarkConfig::default(),
        newest: vec![second(1_000)],
        newest_of_all: second(1_000),
        looked_at: second(1_000),
        watermark: second(998),
        next: second(1_000),
        behind: vec![false],
        behind_count: 0,
    };
    let mut bytes = Vec::new();
    save(&(1_u16, &scope.signals, &scope.keys, watermarks, Vec::<u8>::new()), &mut bytes).unwrap();
    let mut again = Pipeline::restore(&json!({"name": "all"}), &bytes).unwrap();
    assert_eq!((again.watermark(), again.sources()), (Timestamp::from_secs_f64(998.0), (1, 0)));
    again.feed(&sample("a", 1_010.0, &[("x", 1.0)]));
    assert_eq!(again.watermark(), Timestamp::from_secs_f64(1_008.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What the journal recorded decides: wherever the process was cut off and went on, the same rows count, late or ahead.
    #[test]
    fn a_replay_of_the_journal_agrees_with_the_first_run(
        rows in prop::collection::vec((0_usize..3, -200_i32..200, 0_u32..3), 1..200),
        cuts in prop::collection::vec(0_usize..200, 0..4),
    ) {
        let mut arrival = 1_000.0;
        let samples: Vec<Sample> = rows.iter().map(|(bus, lead, step)| {
            arrival += f64::from(*step);
            live(["bus-1", "bus-2", "bus-3"][*bus], arrival + f64::from(*lead), arrival, &[("speed_mps", 1.0)])
        }).collect();
        let run = |cuts: &[usize]| {
            let mut pipeline = Pipeline::build(&windows()).unwrap();
            let mut told = Vec::new();
            for (i, sample) in samples.iter().enumerate() {
                if cuts.contains(&i) {
                    told.extend(results(&mut pipeline));
                    while pipeline.next_late().is_some() {}
                    pipeline = Pipeline::restore(&windows(), &pipeline.snapshot().unwrap()).unwrap();
                }
                pipeline.feed(sample);
            }
            let watermark = pipeline.watermark();
            pipeline.finish();
            told.extend(results(&mut pipeline));
            (told, watermark)
        };
        prop_assert_eq!(run(&cuts), run(&[]));
    }
}
