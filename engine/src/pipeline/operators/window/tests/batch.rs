//! The slow, obviously right way: all rows at once, sorted, each window cut out and each aggregate by its definition.

use std::collections::BTreeMap;

/// A row: key, microseconds, value of `x`, value of `d` (and of `lap`: the whole part of `d / 100`).
pub(super) type BatchRow = (usize, i64, f64, f64);

/// Results by key and start.
pub(super) type Results = BTreeMap<(usize, i64), BTreeMap<String, f64>>;

/// The windows under test.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    Time { size: i64, every: i64 },
    Session { gap: i64 },
    Count { rows: usize },
    Lap,
    Distance { metres: f64 },
}

pub(super) fn windows(rows: &[BatchRow], cut: Cut) -> Results {
    let mut results = Results::new();
    for key in 0..8 {
        let mut own: Vec<BatchRow> = rows.iter().copied().filter(|r| r.0 == key).collect();
        own.sort_by(|a, b| a.1.cmp(&b.1).then(a.3.total_cmp(&b.3)).then(a.2.total_cmp(&b.2)));
        for (start, from, until) in cuts(&own, cut) {
            let session = matches!(cut, Cut::Session { .. });
            results.insert((key, start), aggregates(&own, from, until, session));
        }
    }
    results
}

/// Start and the range of rows of each window.
fn cuts(own: &[BatchRow], cut: Cut) -> Vec<(i64, usize, usize)> {
    let mut found = Vec::new();
    if own.is_empty() {
        return found;
    }
    if let Cut::Time { size, every } = cut {
        let (first, last) = (own[0].1, own[own.len() - 1].1);
        let mut start = (first - size).div_euclid(every) * every;
        while start <= last {
            let inside: Vec<usize> = (0..own.len()).filter(|i| (start..start + size).contains(&own[*i].1)).collect();
            if let (Some(from), Some(to)) = (inside.first(), inside.last()) {
                found.push((start, *from, to + 1));
            }
            start += every;
        }
        return found;
    }
    let mut from = 0;
    for at in 1..=own.len() {
        let ends = at == own.len()
            || match cut {
                Cut::Session { gap } => own[at].1 - own[at - 1].1 >= gap,
                Cut::Count { rows } => at - from == rows,
                Cut::Lap => (own[at].3 / 100.0).floor() != (own[at - 1].3 / 100.0).floor(),
                Cut::Distance { metres } => (own[at].3 / metres).floor() != (own[at - 1].3 / metres).floor(),
                Cut::Time { .. } => false,
            };
        if ends {
            found.push((own[from].1, from, at));
            from = at;
        }
    }
    found
}

fn aggregates(own: &[BatchRow], from: usize, until: usize, session: bool) -> BTreeMap<String, f64> {
    let inside = &own[from..until];
    let n = inside.len() as f64;
    let values: Vec<f64> = inside.iter().map(|r| r.2).collect();
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let sum: f64 = values.iter().sum();
    let mean = sum / n;
    let mut told = BTreeMap::from([
        ("rows".to_owned(), n),
        ("x.count".to_owned(), n),
        ("x.sum".to_owned(), sum),
        ("x.mean".to_owned(), mean),
        ("x.min".to_owned(), sorted[0]),
        ("x.max".to_owned(), sorted[sorted.len() - 1]),
    ]);
    let mut put = |name: &str, value: f64| told.insert(name.to_owned(), value);
    if n > 1.0 {
        put("x.stddev", (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt());
    }
    for (name, q) in [("x.median", 0.5), ("x.p95", 0.95)] {
        put(name, sorted[((q * n).ceil() as usize).clamp(1, values.len()) - 1]);
    }
    // Times are distinct in these tests, so first and last are plain.
    let (first, last) = (inside[0], inside[inside.len() - 1]);
    put("x.first", first.2);
    put("x.last", last.2);
    if last.1 > first.1 {
        put("x.rate", (last.2 - first.2) / ((last.1 - first.1) as f64 / 1e6));
    }
    let begin = if session { from + 1 } else { from.max(1) };
    let (mut time, mut area, mut over) = (0.0, 0.0, 0.0);
    for at in begin..until {
        let (a, b) = (own[at - 1], own[at]);
        let dt = (b.1 - a.1) as f64 / 1e6;
        time += dt;
        area += f64::midpoint(a.2, b.2) * dt;
        over += f64::midpoint(a.2, b.2) * (b.3 - a.3);
    }
    if begin < until {
        put("x.integral", area);
        put("x.integral_d", over);
        put("x.time_mean", area / time);
    }
    told
}
