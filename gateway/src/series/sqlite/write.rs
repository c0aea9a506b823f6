//! Writing points.

use std::collections::HashMap;

use slipstream_actors::ports::WriteReport;
use slipstream_protocol::Sample;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::series_ids::{SeriesIds, Source};
use crate::series::point::{self, Point, PointValue};

/// Rows of one statement; five parameters each, under `SQLite`'s bound of 32,766.
const ROWS: usize = 1_000;

/// One row of `points`.
struct Row<'a> {
    series: i64,
    point: Point<'a>,
}

pub(super) async fn write(pool: &SqlitePool, ids: &SeriesIds, samples: &[Sample]) -> Result<WriteReport, sqlx::Error> {
    let mut report = WriteReport::default();
    let points = point::points(samples, &mut report);
    if points.is_empty() {
        return Ok(report);
    }
    let mut connection = pool.acquire().await?;
    let written = store(&mut connection, ids, &points).await;
    if written.is_err() {
        // SQLite itself ends a transaction that meets a full disk; the connection's book of transactions does
        // not hear of it, and what was "committed" afterwards would lie within one that never is. A fresh
        // connection begins with a clean book.
        connection.close().await?;
    }
    report.written = written?;
    Ok(report)
}

/// Writes `points` in one transaction; tells how many.
async fn store(connection: &mut SqliteConnection, ids: &SeriesIds, points: &[Point<'_>]) -> Result<u64, sqlx::Error> {
    let mut rows = number(connection, ids, points).await?;
    // Neighbours in the table next to each other; stable, so of equal points the last one stays.
    rows.sort_by_key(|row| (row.series, row.point.time()));
    let mut transaction = sqlx::Connection::begin(connection).await?;
    for chunk in rows.chunks(ROWS) {
        insert(&mut transaction, chunk).await?;
    }
    transaction.commit().await?;
    Ok(rows.len() as u64)
}

async fn insert(connection: &mut SqliteConnection, rows: &[Row<'_>]) -> Result<(), sqlx::Error> {
    let mut statement = QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO points (series_id, time_us, value, text, quality) ");
    statement.push_values(rows, |mut bind, Row { series, point }| {
        let (value, text) = match point.value {
            PointValue::Number(number) => (Some(number), None),
            PointValue::Text(text) => (None, Some(text.to_owned())),
        };
        bind.push_bind(*series).push_bind(point.time().micros()).push_bind(value).push_bind(text).push_bind(point.quality());
    });
    // Only the statement of a full chunk comes back often enough to be kept.
    statement.build().persistent(rows.len() == ROWS).execute(connection).await?;
    Ok(())
}

/// Gives each point its series number, adding new series to the dictionary.
async fn number<'a>(connection: &mut SqliteConnection, ids: &SeriesIds, points: &[Point<'a>]) -> Result<Vec<Row<'a>>, sqlx::Error> {
    let mut unknown = Vec::new();
    let mut rows = Vec::with_capacity(points.len());
    ids.look_up(points, |point, id| match id {
        Some(series) => rows.push(Row { series, point: *point }),
        None => unknown.push(*point),
    });
    if unknown.is_empty() {
        return Ok(rows);
    }
    // Committed before it is remembered: a number of a rolled-back dictionary row may be given twice.
    let mut transaction = sqlx::Connection::begin(connection).await?;
    let mut fresh: HashMap<(Source, &str), i64> = HashMap::new();
    for point in unknown {
        let key = (Source::of(point.sample), point.signal);
        let id = if let Some(id) = fresh.get(&key) {
            *id
        } else {
            let id = series_id(&mut transaction, &point).await?;
            fresh.insert(key, id);
            id
        };
        rows.push(Row { series: id, point });
    }
    transaction.commit().await?;
    ids.remember(fresh);
    Ok(rows)
}

async fn series_id(connection: &mut SqliteConnection, point: &Point<'_>) -> Result<i64, sqlx::Error> {
    // The update that changes nothing makes RETURNING answer for rows that exist already.
    sqlx::query_scalar(
        "INSERT INTO series (vehicle, signal, session, fleet) VALUES (?, ?, ?, ?) \
         ON CONFLICT (vehicle, signal, session, fleet) DO UPDATE SET vehicle = excluded.vehicle RETURNING id",
    )
    .bind(point.sample.vehicle.as_str().to_owned())
    .bind(point.signal.to_owned())
    .bind(point.session().to_owned())
    .bind(point.fleet().to_owned())
    .fetch_one(connection)
    .await
}
