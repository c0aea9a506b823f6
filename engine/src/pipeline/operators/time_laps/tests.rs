use serde_json::json;

use crate::pipeline::{
    Pipeline,
    testing::{Told, mistakes, pipeline, results, run, sample},
};

/// 50 m/s along a lap of 1 000 m told every 0.2 s, 0.03 s after each mark.
fn drive() -> Vec<(f64, [(&'static str, f64); 2])> {
    (0..230)
        .map(|i| {
            let t = f64::from(i) * 0.2;
            (t, [("lap_dist_m", (50.0 * (t + 0.03)) % 1_000.0), ("speed_mps", 50.0)])
        })
        .collect()
}

fn told(steps: &serde_json::Value) -> Vec<String> {
    let mut p = pipeline("0s", steps.clone());
    for (time, signals) in drive() {
        p.feed(&sample("v", time, &signals));
    }
    p.finish();
    results(&mut p)
}

#[test]
fn laps_and_sectors_by_distance_leave_as_rows() {
    let told = told(&json!([{"op": "time_laps", "sectors_m": [300, 700], "length_m": 1000, "min_lap": "10s"}]));
    let laps: Vec<_> = told.iter().filter(|t| t.contains("'lap'")).collect();
    assert_eq!(laps.len(), 1, "{told:?}");
    assert_eq!(laps[0], "v 40 event='lap' from_s=19.97 interval_s=0.2 lap=1 lap_time_s=20 s1_s=6 s2_s=8 s3_s=6 to_s=39.97");
    assert_eq!(told.iter().filter(|t| t.contains("'sector'")).count(), 3, "{told:?}");
}

#[test]
fn it_goes_on_after_a_restart_as_if_nothing_had_happened() {
    let steps = json!([{"op": "time_laps", "sectors_m": [500], "min_lap": "10s", "mini_sectors": 4, "progress": true}]);
    let whole = told(&steps);
    let mut p = pipeline("0s", steps);
    let document = p.spec().document().clone();
    let mut parts = Vec::new();
    for (i, (time, signals)) in drive().into_iter().enumerate() {
        if i % 70 == 69 {
            p = Pipeline::restore(&document, &p.snapshot().unwrap()).unwrap();
        }
        p.feed(&sample("v", time, &signals));
        parts.extend(results(&mut p));
    }
    p.finish();
    parts.extend(results(&mut p));
    assert_eq!(parts, whole);
    assert!(whole.iter().any(|t| t.contains("delta_s=") && !t.contains("delta_s=null")), "a reference lap was driven");
}

#[test]
fn a_start_line_on_the_earth_is_crossed() {
    let mut p =
        pipeline("0s", json!([{"op": "time_laps", "gates": [{"lat_deg": 10.0, "lon_deg": 20.0, "heading_deg": 90}], "min_lap": "5s"}]));
    let at = |t: f64, lon: f64| ("v", t, [("lat", 10.0), ("lon", lon)]);
    let round = [at(0.0, 19.9999), at(1.0, 20.0001), at(10.0, 20.0005), at(12.0, 19.9995), at(20.0, 19.9999), at(21.0, 20.0001)];
    let samples: Vec<Told<'_>> = round.iter().map(|(v, t, s)| (*v, *t, &s[..])).collect();
    let told = run(&mut p, &samples);
    assert_eq!(told.iter().filter(|t| t.contains("'lap'") && t.contains("lap_time_s=20 ")).count(), 1, "{told:?}");
}

#[test]
fn mistakes_are_located() {
    let told = mistakes(
        json!([{"op": "time_laps", "gates": [{"x_m": 1, "y_m": 2}, {"lat_deg": 99, "lon_deg": 0, "heading_deg": 0}], "reckon": "1h", "laps": 3}]),
    );
    for expected in [
        "steps[0].gates[0].heading_deg: is missing",
        "steps[0].gates[1].lat_deg: is 99",
        "steps[0].reckon: 0 to 10",
        "steps[0].laps: is not known",
    ] {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
}
