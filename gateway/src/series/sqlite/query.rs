//! Reading points and windows.

use std::{collections::BTreeMap, time::Duration};

use slipstream_ports::{SeriesAnswer, SeriesPoint, SeriesQuery};
use slipstream_protocol::{Timestamp, VehicleId};
use sqlx::SqlitePool;

use super::scan::{Scan, Value};
use crate::series::{
    answer::assemble,
    window::{Averaging, Window},
};

pub(super) async fn query(pool: &SqlitePool, query: &SeriesQuery) -> Result<SeriesAnswer, sqlx::Error> {
    let scan = Scan::start(pool, query).await?;
    match query.window {
        None => raw(scan, query).await,
        Some(window) => windows(scan, query, window).await,
    }
}

pub(super) async fn vehicles(pool: &SqlitePool) -> Result<Vec<VehicleId>, sqlx::Error> {
    // The table keeps sources whose first write was rolled back: only those with blocks count.
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT vehicle FROM sources s WHERE EXISTS (SELECT 1 FROM blocks b WHERE b.source_id = s.id) ORDER BY vehicle",
    )
    .fetch_all(pool)
    .await?;
    Ok(names.iter().filter_map(|name| VehicleId::new(name).ok()).collect())
}

/// Stops at the limit, so that a page of a long range costs a page.
async fn raw(mut scan: Scan<'_>, query: &SeriesQuery) -> Result<SeriesAnswer, sqlx::Error> {
    let wanted = query.limit.saturating_add(1);
    let mut rows = Vec::new();
    while rows.len() < wanted
        && let Some(found) = scan.next().await?
    {
        for point in found {
            let (name, source) = (scan.name(point.signal), scan.source(point.source));
            let (value, text) = match point.value {
                Value::Number(number) => (Some(number), None),
                Value::Text(text) => (None, Some(text)),
            };
            let (time, quality) = (Timestamp::from_micros(point.time), Some(i64::from(point.quality)));
            let (session, fleet) = (source.session.clone(), source.fleet.clone());
            rows.push((name.to_owned(), SeriesPoint { time, value, text, quality, session, fleet }));
        }
    }
    Ok(assemble(rows, query.limit, false))
}

/// Adds up window by window; stops when the limit's worth of windows is complete.
async fn windows(mut scan: Scan<'_>, query: &SeriesQuery, window: Duration) -> Result<SeriesAnswer, sqlx::Error> {
    // By start, then signal.
    let mut open: BTreeMap<(Timestamp, i64), Window> = BTreeMap::new();
    // By signal.
    let mut averaging: BTreeMap<i64, Averaging> = BTreeMap::new();
    let mut rows = Vec::new();
    loop {
        let found = scan.next().await?;
        let ended = found.is_none();
        for point in found.unwrap_or_default() {
            let start = SeriesQuery::window_start(Timestamp::from_micros(point.time), window);
            let number = if let Value::Number(number) = point.value { Some(number) } else { None };
            let how = *averaging.entry(point.signal).or_insert_with(|| Averaging::of(query.aggregate, scan.name(point.signal)));
            open.entry((start, point.signal)).or_default().add(number, how);
        }
        // Nothing is to come before this: windows that begin earlier than the one that holds it are complete.
        let frontier = SeriesQuery::window_start(Timestamp::from_micros(scan.frontier()), window);
        let still_open = if ended { BTreeMap::new() } else { open.split_off(&(frontier, i64::MIN)) };
        for ((time, signal), window) in std::mem::replace(&mut open, still_open) {
            if let Some(value) = averaging.get(&signal).and_then(|how| window.value(query.aggregate, *how)) {
                rows.push((scan.name(signal).to_owned(), SeriesPoint { time, value: Some(value), ..SeriesPoint::default() }));
            }
        }
        if ended || rows.len() > query.limit {
            return Ok(assemble(rows, query.limit, false));
        }
    }
}
