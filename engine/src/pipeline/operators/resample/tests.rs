use proptest::prelude::*;
use serde_json::{Value, json};

use crate::pipeline::{
    Pipeline,
    testing::{SampleOf, pipeline, results, run, sample},
};

const ROWS: [SampleOf<'static>; 5] = [
    ("v", 0.5, &[("x", 5.0), ("y", 1.0)]),
    ("v", 1.7, &[("x", 17.0)]),
    ("w", 2.0, &[("x", 1.0)]),
    ("v", 3.0, &[("x", 30.0), ("y", 2.0)]),
    ("v", 9.0, &[("x", 90.0)]),
];

#[test]
fn linear_draws_lines_between_samples_that_are_near_enough() {
    let mut p = pipeline("0s", json!([{"op": "resample", "every": "1s", "max_gap": "2s"}]));
    assert_eq!(run(&mut p, &ROWS), ["v 1 x=10", "v 2 x=20", "w 2 x=1", "v 3 x=30 y=2", "v 9 x=90"]);
    let mut p = pipeline("0s", json!([{"op": "resample", "every": "1s", "max_gap": "2500ms"}]));
    assert_eq!(run(&mut p, &ROWS)[..2], ["v 1 x=10 y=1.2", "v 2 x=20 y=1.6"]);
}

#[test]
fn directions_go_the_shorter_way_round() {
    let rows: [SampleOf<'static>; 3] =
        [("v", 0.5, &[("heading_deg", 350.0)]), ("v", 2.5, &[("heading_deg", 10.0)]), ("v", 4.5, &[("heading_deg", 12.0)])];
    let mut p = pipeline("0s", json!([{"op": "resample", "every": "1s"}]));
    assert_eq!(run(&mut p, &rows), ["v 1 heading_deg=355", "v 2 heading_deg=5", "v 3 heading_deg=10.5", "v 4 heading_deg=11.5"]);
    let rows: [SampleOf<'static>; 2] = [("v", 0.5, &[("yaw_deg", -175.0)]), ("v", 2.5, &[("yaw_deg", 175.0)])];
    let mut p = pipeline("0s", json!([{"op": "resample", "every": "1s"}]));
    assert_eq!(run(&mut p, &rows), ["v 1 yaw_deg=-177.5", "v 2 yaw_deg=177.5"]);
    let rows: [SampleOf<'static>; 2] = [("v", 0.5, &[("lon_deg", 179.5)]), ("v", 2.5, &[("lon_deg", -179.5)])];
    let mut p = pipeline("0s", json!([{"op": "resample", "every": "1s"}]));
    assert_eq!(run(&mut p, &rows), ["v 1 lon_deg=179.75", "v 2 lon_deg=-179.75"], "longitudes across the date line");
}

#[test]
fn previous_holds_the_last_value() {
    let mut p = pipeline("0s", json!([{"op": "resample", "every": "1s", "method": "previous", "max_gap": "1500ms"}]));
    assert_eq!(
        run(&mut p, &ROWS),
        ["v 1 x=5 y=1", "v 2 x=17 y=1", "w 2 x=1", "v 3 x=30 y=2", "w 3 x=1", "v 4 x=30 y=2", "v 9 x=90", "v 10 x=90"]
    );
}

#[test]
fn what_is_interpolated_late_is_not_late_for_the_step_behind() {
    let steps = json!([{"op": "resample", "every": "100ms", "max_gap": "5s"},
        {"op": "window", "kind": "tumbling", "size": "1s", "of": {"x": "count"}}]);
    let mut p = pipeline("0s", steps);
    let told = run(&mut p, &[("v", 0.0, &[("x", 0.0)]), ("w", 3.5, &[("x", 0.0)]), ("v", 4.0, &[("x", 40.0)]), ("w", 4.0, &[("x", 4.0)])]);
    assert_eq!(told.iter().filter(|t| t.starts_with("v ") && t.contains("x.count=10")).count(), 4, "{told:?}");
    assert!(p.next_late().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arrival_and_restarts_make_no_difference(
        rows in prop::collection::vec((0_u8..2, 0_u32..200, 0_u32..40), 1..60), previous in any::<bool>(), cut in 0.0_f64..1.0,
    ) {
        let method = if previous { "previous" } else { "linear" };
        let document: Value = json!({"name": "test", "time": {"delay": "5s", "every": "1us", "idle": "1000d"},
            "steps": [{"op": "resample", "every": "700ms", "method": method, "max_gap": "3s"}, {"op": "reorder"}]});
        let told = |order: &[usize], cut: Option<usize>| {
            let (mut p, mut told) = (Pipeline::build(&document).unwrap(), Vec::new());
            for (n, i) in order.iter().enumerate() {
                if Some(n) == cut {
                    told.extend(results(&mut p));
                    p = Pipeline::restore(&document, &p.snapshot().unwrap()).unwrap();
                }
                let time = f64::from(rows[*i].1) / 10.0 + *i as f64 / 1e4;
                p.feed(&sample(if rows[*i].0 == 0 { "a" } else { "b" }, time, &[("x", *i as f64)]));
            }
            // What holds at the end depends on where the stream ends: both orders end with the same far row.
            p.feed(&sample("z", 1_000.0, &[("x", 0.0)]));
            told.extend(results(&mut p));
            told.retain(|t| !t.starts_with('z'));
            assert_eq!(p.next_late(), None);
            told
        };
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|i| (rows[*i].1 + rows[*i].2, *i));
        let one = told(&order, Some((rows.len() as f64 * cut) as usize));
        order.sort_by_key(|i| rows[*i].1);
        prop_assert_eq!(one, told(&order, None));
    }
}
