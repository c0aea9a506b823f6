use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use crate::pipeline::{
    Pipeline, Surroundings,
    tables::MemoryTables,
    testing::{mistakes, pipeline, run},
};

#[test]
fn rows_get_what_the_step_says_of_their_key() {
    let steps = json!([{"op": "enrich", "prefix": "car.", "rows": {"v": {"team": "red", "mass_kg": 800}}}, {"op": "filter", "when": "car.team == 'red'"}]);
    let mut p = pipeline("0s", steps);
    assert_eq!(run(&mut p, &[("v", 1.0, &[("x", 1.0)]), ("w", 1.0, &[("x", 1.0)])]), ["v 1 car.mass_kg=800 car.team='red' x=1"]);
}

#[test]
fn tables_come_from_outside_and_are_known_by_name() {
    let tables = MemoryTables(BTreeMap::from([("drivers".into(), BTreeMap::from([("v".into(), vec![("name".into(), "Ann".into())])]))]));
    let document = json!({"name": "test", "steps": [{"op": "enrich", "table": "drivers"}]});
    let mut p = Pipeline::build_with(&document, &Surroundings::with_tables(Arc::new(tables))).unwrap();
    assert_eq!(run(&mut p, &[("v", 1.0, &[("x", 1.0)])]), ["v 1 name='Ann' x=1"]);
    let told =
        mistakes(json!([{"op": "enrich", "table": "drivers"}, {"op": "enrich"}, {"op": "enrich", "rows": {"v": 3, "w": {"a": []}}}]));
    for expected in [
        "steps[0].table: 'drivers' is no table; there are none here",
        "steps[1].table: either table or rows",
        "steps[2].rows.v: a table",
        "steps[2].rows.w.a: a number",
    ] {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
}
