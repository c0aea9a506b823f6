use serde_json::json;

use crate::pipeline::testing::{mistakes, pipeline, run};

#[test]
fn derived_signals_see_the_row_as_it_came() {
    let mut p = pipeline("0s", json!([{"op": "derive", "set": {"x": "x + 1", "double": "x * 2", "none": "missing", "y": "missing"}}]));
    let told = run(&mut p, &[("v", 1.0, &[("x", 1.0), ("y", 5.0)])]);
    assert_eq!(told, ["v 1 double=2 x=2"]);
}

#[test]
fn each_broken_expression_is_located() {
    let told = mistakes(json!([{"op": "derive", "set": {"a": "x +", "b": "sqr(x)", "c": "x"}}]));
    assert!(
        told.contains("steps[0].set.a: ") && told.contains("steps[0].set.b: there is no function 'sqr'") && !told.contains("set.c"),
        "{told}"
    );
}
