use serde_json::json;

use crate::pipeline::testing::{mistakes, pipeline, run};

#[test]
fn keeps_what_is_named_and_drops_rows_without_it() {
    let mut p = pipeline("0s", json!([{"op": "select", "signals": ["a", "t.*"], "except": ["t.z"]}]));
    let told = run(&mut p, &[("v", 1.0, &[("a", 1.0), ("b", 2.0), ("t.x", 3.0), ("t.z", 4.0)]), ("v", 2.0, &[("b", 2.0)])]);
    assert_eq!(told, ["v 1 a=1 t.x=3"]);
    assert_eq!(p.stats()[0].dropped, 1);
}

#[test]
fn without_signals_it_is_a_mistake() {
    assert!(mistakes(json!([{"op": "select"}])).starts_with("steps[0].signals: is missing"));
}
