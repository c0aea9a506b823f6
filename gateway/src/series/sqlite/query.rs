//! Reading points and windows.

use std::{cmp::Reverse, collections::BTreeMap, collections::BinaryHeap, collections::VecDeque, time::Duration};

use slipstream_actors::ports::{Aggregate, SeriesAnswer, SeriesPoint, SeriesQuery};
use slipstream_protocol::{FleetId, SessionId, Timestamp, VehicleId};
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, Sqlite, SqlitePool, sqlite::SqliteRow};

use crate::series::answer::assemble;

/// Fewest rows read from one series at a time.
const MIN_CHUNK: usize = 64;

/// One row of the dictionary.
struct SeriesRow {
    id: i64,
    signal: String,
    session: Option<SessionId>,
    fleet: Option<FleetId>,
}

pub(super) async fn query(pool: &SqlitePool, query: &SeriesQuery) -> Result<SeriesAnswer, sqlx::Error> {
    let series = matching(pool, query).await?;
    match query.window {
        None => raw(pool, query, series).await,
        Some(window) => windows(pool, query, window, series).await,
    }
}

pub(super) async fn vehicles(pool: &SqlitePool) -> Result<Vec<VehicleId>, sqlx::Error> {
    // The dictionary keeps series whose first write was rolled back: only those with points count.
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT vehicle FROM series s WHERE EXISTS (SELECT 1 FROM points p WHERE p.series_id = s.id) ORDER BY vehicle",
    )
    .fetch_all(pool)
    .await?;
    Ok(names.iter().filter_map(|name| VehicleId::new(name).ok()).collect())
}

async fn matching(pool: &SqlitePool, query: &SeriesQuery) -> Result<Vec<SeriesRow>, sqlx::Error> {
    let mut statement = QueryBuilder::<Sqlite>::new("SELECT id, signal, session, fleet FROM series WHERE vehicle = ");
    statement.push_bind(query.vehicle.as_str().to_owned());
    if let Some(session) = &query.session {
        statement.push(" AND session = ").push_bind(session.as_str().to_owned());
    }
    if !query.signals.is_empty() {
        statement.push(" AND signal IN (");
        let mut names = statement.separated(", ");
        for signal in &query.signals {
            names.push_bind(signal.clone());
        }
        statement.push(")");
    }
    statement.push(" ORDER BY signal, session, fleet");
    let rows = statement.build().fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            Ok(SeriesRow {
                id: row.try_get(0)?,
                signal: row.try_get(1)?,
                session: SessionId::new(row.try_get(2)?).ok(),
                fleet: FleetId::new(row.try_get(3)?).ok(),
            })
        })
        .collect()
}

/// A series being read, a chunk at a time.
struct Cursor {
    series: SeriesRow,
    rows: VecDeque<SeriesPoint>,
    /// Where the next chunk begins; `None` at the end.
    next: Option<i64>,
}

impl Cursor {
    async fn fill(&mut self, pool: &SqlitePool, to: Timestamp, chunk: usize) -> Result<(), sqlx::Error> {
        let Some(from) = self.next else { return Ok(()) };
        let rows = sqlx::query(
            "SELECT time_us, value, text, quality FROM points WHERE series_id = ? AND time_us >= ? AND time_us < ? ORDER BY time_us LIMIT ?",
        )
        .bind(self.series.id)
        .bind(from)
        .bind(to.micros())
        .bind(chunk as i64)
        .fetch_all(pool)
        .await?;
        for row in &rows {
            self.rows.push_back(point(row, &self.series)?);
        }
        let last = self.rows.back().map_or(from, |p| p.time.micros());
        self.next = (rows.len() == chunk).then(|| last.saturating_add(1));
        Ok(())
    }
}

