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
    assert_eq!(events, ["'stopped'", "'stop'", "'set_off'", "'trip'", "'stopped'", "'stop'", "'set_off'", "'trip'"], "{told:#?}");
    assert!(told[7].contains("ended='silence'"), "the recording ends on the road: {}", told[7]);
    assert!(told[3].starts_with("bus 775 distance_m=2900 ended='stop' event='trip' from_s=305 "), "{}", told[3]);
}

#[test]
fn mistakes_are_located() {
    let told = mistakes(json!([{"op": "find_trips", "radius_m": 100, "leave_m": 50, "stop_after": "0s"}]));
    assert!(told.contains("steps[0].leave_m: must not be less") && told.contains("steps[0].stop_after: must be longer"), "{told}");
}

/// `a` drives for ten minutes and is never heard again; `b` goes on.
fn silent(p: &mut crate::pipeline::Pipeline, end: bool) -> Vec<String> {
    for i in 0..360 {
        let t = f64::from(i) * 20.0;
        if t < 600.0 {
            p.feed(&sample("a", t, &[("x_m", t * 10.0), ("y_m", 0.0)]));
        }
        p.feed(&sample("b", t, &[("x_m", t * 5.0), ("y_m", 900.0)]));
    }
    if end {
        p.finish();
    }
    results(p)
}

#[test]
fn a_vehicle_that_falls_silent_has_its_trip_told_while_others_go_on() {
    let steps = json!([{"op": "find_trips", "max_gap": "10m"}]);
    let document = json!({"name": "test", "time": {"delay": "0s", "every": "1us", "idle": "60s"}, "steps": steps});
    let told = silent(&mut crate::pipeline::Pipeline::build(&document).unwrap(), false);
    let trips: Vec<_> = told.iter().filter(|t| t.contains("event='trip'")).collect();
    assert_eq!(trips.len(), 1, "{told:#?}");
    assert!(trips[0].starts_with("a 1180 distance_m=5800 ended='silence'"), "{}", trips[0]);
    let told = silent(&mut pipeline("0s", steps), true);
    assert_eq!(told.iter().filter(|t| t.contains("event='trip'")).count(), 2, "the end tells b's: {told:#?}");
}

#[test]
fn a_receiver_that_loses_its_place_near_zero_makes_no_trip() {
    let mut p = pipeline("0s", json!([{"op": "find_trips"}]));
    for i in 0..60 {
        let (lat, lon) = if (20..36).contains(&i) { (0.0001, 0.0002) } else { (60.1, 24.9) };
        p.feed(&sample("bus", f64::from(i) * 30.0, &[("lat_deg", lat), ("lon_deg", lon)]));
    }
    p.finish();
    let told = results(&mut p);
    assert_eq!(told.len(), 2, "stopped, and the stop at the end: {told:#?}");
    assert!(told[1].contains("event='stop' from_s=0 lat_deg=60.1"), "{}", told[1]);
}
