//! Writing blocks.

use std::collections::HashMap;

use slipstream_ports::WriteReport;
use slipstream_protocol::{Sample, SignalName};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::{
    block::{self, Filling},
    dictionary::{Dictionary, Source},
};

/// Rows of one statement.
const ROWS: usize = 64;

/// One row of `blocks`.
struct Row {
    source: i64,
    first: i64,
    last: i64,
    body: Vec<u8>,
}

pub(super) async fn write(pool: &SqlitePool, known: &Dictionary, samples: &[Sample]) -> Result<WriteReport, sqlx::Error> {
    let mut report = WriteReport::default();
    let (blocks, points) = block::blocks(samples, &mut report);
    if blocks.is_empty() {
        return Ok(report);
    }
    let mut connection = pool.acquire().await?;
    let stored = store(&mut connection, known, blocks).await;
    if stored.is_err() {
        // SQLite itself ends a transaction that meets a full disk; the connection's book of transactions does
        // not hear of it, and what was "committed" afterwards would lie within one that never is. A fresh
        // connection begins with a clean book.
        connection.close().await?;
    }
    stored?;
    report.written = points;
    Ok(report)
}

/// Writes blocks in one transaction.
async fn store(connection: &mut SqliteConnection, known: &Dictionary, blocks: Vec<(Source, Filling)>) -> Result<(), sqlx::Error> {
    learn(connection, known, &blocks).await?;
    let mut rows = Vec::with_capacity(blocks.len());
    for (source, mut filling) in blocks {
        for (column, name) in filling.block.columns.iter_mut().zip(&filling.names) {
            column.signal = known.signals.number(name).ok_or(sqlx::Error::RowNotFound)?;
        }
        let source = known.sources.number(&source).ok_or(sqlx::Error::RowNotFound)?;
        rows.push(Row { source, first: filling.first, last: filling.last, body: filling.block.pack() });
    }
    let mut transaction = sqlx::Connection::begin(connection).await?;
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        insert(&mut transaction, rows.by_ref().take(ROWS).collect()).await?;
    }
    transaction.commit().await
}

async fn insert(connection: &mut SqliteConnection, rows: Vec<Row>) -> Result<(), sqlx::Error> {
    let full = rows.len() == ROWS;
    let mut statement = QueryBuilder::<Sqlite>::new("INSERT INTO blocks (source_id, first_us, last_us, body) ");
    statement.push_values(rows, |mut bind, Row { source, first, last, body }| {
        bind.push_bind(source).push_bind(first).push_bind(last).push_bind(body);
    });
    // Only the statement of a full chunk comes back often enough to be kept.
    statement.build().persistent(full).execute(connection).await?;
    Ok(())
}

/// Sees to it that every source and signal of `blocks` is known, adding new ones to the tables.
async fn learn(connection: &mut SqliteConnection, known: &Dictionary, blocks: &[(Source, Filling)]) -> Result<(), sqlx::Error> {
    let mut sources: HashMap<Source, i64> = HashMap::new();
    let mut signals: HashMap<SignalName, i64> = HashMap::new();
    for (source, filling) in blocks {
        if known.sources.number(source).is_none() {
            sources.insert(source.clone(), 0);
        }
        for name in filling.names.iter().filter(|name| known.signals.number(name).is_none()) {
            signals.insert(name.clone(), 0);
        }
    }
    if sources.is_empty() && signals.is_empty() {
        return Ok(());
    }
    // Committed before it is remembered: a number of a rolled-back row may be given twice.
    let mut transaction = sqlx::Connection::begin(connection).await?;
    // The update that changes nothing makes RETURNING answer for rows that exist already.
    for (source, id) in &mut sources {
        *id = sqlx::query_scalar(
            "INSERT INTO sources (vehicle, session, fleet) VALUES (?, ?, ?) \
             ON CONFLICT (vehicle, session, fleet) DO UPDATE SET vehicle = excluded.vehicle RETURNING id",
        )
        .bind(source.vehicle.as_str().to_owned())
        .bind(source.session.as_deref().unwrap_or("").to_owned())
        .bind(source.fleet.as_deref().unwrap_or("").to_owned())
        .fetch_one(&mut *transaction)
        .await?;
    }
    for (name, id) in &mut signals {
        *id =
            sqlx::query_scalar("INSERT INTO signals (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id")
                .bind(name.to_string())
                .fetch_one(&mut *transaction)
                .await?;
    }
    transaction.commit().await?;
    known.sources.remember(sources);
    known.signals.remember(signals);
    Ok(())
}
