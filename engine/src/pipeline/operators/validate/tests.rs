use serde_json::json;

use crate::pipeline::testing::{mistakes, pipeline, results, run, sample};

#[test]
fn values_out_of_range_are_marked_and_sentinels_become_null() {
    let steps = json!([{"op": "validate", "checks": [
        {"signals": "throttle_pct", "min": 0, "max": 100},
        {"signals": ["lat_deg", "lon_deg"], "sentinel": 0, "together": true},
        {"signals": "speed", "sentinel": [8191, 8190], "max": 300, "mark": "null"},
    ]}]);
    let mut p = pipeline("0s", steps);
    let told = run(
        &mut p,
        &[
            ("v", 1.0, &[("throttle_pct", 2000.0), ("lat_deg", 0.0), ("lon_deg", 0.0), ("speed", 8191.0)]),
            ("v", 2.0, &[("throttle_pct", 100.0), ("lat_deg", 0.0), ("lon_deg", 9.0), ("speed", 301.0)]),
        ],
    );
    assert_eq!(
        told,
        ["v 1 lat_deg=null lon_deg=null speed=null throttle_pct=2000!", "v 2 lat_deg=0 lon_deg=9 speed=null throttle_pct=100"]
    );
}

#[test]
fn one_spike_costs_one_sample_and_a_new_level_is_believed_when_time_allows() {
    let mut p = pipeline("0s", json!([{"op": "validate", "checks": [{"signals": "x", "max_rate": 10}]}]));
    let told = run(
        &mut p,
        &[
            ("v", 1.0, &[("x", 0.0)]),
            ("v", 2.0, &[("x", 50.0)]),
            ("v", 3.0, &[("x", 2.0)]),
            ("v", 4.0, &[("x", 42.0)]),
            ("v", 7.0, &[("x", 42.0)]),
        ],
    );
    assert_eq!(told, ["v 1 x=0", "v 2 x=50!", "v 3 x=2", "v 4 x=42!", "v 7 x=42"]);
}

#[test]
fn a_stuck_value_is_uncertain_and_memory_survives_a_restart() {
    let steps = json!([{"op": "validate", "checks": [{"signals": "x", "stuck_after": "2s"}]}]);
    let mut p = pipeline("0s", steps);
    p.feed(&sample("v", 1.0, &[("x", 5.0)]));
    p.feed(&sample("v", 2.0, &[("x", 5.0)]));
    let document = p.spec().document().clone();
    let mut told = results(&mut p);
    let mut p = crate::pipeline::Pipeline::restore(&document, &p.snapshot().unwrap()).unwrap();
    told.extend(run(&mut p, &[("v", 3.0, &[("x", 5.0)]), ("v", 4.0, &[("x", 6.0)]), ("w", 4.0, &[("x", 6.0)])]));
    assert_eq!(told, ["v 1 x=5", "v 2 x=5", "v 3 x=5?", "v 4 x=6", "w 4 x=6"]);
}

#[test]
fn a_check_of_nothing_is_a_mistake() {
    let told = mistakes(json!([{"op": "validate", "checks": [{"signals": "x"}, {"signals": "x", "min": 2, "max": 1}]}]));
    assert!(told.contains("steps[0].checks[0]: checks nothing") && told.contains("steps[0].checks[1].min: is 2, above max, 1"), "{told}");
}
