use proptest::prelude::*;
use serde_json::{Value, json};

use crate::pipeline::{
    Pipeline,
    testing::{SampleOf, mistakes, pipeline, results, run, sample},
};

fn steps(mode: &str, more: &Value) -> Value {
    let mut step = json!({"op": "join", "mode": mode, "within": "2s", "prefix": "w.", "with": {"source": {"signals": ["temp"]}}});
    for (name, value) in more.as_object().unwrap() {
        step[name] = value.clone();
    }
    json!([step])
}

fn document(mode: &str, more: &Value) -> Value {
    json!({"name": "test", "time": {"delay": "5s", "every": "1us", "idle": "1000d"}, "source": {"signals": ["x"]}, "steps": steps(mode, more)})
}

const ROWS: [SampleOf<'static>; 6] = [
    ("v", 1.0, &[("x", 1.0)]),
    ("v", 2.0, &[("temp", 20.0)]),
    ("v", 3.5, &[("x", 2.0)]),
    ("w", 3.6, &[("x", 9.0)]),
    ("v", 3.8, &[("temp", 21.0)]),
    ("v", 6.0, &[("x", 3.0)]),
];

#[test]
fn as_of_takes_the_newest_row_not_after_and_not_too_old() {
    let mut p = Pipeline::build(&document("as_of", &json!({}))).unwrap();
    assert_eq!(run(&mut p, &ROWS), ["v 1 x=1", "v 3.5 w.temp=20 x=2", "w 3.6 x=9", "v 6 x=3"]);
    let mut p = Pipeline::build(&document("as_of", &json!({"keep_unmatched": false, "by": "any", "within": "3s"}))).unwrap();
    assert_eq!(run(&mut p, &ROWS), ["v 3.5 w.temp=20 x=2", "w 3.6 w.temp=20 x=9", "v 6 w.temp=21 x=3"]);
}

#[test]
fn interval_tells_every_pair() {
    let mut p = Pipeline::build(&document("interval", &json!({}))).unwrap();
    assert_eq!(run(&mut p, &ROWS), ["v 1..2 w.temp=20 x=1", "v 2..3.5 w.temp=20 x=2", "v 3.5..3.8 w.temp=21 x=2"]);
}

#[test]
fn a_join_without_a_second_input_is_a_mistake() {
    let told = mistakes(json!([{"op": "join", "mode": "interval", "keep_unmatched": true, "within": "1s"}]));
    assert!(told.contains("steps[0].with: is missing") && told.contains("steps[0].keep_unmatched: is for mode"), "{told}");
    let _ = pipeline("1s", steps("as_of", &json!({})));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arrival_and_restarts_make_no_difference(
        rows in prop::collection::vec((0_u8..2, any::<bool>(), 0_u32..200, 0_u32..40), 1..60),
        interval in any::<bool>(), cut in 0.0_f64..1.0,
    ) {
        let document = document(if interval { "interval" } else { "as_of" }, &json!({}));
        let mut arriving: Vec<_> = rows.iter().enumerate().map(|(i, r)| (r.2 + r.3, i)).collect();
        let at = (rows.len() as f64 * cut) as usize;
        let told = |order: &[(u32, usize)], cut: Option<usize>| {
            let mut p = Pipeline::build(&document).unwrap();
            let mut told = Vec::new();
            for (n, (_, i)) in order.iter().enumerate() {
                if Some(n) == cut {
                    told.extend(results(&mut p));
                    p = Pipeline::restore(&document, &p.snapshot().unwrap()).unwrap();
                }
                let (key, left, time, _) = rows[*i];
                let signal = if left { "x" } else { "temp" };
                p.feed(&sample(if key == 0 { "a" } else { "b" }, f64::from(time) / 10.0, &[(signal, *i as f64)]));
            }
            p.finish();
            told.extend(results(&mut p));
            told
        };
        arriving.sort_unstable();
        let one = told(&arriving, Some(at));
        arriving.sort_by_key(|(_, i)| rows[*i].2);
        prop_assert_eq!(one, told(&arriving, None));
    }
}
