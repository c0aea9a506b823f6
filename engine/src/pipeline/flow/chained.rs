//! Pipelines that read other pipelines' results.

use proptest::prelude::*;
use serde_json::{Value, json};
use slipstream_protocol::{Sample, SessionId};

use crate::pipeline::{
    Pipeline, Surroundings,
    testing::{results, sample},
};

fn tens() -> Value {
    json!({"name": "tens", "time": {"delay": "1s", "every": "10ms", "idle": "1h", "allowed_lateness": "30s"},
        "steps": [{"op": "window", "kind": "tumbling", "size": "10s", "of": {"x": ["count", "sum"]}}]})
}

fn minutes() -> Value {
    json!({"name": "minutes", "source": {"pipeline": "tens"},
        "steps": [{"op": "window", "kind": "tumbling", "size": "1m", "of": {"x.count": "sum", "x.sum": "sum"}}]})
}

fn around(documents: &[Value]) -> Surroundings {
    Surroundings::with_pipelines(documents.iter().map(|d| (d["name"].as_str().unwrap().to_owned(), d.clone())))
}

fn run(samples: &[Sample], cuts: &[usize]) -> Vec<String> {
    let around = around(&[tens()]);
    let mut pipeline = Pipeline::build_with(&minutes(), &around).unwrap();
    let mut told = Vec::new();
    for (i, sample) in samples.iter().enumerate() {
        if cuts.contains(&i) {
            told.extend(results(&mut pipeline));
            pipeline = Pipeline::restore_with(&minutes(), &around, &pipeline.snapshot().unwrap()).unwrap();
        }
        pipeline.feed(sample);
    }
    pipeline.finish();
    told.extend(results(&mut pipeline));
    assert_eq!(pipeline.missed_corrections(), 0);
    told
}

#[test]
fn results_are_taken_in_once_as_they_were_corrected_last() {
    let mut samples: Vec<Sample> = (0..180).map(|i| sample("v", f64::from(i), &[("x", 1.0)])).collect();
    // Twenty seconds late, behind a window that was told: it is corrected, not counted beside.
    samples.insert(100, sample("v", 75.5, &[("x", 100.0)]));
    let told = run(&samples, &[]);
    let expected: Vec<String> = [(0, 60.0, 60.0), (1, 61.0, 160.0), (2, 60.0, 60.0)]
        .iter()
        .map(|(i, count, sum)| format!("v {}..{} rows=6 x.count.sum={count} x.sum.sum={sum}", i * 60, f64::from(i * 60 + 60) - 0.000_001))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn the_watermark_is_the_other_pipelines_behind_its_steps() {
    let around = around(&[json!({"name": "steady", "time": {"delay": "0s", "every": "1us", "idle": "1h"},
        "steps": [{"op": "resample", "every": "1s", "method": "linear", "max_gap": "1m"}]})]);
    let document = json!({"name": "own", "source": {"pipeline": "steady", "vehicles": ["v"], "signals": ["x"]},
        "steps": [{"op": "window", "kind": "tumbling", "size": "10s", "of": {"x": "mean"}}]});
    let mut pipeline = Pipeline::build_with(&document, &around).unwrap();
    pipeline.feed(&sample("v", 8.0, &[("x", 8.0)]));
    pipeline.feed(&sample("w", 8.0, &[("x", 8.0)]));
    pipeline.feed(&sample("w", 21.0, &[("x", 21.0)]));
    assert!(results(&mut pipeline).is_empty(), "what is between 8 and the next sample of v is not known yet");
    pipeline.feed(&sample("v", 12.0, &[("x", 12.0)]));
    for (vehicle, t) in [("v", 21.0), ("v", 25.0), ("w", 25.0)] {
        pipeline.feed(&sample(vehicle, t, &[("x", t)]));
    }
    assert_eq!(results(&mut pipeline), ["v 0..9.999999 rows=2 x.mean=8.5", "v 10..19.999999 rows=10 x.mean=14.5"]);
}

#[test]
fn circles_and_unknown_names_are_mistakes() {
    let told = |document: &Value, others: &[Value]| Pipeline::build_with(document, &around(others)).unwrap_err().to_string();
    let reads = |name: &str, other: &str| json!({"name": name, "source": {"pipeline": other}});
    assert!(told(&reads("a", "a"), &[]).contains("source.pipeline: a circle: 'a' reads 'a'"));
    let circle = told(&reads("a", "b"), &[reads("b", "c"), reads("c", "a")]);
    assert!(circle.contains("a circle: 'a' reads 'b' reads 'c' reads 'a'"), "{circle}");
    let unknown = told(&reads("a", "tenz"), &[tens()]);
    assert!(unknown.contains("source.pipeline: 'tenz' is no pipeline; there are tens; did you mean 'tens'?"), "{unknown}");
    let broken = told(&reads("a", "b"), &[json!({"name": "b", "steps": [{"op": "selekt"}]})]);
    assert!(broken.contains("source.pipeline: in 'b', steps[0].op: 'selekt' is no operator"), "{broken}");
    let keyed = told(&json!({"name": "a", "source": {"pipeline": "tens", "key": "session"}}), &[tens()]);
    assert!(keyed.contains("source.key: results of a pipeline have the keys of that pipeline"), "{keyed}");
}

#[test]
fn a_join_may_read_another_pipeline() {
    let document = json!({"name": "own", "time": {"delay": "1s", "every": "10ms"}, "source": {"vehicles": ["v"]},
        "steps": [{"op": "join", "mode": "as_of", "within": "1m", "prefix": "ten.", "with": {"source": {"pipeline": "tens"}}}]});
    let mut pipeline = Pipeline::build_with(&document, &around(&[tens()])).unwrap();
    for t in [1.0, 2.0, 11.0, 12.0] {
        pipeline.feed(&sample("v", t, &[("x", t)]));
    }
    pipeline.finish();
    let told = results(&mut pipeline);
    assert_eq!(told[2], "v 11 ten.rows=2 ten.x.count=2 ten.x.sum=3 x=11", "{told:?}");
}

#[test]
fn a_result_carries_the_session_its_samples_told() {
    let mut document = minutes();
    document["outputs"] = json!({"series": true});
    let mut pipeline = Pipeline::build_with(&document, &around(&[tens()])).unwrap();
    for i in 0..180 {
        let session = if i < 70 { "practice" } else { "race" };
        pipeline.feed(&Sample { session: SessionId::new(session).ok(), ..sample("v", f64::from(i), &[("x", 1.0)]) });
    }
    pipeline.finish();
    let mut sessions = Vec::new();
    while let Some(row) = pipeline.next_result() {
        sessions.extend(pipeline.tags(&row).and_then(|tags| tags.session.as_ref().map(ToString::to_string)));
    }
    assert_eq!(sessions, ["practice", "race", "race"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order within the bounds, wherever it was cut off and went on.
    #[test]
    fn chained_windows_add_up_whatever_the_order_and_the_cuts(
        late in prop::collection::vec(0_u32..25, 200),
        cuts in prop::collection::vec(0_usize..200, 0..4),
    ) {
        let mut order: Vec<(f64, usize)> = (0..200).map(|i| (f64::from(i as u32) + f64::from(late[i]), i)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let samples: Vec<Sample> = order.iter().map(|(_, i)| sample("v", *i as f64, &[("x", *i as f64)])).collect();
        let mut in_order = samples.clone();
        in_order.sort_by_key(|s| s.source_time);
        prop_assert_eq!(run(&samples, &cuts), run(&in_order, &[]));
    }
}
