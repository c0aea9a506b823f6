use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::batch::{BatchRow, Cut, Results, windows};
use crate::pipeline::{Pipeline, RowKind, Value, testing::sample};

const AGGREGATES: [&str; 14] =
    ["count", "sum", "mean", "min", "max", "first", "last", "stddev", "median", "p95", "rate", "integral", "integral(d)", "time_mean"];
const KEYS: [&str; 3] = ["c", "a", "b"];

/// Windows whose results late rows correct.
fn correctable() -> impl Strategy<Value = Cut> {
    prop_oneof![
        (1_i64..12).prop_map(|s| Cut::Time { size: s * 1_000_000, every: s * 1_000_000 }),
        (1_i64..12, 1_i64..5).prop_map(|(s, e)| Cut::Time { size: s * 1_000_000, every: e.min(s) * 1_000_000 }),
        (100_i64..3_000).prop_map(|ms| Cut::Session { gap: ms * 1_000 }),
    ]
}

fn cuts() -> impl Strategy<Value = Cut> {
    prop_oneof![
        4 => correctable(),
        1 => (1_usize..9).prop_map(|rows| Cut::Count { rows }),
        1 => Just(Cut::Lap),
        1 => (10_f64..90.0).prop_map(|metres| Cut::Distance { metres }),
    ]
}

fn document(cut: Cut, delay_ms: i64, allowed_ms: i64) -> Json {
    let of = json!({"x": AGGREGATES});
    let micros = |m: i64| format!("{m}us");
    let window = match cut {
        Cut::Time { size, every } if size == every => json!({"kind": "tumbling", "size": micros(size)}),
        Cut::Time { size, every } => json!({"kind": "hopping", "size": micros(size), "every": micros(every)}),
        Cut::Session { gap } => json!({"kind": "session", "gap": micros(gap)}),
        Cut::Count { rows } => json!({"kind": "count", "rows": rows}),
        Cut::Lap => json!({"kind": "lap"}),
        Cut::Distance { metres } => json!({"kind": "distance", "metres": metres, "signal": "d"}),
    };
    let mut step = window;
    step["op"] = json!("window");
    step["max_gap"] = json!("1000s");
    step["of"] = of;
    json!({"name": "test", "steps": [step],
        "time": {"delay": format!("{delay_ms}ms"), "every": "70ms", "idle": "100s", "allowed_lateness": format!("{allowed_ms}ms")}})
}

/// Rows of three keys with distinct times, distance growing with time; and for each how late it arrives, in milliseconds.
fn streams(latest_ms: i64) -> impl Strategy<Value = (Vec<BatchRow>, Vec<i64>)> {
    let row = (0_usize..3, 0_i64..30_000, -50.0_f64..50.0, 0..latest_ms);
    prop::collection::vec(row, 1..120).prop_map(|mut raw| {
        raw.sort_by_key(|r| r.1);
        let late = raw.iter().map(|r| r.3).collect();
        let rows = raw.iter().enumerate().map(|(i, r)| (r.0, r.1 * 1_000 + i as i64, r.2, i as f64 * 7.0)).collect();
        (rows, late)
    })
}

fn arrival(rows: &[BatchRow], late: &[i64]) -> Vec<BatchRow> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|i| rows[*i].1 + late[*i] * 1_000);
    order.into_iter().map(|i| rows[i]).collect()
}

fn feed(pipeline: &mut Pipeline, rows: &[BatchRow]) {
    for (key, micros, x, d) in rows {
        let mut one = sample(KEYS[*key], 0.0, &[("x", *x), ("d", *d), ("lap", (d / 100.0).floor())]);
        one.source_time = slipstream_protocol::Timestamp::from_micros(*micros);
        pipeline.feed(&one);
    }
}

/// The last word on each period.
fn collect(pipeline: &mut Pipeline, into: &mut Results) {
    while let Some(row) = pipeline.next_result() {
        if row.kind == RowKind::Early {
            continue;
        }
        let key = KEYS.iter().position(|k| *k == pipeline.scope().keys.name(row.key)).unwrap();
        let numbers = row.cells.iter().filter_map(|c| match &c.value {
            Value::Number(n) => Some((pipeline.scope().signals.name(c.signal).to_owned(), *n)),
            _ => None,
        });
        into.insert((key, row.start.micros()), numbers.collect());
        if into[&(key, row.start.micros())]["rows"] == 0.0 {
            into.remove(&(key, row.start.micros()));
        }
    }
}

