//! Means of directions, of stores whose servers know no such thing: from their points, added up here.

use std::collections::{BTreeMap, HashMap};

use slipstream_ports::{Aggregate, PortFuture, SeriesAnswer, SeriesError, SeriesQuery};
use slipstream_protocol::Timestamp;

use super::window::{Averaging, Window};

/// Points read at a time.
const PAGE: usize = 50_000;

/// A store that answers what its server can.
pub(super) trait Asked: Sync {
    /// The server's answer.
    fn ask_series<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>>;
}

/// The answer of `store`, with the means of directions in it.
pub(super) async fn answer(store: &impl Asked, query: &SeriesQuery) -> Result<SeriesAnswer, SeriesError> {
    let Some(window) = query.window.filter(|_| matches!(query.aggregate, Aggregate::Mean | Aggregate::CircularMean)) else {
        return store.ask_series(query).await;
    };
    // Which windows there are is the server's answer in either case.
    let aggregate = if query.aggregate == Aggregate::Mean { Aggregate::Mean } else { Aggregate::Count };
    let mut answer = store.ask_series(&SeriesQuery { aggregate, ..query.clone() }).await?;
    let directions: HashMap<String, Averaging> = (answer.series.iter())
        .map(|series| (series.signal.clone(), Averaging::of(query.aggregate, &series.signal)))
        .filter(|(_, averaging)| *averaging != Averaging::Plain)
        .collect();
    let starts = answer.series.iter().filter(|s| directions.contains_key(&s.signal)).flat_map(|s| &s.points).map(|p| p.time);
    let Some((first, last)) = starts.clone().min().zip(starts.max()) else { return Ok(answer) };
    let span = SeriesQuery {
        from: first.max(query.from),
        to: last.plus(window).min(query.to),
        signals: directions.keys().cloned().collect(),
        window: None,
        limit: PAGE,
        ..query.clone()
    };
    let windows = add_up(store, span, window, &directions).await?;
    for series in &mut answer.series {
        let Some(averaging) = directions.get(&series.signal) else { continue };
        series.points.retain_mut(|point| {
            let window = windows.get(&(point.time, series.signal.clone()));
            point.value = window.and_then(|window| window.value(query.aggregate, *averaging));
            point.value.is_some()
        });
    }
    answer.series.retain(|series| !series.points.is_empty());
    Ok(answer)
}

/// The windows of all points, by start and signal.
async fn add_up(
    store: &impl Asked,
    mut page: SeriesQuery,
    window: std::time::Duration,
    directions: &HashMap<String, Averaging>,
) -> Result<BTreeMap<(Timestamp, String), Window>, SeriesError> {
    let mut windows: BTreeMap<(Timestamp, String), Window> = BTreeMap::new();
    while page.from < page.to {
        let answer = store.ask_series(&page).await?;
        let times = answer.series.iter().flat_map(|s| &s.points).map(|p| p.time);
        let newest = times.max().unwrap_or(page.to);
        // The last moment of a part may have more points than came: it begins the next part.
        let whole = if answer.truncated { newest } else { page.to };
        if answer.truncated && newest <= page.from {
            page.limit = page.limit.saturating_mul(2);
            continue;
        }
        for series in answer.series {
            let averaging = directions.get(&series.signal).copied().unwrap_or(Averaging::Plain);
            for point in series.points.into_iter().filter(|p| p.time < whole) {
                let start = SeriesQuery::window_start(point.time, window);
                windows.entry((start, series.signal.clone())).or_default().add(point.value, averaging);
            }
        }
        (page.from, page.limit) = (whole, PAGE);
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use slipstream_ports::{Series, SeriesPoint};
    use slipstream_protocol::VehicleId;

    use super::*;

    /// A server that averages numbers, of headings each second that go from 350 to 10, and gives few points at a time.
    #[derive(Default)]
    struct Server {
        asked: AtomicUsize,
    }

    impl Asked for Server {
        fn ask_series<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let point = |time: i64, value: f64| SeriesPoint {
                time: Timestamp::from_millis(time * 1_000),
                value: Some(value),
                ..SeriesPoint::default()
            };
            let (heading, speed) = if query.window.is_some() {
                (vec![point(0, 180.0), point(10, 180.0)], vec![point(0, 5.0), point(10, 5.0)])
            } else {
                let from = query.from.micros().div_euclid(1_000_000);
                let all = (from..20).take(7).map(|s| point(s, if s % 2 == 0 { 350.0 } else { 10.0 }));
                (all.collect(), Vec::new())
            };
            let truncated = query.window.is_none() && query.from.micros() < 13_000_000;
            let series = [("heading_deg", heading), ("speed_mps", speed)].into_iter().filter(|(_, points)| !points.is_empty());
            let series = series.map(|(signal, points)| Series { signal: signal.to_owned(), points }).collect();
            Box::pin(async move { Ok(SeriesAnswer { series, truncated }) })
        }
    }

    #[tokio::test]
    async fn the_means_of_directions_are_made_from_the_points() {
        let query = SeriesQuery {
            vehicle: VehicleId::new("v").unwrap(),
            session: None,
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(20_000),
            signals: Vec::new(),
            window: Some(Duration::from_secs(10)),
            aggregate: Aggregate::Mean,
            limit: 100,
        };
        let server = Server::default();
        let answer = answer(&server, &query).await.unwrap();
        let values = |at: usize| answer.series[at].points.iter().map(|p| p.value.unwrap()).collect::<Vec<_>>();
        assert_eq!((values(0), values(1)), (vec![0.0, 0.0], vec![5.0, 5.0]));
        assert!(server.asked.load(Ordering::Relaxed) > 2, "page by page");
    }
}
