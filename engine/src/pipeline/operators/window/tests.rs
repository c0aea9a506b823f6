use serde_json::json;

use crate::pipeline::{
    Pipeline,
    testing::{SampleOf, mistakes, pipeline, results, run, sample},
};

mod batch;
mod properties;

type Samples<'a> = [SampleOf<'a>];

#[test]
fn tumbling_windows_tell_each_aggregate() {
    let of = json!({"x": ["count", "sum", "mean", "min", "max", "first", "last", "stddev", "rate", "integral", "time_mean"]});
    let mut p = pipeline("0s", json!([{"op": "window", "kind": "tumbling", "size": "10s", "of": of}]));
    let told = run(&mut p, &[("v", 1.0, &[("x", 2.0)]), ("v", 2.0, &[("x", 4.0)]), ("v", 4.0, &[("x", 6.0)]), ("v", 12.0, &[("x", 6.0)])]);
    assert_eq!(
        told,
        [
            "v 0..9.999999 rows=3 x.count=3 x.first=2 x.integral=13 x.last=6 x.max=6 x.mean=4 x.min=2 x.rate=1.3333333333333333 x.stddev=2 \
             x.sum=12 x.time_mean=4.333333333333333",
            "v 10..19.999999 rows=1 x.count=1 x.first=6 x.integral=48 x.last=6 x.max=6 x.mean=6 x.min=6 x.rate=null x.stddev=null x.sum=6 \
             x.time_mean=6",
        ]
    );
}

#[test]
fn directions_are_averaged_as_directions() {
    let of =
        json!({"heading_deg": ["mean", "stddev", "rate", "time_mean", "first", "last"], "x": ["circular_mean", "circular_stddev", "mean"]});
    let mut p = pipeline("0s", json!([{"op": "window", "kind": "tumbling", "size": "10s", "of": of}]));
    let both = |t: f64, v: &'static [(&'static str, f64)]| ("v", t, v);
    let samples = [
        both(0.5, &[("heading_deg", 350.0), ("x", 350.0)]),
        both(2.5, &[("heading_deg", 10.0), ("x", 10.0)]),
        both(4.5, &[("heading_deg", 12.0), ("x", 12.0)]),
        both(20.0, &[("heading_deg", 12.0)]),
    ];
    let told = run(&mut p, &samples);
    let number = |name: &str| -> f64 { told[0].split(&format!(" {name}=")).nth(1).unwrap().split(' ').next().unwrap().parse().unwrap() };
    assert!((number("heading_deg.mean") - 4.04).abs() < 0.05, "{told:?}");
    assert!((number("heading_deg.stddev") - 9.97).abs() < 0.1, "{told:?}");
    assert!((number("heading_deg.rate") - 5.5).abs() < 1e-9, "{told:?}");
    assert!((number("heading_deg.time_mean") - 5.5).abs() < 0.05, "{told:?}");
    assert!((number("x.circular_mean") - 4.04).abs() < 0.05 && (number("x.mean") - 124.0).abs() < 1e-9, "{told:?}");
    assert!((number("x.circular_stddev") - 9.97).abs() < 0.1, "{told:?}");
}

#[test]
fn longitudes_are_averaged_across_the_date_line_and_as_numbers_elsewhere() {
    let of = json!({"lon_deg": ["mean", "stddev", "rate", "time_mean"]});
    let told = |lons: [f64; 3]| -> Vec<f64> {
        let mut p = pipeline("0s", json!([{"op": "window", "kind": "count", "rows": 3, "of": of.clone()}]));
        let rows: Vec<_> = lons.iter().enumerate().map(|(t, lon)| (t as f64, [("lon_deg", *lon)])).collect();
        let samples: Vec<SampleOf<'_>> = rows.iter().map(|(t, signals)| ("v", *t, &signals[..])).collect();
        let told = run(&mut p, &samples);
        let number = |name: &str| told[0].split(&format!("lon_deg.{name}=")).nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        ["mean", "stddev", "rate", "time_mean"].map(number).to_vec()
    };
    let (across, elsewhere) = (told([179.8, 180.0, -179.8]), told([9.8, 10.0, 10.2]));
    assert!(across[0].abs() > 179.999 && across[3].abs() > 179.999, "{across:?}");
    // The spread of directions is that of all there are, not of a sample of them.
    assert!(
        (across[1] * 1.5_f64.sqrt() - elsewhere[1]).abs() < 1e-6 && (across[2] - elsewhere[2]).abs() < 1e-9,
        "{across:?} {elsewhere:?}"
    );
    assert!((elsewhere[0] - 10.0).abs() < 1e-12 && (elsewhere[1] - 0.2).abs() < 1e-12, "{elsewhere:?}");
}