/// Merges the series by time and stops at the limit, so that a page of a long range costs a page.
async fn raw(pool: &SqlitePool, query: &SeriesQuery, series: Vec<SeriesRow>) -> Result<SeriesAnswer, sqlx::Error> {
    let wanted = query.limit.saturating_add(1);
    let chunk = (2 * query.limit / series.len().max(1)).clamp(MIN_CHUNK, 100_000).min(wanted.max(1));
    let mut cursors = Vec::with_capacity(series.len());
    let mut heads = BinaryHeap::new();
    for (index, series) in series.into_iter().enumerate() {
        let mut cursor = Cursor { series, rows: VecDeque::new(), next: Some(query.from.micros()) };
        cursor.fill(pool, query.to, chunk).await?;
        if let Some(first) = cursor.rows.front() {
            heads.push(Reverse((first.time, index)));
        }
        cursors.push(cursor);
    }
    let mut rows = Vec::new();
    while rows.len() < wanted {
        let Some(Reverse((_, index))) = heads.pop() else { break };
        let cursor = &mut cursors[index];
        let Some(point) = cursor.rows.pop_front() else { continue };
        rows.push((cursor.series.signal.clone(), point));
        if cursor.rows.is_empty() {
            cursor.fill(pool, query.to, chunk).await?;
        }
        if let Some(next) = cursor.rows.front() {
            heads.push(Reverse((next.time, index)));
        }
    }
    Ok(assemble(rows, query.limit, false))
}

fn point(row: &SqliteRow, series: &SeriesRow) -> Result<SeriesPoint, sqlx::Error> {
    Ok(SeriesPoint {
        time: Timestamp::from_micros(row.try_get(0)?),
        value: row.try_get(1)?,
        text: row.try_get(2)?,
        quality: Some(row.try_get(3)?),
        session: series.session.clone(),
        fleet: series.fleet.clone(),
    })
}

/// One statement per signal: the windows over all its series.
async fn windows(pool: &SqlitePool, query: &SeriesQuery, window: Duration, series: Vec<SeriesRow>) -> Result<SeriesAnswer, sqlx::Error> {
    let mut signals: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for row in series {
        signals.entry(row.signal).or_default().push(row.id);
    }
    let statement = window_statement(query.aggregate);
    let length = i64::try_from(window.as_micros()).unwrap_or(i64::MAX).max(1);
    let mut rows = Vec::new();
    for (signal, ids) in signals {
        let ids = serde_json::to_string(&ids).expect("a list of numbers is always JSON");
        let found = sqlx::query(AssertSqlSafe(statement.as_str()))
            .bind(length)
            .bind(ids)
            .bind(query.from.micros())
            .bind(query.to.micros())
            .bind(i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1))
            .fetch_all(pool)
            .await?;
        for row in &found {
            let (time, value) = (Timestamp::from_micros(row.try_get(0)?), row.try_get(1)?);
            rows.push((signal.clone(), SeriesPoint { time, value: Some(value), ..SeriesPoint::default() }));
        }
    }
    Ok(assemble(rows, query.limit, false))
}

fn window_statement(aggregate: Aggregate) -> String {
    // With exactly one min() or max(), a bare column is that row's: sqlite.org/lang_select.html#bareagg
    let (column, extra) = match aggregate {
        Aggregate::Mean => ("avg(value)", ""),
        Aggregate::Min => ("min(value)", ""),
        Aggregate::Max => ("max(value)", ""),
        Aggregate::Sum => ("sum(value)", ""),
        Aggregate::Count => ("CAST(count(*) AS REAL)", ""),
        Aggregate::First => ("value", ", min(time_us)"),
        Aggregate::Last => ("value", ", max(time_us)"),
    };
    let numbers = if aggregate == Aggregate::Count { "" } else { "AND value IS NOT NULL" };
    // Twice the remainder: SQLite's % keeps the sign, and windows before the epoch begin below.
    format!(
        "SELECT time_us - (time_us % ?1 + ?1) % ?1 AS start, {column}{extra} FROM points \
         WHERE series_id IN (SELECT value FROM json_each(?2)) AND time_us >= ?3 AND time_us < ?4 {numbers} \
         GROUP BY start ORDER BY start LIMIT ?5"
    )
}
