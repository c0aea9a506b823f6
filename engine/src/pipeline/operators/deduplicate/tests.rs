use serde_json::json;

use crate::pipeline::testing::{SampleOf, pipeline, run};

#[test]
fn what_came_twice_passes_once_even_out_of_order() {
    let rows: [SampleOf<'_>; 6] = [
        ("v", 1.0, &[("x", 1.0), ("y", 2.0)]),
        ("v", 2.0, &[("x", 1.0)]),
        ("v", 1.0, &[("y", 2.0), ("x", 1.0)]),
        ("w", 1.0, &[("x", 1.0), ("y", 2.0)]),
        ("v", 1.0, &[("x", 3.0)]),
        ("v", 2.0, &[("x", 1.0)]),
    ];
    let mut p = pipeline("5s", json!([{"op": "deduplicate"}]));
    assert_eq!(run(&mut p, &rows), ["v 1 x=1 y=2", "v 1 x=3", "w 1 x=1 y=2", "v 2 x=1"]);
    let mut p = pipeline("5s", json!([{"op": "deduplicate", "by": "time"}]));
    assert_eq!(run(&mut p, &rows), ["v 1 x=1 y=2", "w 1 x=1 y=2", "v 2 x=1"]);
}
