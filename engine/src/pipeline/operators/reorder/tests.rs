use serde_json::json;

use crate::pipeline::testing::{SampleOf, pipeline, results, run, sample};

#[test]
fn rows_within_the_delay_leave_in_order_and_ties_do_not_depend_on_arrival() {
    let steps = json!([{"op": "reorder"}]);
    let expected = ["a 1 x=1", "b 1 x=2", "b 1 x=3", "a 2 x=4"];
    let rows: [SampleOf<'_>; 4] =
        [("a", 1.0, &[("x", 1.0)]), ("b", 1.0, &[("x", 2.0)]), ("b", 1.0, &[("x", 3.0)]), ("a", 2.0, &[("x", 4.0)])];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1]] {
        let mut p = pipeline("5s", steps.clone());
        assert_eq!(run(&mut p, &order.map(|i| rows[i])), expected, "{order:?}");
    }
}

#[test]
fn what_comes_behind_the_watermark_is_told_as_late() {
    let mut p = pipeline("1s", json!([{"op": "reorder"}]));
    for t in [1.0, 5.0, 3.9, 4.0] {
        p.feed(&sample("v", t, &[("x", t)]));
    }
    p.finish();
    assert_eq!(results(&mut p), ["v 1 x=1", "v 4 x=4", "v 5 x=5"]);
    let late = p.next_late().unwrap();
    assert_eq!((&*late.step, late.row.time.secs_f64()), ("reorder", 3.9));
    assert_eq!(p.stats()[0].late, 1);
}
