use serde_json::json;

use crate::pipeline::testing::{mistakes, pipeline, run};

#[test]
fn names_are_changed_swapped_and_taken_over() {
    let mut p = pipeline("0s", json!([{"op": "rename", "to": {"a": "b", "b": "a", "nmot": "rpm"}}]));
    let told = run(&mut p, &[("v", 1.0, &[("a", 1.0), ("b", 2.0), ("nmot", 3.0), ("rpm", 9.0)]), ("v", 2.0, &[("c", 1.0)])]);
    assert_eq!(told, ["v 1 a=2 b=1 rpm=3", "v 2 c=1"]);
}

#[test]
fn two_signals_cannot_get_one_name() {
    assert!(mistakes(json!([{"op": "rename", "to": {"a": "c", "b": "c"}}])).starts_with("steps[0].to.b: 'a' is renamed to 'c' as well"));
}