fn compare(told: &Results, expected: &Results) -> Result<(), TestCaseError> {
    prop_assert_eq!(told.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (period, expected) in expected {
        for (name, value) in expected {
            let got = told[period].get(name).copied();
            let bound =
                if name.contains("median") || name.contains("p95") { value.abs() / 256.0 + 1e-9 } else { 1e-9 * (1.0 + value.abs()) };
            prop_assert!(got.is_some_and(|g| (g - value).abs() <= bound), "{:?} {}: {:?} instead of {}", period, name, got, value);
        }
    }
    Ok(())
}

/// What a window of all `values` tells of them, in this order of arrival.
fn told_of(values: &[(i64, f64)]) -> Vec<(String, u64)> {
    let aggregates = ["sum", "mean", "stddev", "circular_mean", "circular_stddev", "rate", "first", "last", "integral", "time_mean"];
    let document = json!({"name": "test", "time": {"delay": "1000s", "every": "1us", "idle": "100d"},
        "steps": [{"op": "window", "kind": "tumbling", "size": "1000s", "max_gap": "1000s", "of": {"x": aggregates, "heading_deg": aggregates}}]});
    let mut p = Pipeline::build(&document).unwrap();
    for (ms, x) in values {
        p.feed(&sample("v", *ms as f64 / 1e3, &[("x", *x), ("heading_deg", *x)]));
    }
    p.finish();
    let row = p.next_result().unwrap();
    let name = |c: &crate::pipeline::Cell| p.scope().signals.name(c.signal).to_owned();
    row.cells.iter().map(|c| (name(c), c.value.as_number().map_or(0, f64::to_bits))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_order_of_arrival_gives_the_same_bits(
        values in prop::collection::vec(prop_oneof![-400.0..400.0_f64, 1e8..1e9_f64, Just(0.1)], 2..40),
        order in prop::collection::vec(any::<u32>(), 40),
    ) {
        let values: Vec<(i64, f64)> = values.iter().enumerate().map(|(i, x)| (i as i64 * 1_000, *x)).collect();
        let mut shuffled: Vec<_> = order.iter().zip(&values).collect();
        shuffled.sort_by_key(|s| s.0);
        let shuffled: Vec<_> = shuffled.into_iter().map(|s| *s.1).collect();
        prop_assert_eq!(told_of(&values), told_of(&shuffled));
    }
}

proptest! {
    #[test]
    fn any_arrival_within_the_delay_gives_what_the_batch_gives(cut in cuts(), (rows, late) in streams(2_000), early in any::<bool>()) {
        let mut document = document(cut, 2_000, 0);
        if early {
            document["steps"][0]["early"] = json!("300ms");
        }
        let mut pipeline = Pipeline::build(&document).unwrap();
        feed(&mut pipeline, &arrival(&rows, &late));
        pipeline.finish();
        let mut told = Results::new();
        collect(&mut pipeline, &mut told);
        compare(&told, &windows(&rows, cut))?;
        prop_assert_eq!(pipeline.next_late(), None);
    }

    #[test]
    fn corrections_lead_to_what_the_batch_gives(cut in correctable(), (rows, late) in streams(4_000)) {
        let mut pipeline = Pipeline::build(&document(cut, 500, 60_000)).unwrap();
        feed(&mut pipeline, &arrival(&rows, &late));
        pipeline.finish();
        let mut told = Results::new();
        collect(&mut pipeline, &mut told);
        compare(&told, &windows(&rows, cut))?;
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing(cut in cuts(), (rows, late) in streams(3_000), cut_at in 0.0_f64..1.0) {
        let document = document(cut, 1_000, 1_000);
        let arriving = arrival(&rows, &late);
        let at = (arriving.len() as f64 * cut_at) as usize;
        let mut whole = Pipeline::build(&document).unwrap();
        feed(&mut whole, &arriving);
        whole.finish();
        let mut first = Pipeline::build(&document).unwrap();
        feed(&mut first, &arriving[..at]);
        let (mut told, mut expected) = (Vec::new(), Vec::new());
        while let Some(row) = first.next_result() {
            told.push(row);
        }
        let mut second = Pipeline::restore(&document, &first.snapshot().unwrap()).unwrap();
        feed(&mut second, &arriving[at..]);
        second.finish();
        while let Some(row) = second.next_result() {
            told.push(row);
        }
        while let Some(row) = whole.next_result() {
            expected.push(row);
        }
        prop_assert_eq!(told, expected);
    }
}
