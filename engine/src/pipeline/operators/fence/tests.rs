use serde_json::json;

use crate::pipeline::testing::{mistakes, pipeline, run};

#[test]
fn entering_staying_and_leaving_leave_as_rows_in_the_order_of_time() {
    let fences = json!([
        {"name": "yard", "shape": "polygon", "corners": [{"x_m": 0, "y_m": -50}, {"x_m": 100, "y_m": -50}, {"x_m": 100, "y_m": 50}, {"x_m": 0, "y_m": 50}]},
        {"name": "gate", "shape": "circle", "middle": {"x_m": 0, "y_m": 0}, "radius_m": 20},
    ]);
    let mut p = pipeline("0s", json!([{"op": "fence", "fences": fences, "margin_m": 5, "dwell": "10s"}]));
    let at = |x: f64| [("x_m", x), ("y_m", 0.0)];
    let (away, gate, yard, gone) = (at(-40.0), at(-10.0), at(50.0), at(200.0));
    let told = run(&mut p, &[("v", 0.0, &away), ("v", 5.0, &gate), ("v", 10.0, &yard), ("w", 21.0, &away), ("v", 30.0, &gone)]);
    assert_eq!(
        told,
        [
            "v 5 event='enter' fence='gate'",
            "v 10 event='leave' fence='gate' since_s=5 stay_s=5",
            "v 10 event='enter' fence='yard'",
            "v 20 event='dwell' fence='yard' since_s=10 stay_s=10",
            "v 30 event='leave' fence='yard' since_s=10 stay_s=20",
        ]
    );
}

#[test]
fn mistakes_are_located() {
    let told = mistakes(
        json!([{"op": "fence", "fences": [{"name": "a", "shape": "circle", "radius_m": 5}, {"name": "b", "shape": "blob"}, {"shape": "corridor", "path": [], "width_m": -1}]}]),
    );
    for expected in
        ["fences[0].middle: is missing", "fences[1].shape: 'blob' is not known", "fences[2].name: is missing", "fences[2].width_m: is -1"]
    {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
    let told = mistakes(json!([{"op": "fence", "fences": [{"name": "a", "shape": "polygon", "corners": [{"x_m": 5, "y_m": 5}]}]}]));
    assert!(told.contains("steps[0].fences[0]: a polygon has at least 3 corners"), "{told}");
}
