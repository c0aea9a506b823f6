use serde_json::json;

use crate::pipeline::{
    Pipeline,
    testing::{mistakes, pipeline, results, sample},
};

#[test]
fn every_mistake_of_a_description_is_named_and_located() {
    let document = json!({
        "name": "no good", "speed": 3,
        "source": {"vehicles": ["car *"], "keys": "vehicle"},
        "time": {"delay": "5 apples"},
        "steps": [{"op": "selekt"}, {"name": "x"}, {"op": "select", "signals": [1], "with": {"steps": []}}, 5],
        "outputs": {"series": {"prefix": "a b"}, "alerts": {"severity": "loud"}},
    });
    let told = Pipeline::build(&document).unwrap_err().to_string();
    for expected in [
        "name: 'no good' is no name",
        "speed: is not known here",
        "source.vehicles[0]: 'car *' can match no vehicle id",
        "source.keys: is not known here; the fields are fleet, key, pipeline, session, signals, vehicles; did you mean 'key'?",
        "time.delay: a duration like",
        "steps[0].op: 'selekt' is no operator",
        "did you mean 'select'?",
        "steps[1].op: is missing",
        "steps[2].signals[0]: a text is expected",
        "steps[2].with: 'select' has no second input",
        "steps[3]: a table is expected",
        "outputs.series.prefix: letters",
        "outputs.alerts.type: is missing",
        "outputs.alerts.severity: 'loud' is not known",
    ] {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
}

#[test]
fn a_snapshot_at_any_point_goes_on_as_if_nothing_had_happened() {
    let steps = json!([{"op": "select", "signals": ["a"]}, {"op": "reorder"}]);
    let times = [1.0, 4.0, 2.0, 3.0, 7.0, 5.0, 8.0];
    let mut whole = pipeline("3s", steps);
    let document = whole.spec().document().clone();
    for t in times {
        whole.feed(&sample("v", t, &[("b", 0.0), ("a", t)]));
    }
    whole.finish();
    let expected = results(&mut whole);
    for cut in 0..times.len() {
        let mut first = Pipeline::build(&document).unwrap();
        for t in &times[..cut] {
            first.feed(&sample("v", *t, &[("b", 0.0), ("a", *t)]));
        }
        let mut told = results(&mut first);
        let mut second = Pipeline::restore(&document, &first.snapshot().unwrap()).unwrap();
        for t in &times[cut..] {
            second.feed(&sample("v", *t, &[("b", 0.0), ("a", *t)]));
        }
        second.finish();
        told.extend(results(&mut second));
        assert_eq!(told, expected, "cut at {cut}");
    }
}

#[test]
fn a_snapshot_of_other_steps_is_refused() {
    let bytes = pipeline("3s", json!([{"op": "reorder"}])).snapshot().unwrap();
    let other = json!({"name": "test", "steps": [{"op": "select", "signals": ["a"]}]});
    assert!(Pipeline::restore(&other, &bytes).is_err());
    assert!(Pipeline::restore(&other, &bytes[..5]).is_err());
}

#[test]
fn a_description_without_mistakes_has_none() {
    assert_eq!(mistakes(json!([{"op": "reorder"}])), "");
}
