//! Rows from a store, put together to an answer.

use std::collections::BTreeMap;

use slipstream_ports::{Series, SeriesAnswer, SeriesPoint};

/// The answer that the earliest `limit` of `rows` make; rows are a signal's name and a point, in any
/// order. `more` says that the store held rows back.
pub(super) fn assemble(mut rows: Vec<(String, SeriesPoint)>, limit: usize, more: bool) -> SeriesAnswer {
    rows.sort_by(|(a, p), (b, q)| (p.time, a, &p.session, &p.fleet).cmp(&(q.time, b, &q.session, &q.fleet)));
    let truncated = more || rows.len() > limit;
    rows.truncate(limit);
    let mut series: BTreeMap<String, Vec<SeriesPoint>> = BTreeMap::new();
    for (signal, point) in rows {
        series.entry(signal).or_default().push(point);
    }
    SeriesAnswer { series: series.into_iter().map(|(signal, points)| Series { signal, points }).collect(), truncated }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_protocol::Timestamp;

    fn row(signal: &str, micros: i64) -> (String, SeriesPoint) {
        (signal.to_owned(), SeriesPoint { time: Timestamp::from_micros(micros), value: Some(1.0), ..SeriesPoint::default() })
    }

    #[test]
    fn the_earliest_points_are_kept_whichever_their_signals() {
        let answer = assemble(vec![row("b", 3), row("a", 5), row("b", 1), row("a", 2)], 3, false);
        let shape: Vec<(&str, Vec<i64>)> =
            answer.series.iter().map(|s| (&*s.signal, s.points.iter().map(|p| p.time.micros()).collect())).collect();
        assert_eq!(shape, [("a", vec![2]), ("b", vec![1, 3])]);
        assert!(answer.truncated);
        assert!(!assemble(vec![row("a", 1)], 1, false).truncated);
    }
}