#[test]
fn opposite_directions_have_no_mean() {
    let mut p = pipeline("0s", json!([{"op": "window", "kind": "count", "rows": 2, "of": {"bearing": "mean"}}]));
    assert_eq!(
        run(&mut p, &[("v", 0.0, &[("bearing", 10.0)]), ("v", 1.0, &[("bearing", 190.0)])]),
        ["v 0..1 bearing.mean=null complete=true duration_s=1 rows=2"]
    );
}

#[test]
fn hopping_windows_overlap() {
    let mut p = pipeline("0s", json!([{"op": "window", "kind": "hopping", "size": "10s", "every": "5s", "of": {"x": "sum"}}]));
    let told = run(&mut p, &[("v", 1.0, &[("x", 1.0)]), ("v", 7.0, &[("x", 2.0)]), ("v", 11.0, &[("x", 4.0)])]);
    assert_eq!(
        told,
        [
            "v -5..4.999999 rows=1 x.sum=1",
            "v 0..9.999999 rows=2 x.sum=3",
            "v 5..14.999999 rows=2 x.sum=6",
            "v 10..19.999999 rows=1 x.sum=4"
        ]
    );
}

#[test]
fn sessions_end_with_a_gap_and_are_joined_by_late_rows() {
    let steps = json!([{"op": "window", "kind": "session", "gap": "5s", "of": {"x": "sum"}}]);
    let samples: &Samples<'_> =
        &[("v", 1.0, &[("x", 1.0)]), ("v", 9.0, &[("x", 2.0)]), ("v", 5.0, &[("x", 4.0)]), ("v", 20.0, &[("x", 8.0)])];
    let mut p = pipeline("6s", steps.clone());
    assert_eq!(run(&mut p, samples), ["v 1..13.999999 duration_s=8 rows=3 x.sum=7", "v 20..24.999999 duration_s=0 rows=1 x.sum=8"]);
}

#[test]
fn a_late_row_that_joins_two_told_sessions_takes_one_back() {
    let document = json!({"name": "test", "time": {"delay": "0s", "every": "1us", "allowed_lateness": "60s"},
        "steps": [{"op": "window", "kind": "session", "gap": "5s", "of": {"x": "sum"}}]});
    let mut p = Pipeline::build(&document).unwrap();
    for (t, x) in [(1.0, 1.0), (9.0, 2.0), (20.0, 4.0), (5.0, 8.0), (21.0, 16.0)] {
        p.feed(&sample("v", t, &[("x", x)]));
    }
    assert_eq!(
        results(&mut p),
        [
            "v 1..5.999999 duration_s=0 rows=1 x.sum=1",
            "v 9..13.999999 duration_s=0 rows=1 x.sum=2",
            "correction v 9 rows=0",
            "correction v 1..13.999999 duration_s=8 rows=3 x.sum=11"
        ]
    );
}

#[test]
fn windows_by_count_lap_and_distance_close_with_the_row_that_ends_them() {
    let rows: &Samples<'_> = &[
        ("v", 1.0, &[("lap", 1.0), ("d", 10.0), ("x", 1.0)]),
        ("v", 3.0, &[("lap", 2.0), ("d", 30.0), ("x", 4.0)]),
        ("v", 2.0, &[("lap", 1.0), ("d", 20.0), ("x", 2.0)]),
        ("v", 4.0, &[("x", 8.0)]),
    ];
    for (window, expected) in [
        (
            json!({"op": "window", "kind": "count", "rows": 3, "of": {"x": "sum"}}),
            ["v 1..3 complete=true duration_s=2 rows=3 x.sum=7", "v 4 complete=false duration_s=0 rows=1 x.sum=8"],
        ),
        (
            json!({"op": "window", "kind": "lap", "of": {"x": "sum"}}),
            ["v 1..2 complete=true duration_s=1 lap=1 rows=2 x.sum=3", "v 3..4 complete=false duration_s=1 lap=2 rows=2 x.sum=12"],
        ),
        (
            json!({"op": "window", "kind": "distance", "metres": 25, "signal": "d", "of": {"x": "sum"}}),
            ["v 1..2 complete=true d=0 duration_s=1 rows=2 x.sum=3", "v 3..4 complete=false d=25 duration_s=1 rows=2 x.sum=12"],
        ),
    ] {
        assert_eq!(run(&mut pipeline("5s", json!([window])), rows), expected);
    }
}

