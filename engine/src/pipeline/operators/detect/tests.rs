use serde_json::json;

use crate::pipeline::{
    Pipeline,
    testing::{mistakes, pipeline, results, sample},
};

#[test]
fn a_spike_is_marked_and_named() {
    let mut p = pipeline("0s", json!([{"op": "detect", "method": "zscore", "signals": ["a", "b"], "window": 30, "warm": 10}]));
    for i in 0..40 {
        let noise = f64::from(i * 37 % 11) / 10.0;
        p.feed(&sample("v", f64::from(i), &[("a", 50.0 + noise), ("b", if i == 33 { 90.0 } else { 10.0 - noise })]));
    }
    p.finish();
    let told = results(&mut p);
    assert!(told[9].contains("anomaly=null") && told[10].contains("anomaly=false"), "{} {}", told[9], told[10]);
    let marked: Vec<_> = told.iter().filter(|t| t.contains("anomaly=true")).collect();
    assert!(marked.len() == 1 && marked[0].starts_with("v 33 ") && marked[0].contains("anomaly_signal='b'"), "{marked:?}");
}

#[test]
fn a_model_is_learnt_per_class_kept_over_a_restart_and_forgotten_on_request() {
    let steps = json!([{"op": "detect", "name": "usual", "method": "model", "signals": ["speed", "rpm"], "rows": 60, "components": 1}]);
    let mut p = pipeline("0s", steps);
    let feed = |p: &mut Pipeline, i: i32, slip: f64| {
        let speed = f64::from(i * 7_919 % 50);
        p.feed(&sample("v", f64::from(i), &[("speed", speed), ("rpm", speed * 60.0 + f64::from(i % 9) + slip)]));
    };
    // A row waits for the watermark to pass it, so the 60th is judged when the 61st has come.
    (0..61).for_each(|i| feed(&mut p, i, 0.0));
    let document = p.spec().document().clone();
    let mut told = results(&mut p);
    let mut p = Pipeline::restore(&document, &p.snapshot().unwrap()).unwrap();
    assert_eq!(p.command("usual", &json!({"command": "models"})).unwrap(), json!([{"class": "all", "trained_on": 60}]));
    feed(&mut p, 61, 0.0);
    feed(&mut p, 62, 900.0);
    feed(&mut p, 63, 900.0);
    p.command("usual", &json!({"command": "forget"})).unwrap();
    p.finish();
    told.extend(results(&mut p));
    let marks: Vec<_> = told[59..].iter().map(|t| t.split("anomaly=").nth(1).unwrap().split(' ').next().unwrap()).collect();
    assert_eq!(marks, ["null", "false", "false", "true", "null"], "{told:#?}");
}

#[test]
fn mistakes_are_located() {
    let told = mistakes(json!([{"op": "detect", "method": "model", "signals": ["a"], "window": 5}]));
    assert!(told.contains("steps[0].signals: a model compares") && told.contains("steps[0].window: is not known"), "{told}");
}
