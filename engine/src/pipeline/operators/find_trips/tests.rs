use serde_json::json;

use crate::pipeline::testing::{mistakes, pipeline, results, sample};

/// Stands 300 s, drives 300 s at 10 m/s, stands 300 s, drives on.
fn x(t: f64) -> f64 {
    (t - 300.0).clamp(0.0, 300.0) * 10.0 + (t - 900.0).max(0.0) * 10.0
}

#[test]
fn a_trip_between_two_stops_leaves_as_a_row() {
    let mut p = pipeline("0s", json!([{"op": "find_trips"}]));
    for i in 0..200 {
        let t = f64::from(i) * 5.0;
        p.feed(&sample("bus", t, &[("x_m", x(t)), ("y_m", 0.0)]));
    }
    p.finish();
    let told = results(&mut p);
    let events: Vec<_> = told.iter().map(|t| t.split("event=").nth(1).unwrap().split(' ').next().unwrap()).collect();
    assert_eq!(events, ["'stopped'", "'stop'", "'set_off'", "'trip'", "'stopped'", "'stop'", "'set_off'"], "{told:#?}");
    assert!(told[3].starts_with("bus 775 distance_m=2900 ended='stop' event='trip' from_s=305 "), "{}", told[3]);
}

#[test]
fn mistakes_are_located() {
    let told = mistakes(json!([{"op": "find_trips", "radius_m": 100, "leave_m": 50, "stop_after": "0s"}]));
    assert!(told.contains("steps[0].leave_m: must not be less") && told.contains("steps[0].stop_after: must be longer"), "{told}");
}
