use serde_json::json;

use crate::pipeline::testing::{Told, mistakes, pipeline, run};

#[test]
fn distance_adds_up_and_a_jump_does_not() {
    let mut p = pipeline("0s", json!([{"op": "measure_motion", "max_speed_mps": 12, "over_mps": [4], "every": "1s"}]));
    let xs: Vec<[(&str, f64); 2]> =
        (0..11).map(|i| [("x_m", 2.5 * f64::from(i) + if i == 5 { 40.0 } else { 0.0 }), ("y_m", 0.0)]).collect();
    let samples: Vec<Told<'_>> = xs.iter().enumerate().map(|(i, s)| ("p", i as f64 * 0.5, &s[..])).collect();
    let told = run(&mut p, &samples);
    assert_eq!(told.len(), 6);
    let expected =
        "p 5 distance_m=25 gaps=0 jumps=0 max_speed_mps=5 moving_s=5 outliers=1 over_4_count=1 over_4_m=25 over_4_s=5 speed_mps=5";
    assert_eq!(told.last().unwrap(), expected);
}

#[test]
fn the_end_of_a_recording_tells_what_waits_in_the_smoothing_window_and_between_rows() {
    let xs: Vec<[(&str, f64); 2]> = (0..20).map(|i| [("x_m", 2.5 * f64::from(i)), ("y_m", 0.0)]).collect();
    let samples: Vec<Told<'_>> = xs.iter().enumerate().map(|(i, s)| ("p", i as f64 * 0.5, &s[..])).collect();
    for step in [
        json!({"op": "measure_motion", "max_speed_mps": 12, "smooth": 9}),
        json!({"op": "measure_motion", "max_speed_mps": 12, "every": "60s"}),
    ] {
        let told = run(&mut pipeline("0s", json!([step])), &samples);
        let last = told.last().unwrap();
        let distance: f64 = last.split("distance_m=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(last.starts_with("p 9.5 ") && (distance - 47.5).abs() < 1e-6, "{last}");
    }
}

#[test]
fn mistakes_are_located() {
    let told = mistakes(json!([{"op": "measure_motion", "smooth": 4, "from": "sped"}]));
    for expected in ["steps[0].max_speed_mps: is missing", "steps[0].smooth: an odd number", "steps[0].from: 'sped' is not known"] {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
}