#[test]
fn integrals_of_windows_that_follow_each_other_add_up_to_the_whole() {
    let steps = |size: &str| json!([{"op": "window", "kind": "tumbling", "size": size, "of": {"v": ["integral", "integral(d)"]}}]);
    let samples: Vec<_> = (0..100).map(|i| (f64::from(i) * 0.7, [("v", f64::from(i % 13)), ("d", f64::from(i) * 3.0)])).collect();
    let sums = |size: &str| {
        let mut p = pipeline("0s", steps(size));
        for (t, signals) in &samples {
            p.feed(&sample("v", *t, signals));
        }
        p.finish();
        let ids = ["v.integral", "v.integral_d"].map(|n| p.scope().signals.get(n).unwrap());
        let mut sums = [0.0; 2];
        while let Some(row) = p.next_result() {
            ids.iter().zip(&mut sums).for_each(|(id, sum)| *sum += row.number(*id).unwrap_or(0.0));
        }
        sums
    };
    let (whole, parts) = (sums("1000s"), sums("3s"));
    assert!(whole[0] > 100.0 && whole.iter().zip(parts).all(|(a, b)| (a - b).abs() < 1e-9), "{whole:?} {parts:?}");
}

#[test]
fn gaps_longer_than_max_gap_are_not_integrated() {
    let mut p = pipeline("0s", json!([{"op": "window", "kind": "tumbling", "size": "100s", "max_gap": "5s", "of": {"v": "integral"}}]));
    let told =
        run(&mut p, &[("v", 1.0, &[("v", 10.0)]), ("v", 2.0, &[("v", 10.0)]), ("v", 62.0, &[("v", 10.0)]), ("v", 63.0, &[("v", 10.0)])]);
    assert_eq!(told, ["v 0..99.999999 rows=4 v.integral=20"]);
}

#[test]
fn a_window_tells_early_then_final_then_corrections_and_then_late_rows() {
    let document = json!({"name": "test", "time": {"delay": "1s", "every": "1us", "allowed_lateness": "10s"},
        "steps": [{"op": "window", "kind": "tumbling", "size": "10s", "early": "4s", "of": {"x": ["sum"]}}]});
    let mut p = Pipeline::build(&document).unwrap();
    for (t, x) in [(1.0, 1.0), (3.0, 2.0), (5.0, 4.0), (6.0, 8.0), (9.0, 16.0), (11.0, 32.0), (9.5, 64.0), (21.0, 128.0), (8.0, 1.0)] {
        p.feed(&sample("v", t, &[("x", x)]));
    }
    assert_eq!(
        results(&mut p),
        [
            "early v 0..9.999999 rows=3 x.sum=7",
            "early v 0..9.999999 rows=5 x.sum=31",
            "v 0..9.999999 rows=5 x.sum=31",
            "correction v 0..9.999999 rows=6 x.sum=95",
            "v 10..19.999999 rows=1 x.sum=32",
        ]
    );
    assert_eq!(p.next_late().unwrap().row.time.secs_f64(), 8.0);
    assert_eq!(p.stats()[0].late, 1);
}

#[test]
fn bad_values_are_left_out_and_patterns_take_signals_as_they_appear() {
    let steps = json!([
        {"op": "validate", "checks": [{"signals": "throttle_pct", "max": 100}]},
        {"op": "window", "kind": "tumbling", "size": "10s", "of": {"t*": ["max"], "lap": "last"}}]);
    let mut p = pipeline("0s", steps);
    let told = run(
        &mut p,
        &[("v", 1.0, &[("throttle_pct", 2000.0), ("t", 5.0)]), ("v", 2.0, &[("throttle_pct", 90.0), ("lap", 3.0), ("y", 1.0)])],
    );
    assert_eq!(told, ["v 0..9.999999 lap.last=3 rows=2 t.max=5 throttle_pct.max=90"]);
}

#[test]
fn mistakes_name_their_place() {
    let told = mistakes(json!([
        {"op": "window", "kind": "tumbling", "siez": "10s", "of": {"x": ["meann", "p101", 3]}},
        {"op": "window", "kind": "tumblin"},
        {"op": "window", "kind": "hopping", "size": "10s", "every": "1ms", "of": {"x": []}}]));
    for expected in [
        "steps[0].size: is missing",
        "steps[0].siez: is not known here",
        "steps[0].of.x[0]: 'meann' is no aggregate",
        "did you mean 'mean'?",
        "steps[0].of.x[1]: 'p101' is no aggregate",
        "steps[0].of.x[2]: a text is expected",
        "steps[1].kind: 'tumblin' is not known",
        "steps[1].of: is missing",
        "steps[2].every: would put each row into 10000 windows",
        "steps[2].of.x: must not be empty",
    ] {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
}
