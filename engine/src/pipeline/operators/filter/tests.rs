use serde_json::json;

use crate::pipeline::testing::{mistakes, pipeline, run};

#[test]
fn only_rows_for_which_the_expression_holds_pass() {
    let mut p = pipeline("0s", json!([{"op": "filter", "when": "x > 1"}]));
    let told = run(&mut p, &[("v", 1.0, &[("x", 1.0)]), ("v", 2.0, &[("x", 2.0)]), ("v", 3.0, &[("y", 9.0)])]);
    assert_eq!(told, ["v 2 x=2"]);
    assert_eq!(p.stats()[0].dropped, 2);
}

#[test]
fn a_broken_expression_is_located() {
    assert!(mistakes(json!([{"op": "filter", "when": "x >"}])).starts_with("steps[0].when: is no expression"));
}
