use serde_json::json;

use crate::pipeline::testing::{mistakes, pipeline, run};

#[test]
fn units_are_converted_and_renamed() {
    let steps = json!([{"op": "convert", "signals": [
        {"signal": "speed", "from": "km/h", "to": "m/s", "as": "speed_mps"},
        {"signal": "t", "from": "F", "to": "C"},
        {"signal": "p", "from": "psi", "to": "kPa"},
    ]}]);
    let mut p = pipeline("0s", steps);
    let told = run(&mut p, &[("v", 1.0, &[("speed", 36.0), ("speed_mps", 99.0), ("t", 212.0), ("p", 100.0)])]);
    let numbers: Vec<f64> = told[0].split_whitespace().skip(2).map(|w| w.split_once('=').unwrap().1.parse().unwrap()).collect();
    for (got, expected) in numbers.iter().zip([689.475_729_316_8, 10.0, 100.0]) {
        assert!((got - expected).abs() < 1e-9, "{told:?}");
    }
    assert_eq!(numbers.len(), 3, "{told:?}");
}

#[test]
fn unknown_and_unfit_units_are_named() {
    let told = mistakes(json!([{"op": "convert", "signals": [
        {"signal": "a", "from": "km/h", "to": "bar"}, {"signal": "a", "from": "furlong", "to": "m"}, {"from": "m"}]}]));
    for expected in [
        "steps[0].signals[0].to: 'bar' is a unit of pressure, not of speed; m/s, km/h, mph, kn are",
        "steps[0].signals[1].from: 'furlong' is no unit known here",
        "steps[0].signals[2].signal: is missing",
        "steps[0].signals[2].to: is missing",
    ] {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
}
