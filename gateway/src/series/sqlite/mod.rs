//! The embedded store: one `SQLite` file.
//!
//! A dictionary gives each series (vehicle, signal, session, fleet) a number; the points lie in a
//! table without rowids, clustered by that number and the time, so that a series is read in one run
//! and the same point written again overwrites itself.

mod query;
mod series_ids;
mod write;

use std::{path::Path, time::Duration};

use slipstream_actors::ports::{PortFuture, SeriesAnswer, SeriesError, SeriesQuery, SeriesStore, WriteReport};
use slipstream_protocol::{Sample, VehicleId};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use series_ids::SeriesIds;

/// What metrics and logs call it.
const NAME: &str = "sqlite";

/// How many readers may work at once; writers never wait for them (write-ahead log).
const READERS: u32 = 4;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS series (
    id      INTEGER PRIMARY KEY,
    vehicle TEXT NOT NULL,
    signal  TEXT NOT NULL,
    session TEXT NOT NULL, -- '' where there is none
    fleet   TEXT NOT NULL, -- '' where there is none
    UNIQUE (vehicle, signal, session, fleet)
) STRICT;
CREATE TABLE IF NOT EXISTS points (
    series_id INTEGER NOT NULL,
    time_us   INTEGER NOT NULL, -- source time, microseconds since the Unix epoch
    value     REAL,
    text      TEXT,
    quality   INTEGER NOT NULL,
    PRIMARY KEY (series_id, time_us)
) STRICT, WITHOUT ROWID;
";

/// Time series in one `SQLite` file. Dropping it closes the file.
#[derive(Debug)]
pub struct SqliteSeries {
    writer: SqlitePool,
    reader: SqlitePool,
    ids: SeriesIds,
}

impl SqliteSeries {
    /// Opens the file, making it and its folder where they are missing.
    pub async fn open(file: &Path) -> Result<Self, SeriesError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| SeriesError::Refused {
                store: NAME,
                reason: format!("the folder {} cannot be made: {e}", folder.display()),
            })?;
        }
        // What is written counts as stored, so it must outlive a power cut: FULL, not NORMAL.
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .pragma("cache_size", "-65536");
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(|e| failed(&e))?;
        sqlx::raw_sql(SCHEMA).execute(&writer).await.map_err(|e| failed(&e))?;
        let reader =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await.map_err(|e| failed(&e))?;
        Ok(Self { writer, reader, ids: SeriesIds::default() })
    }
}

impl SeriesStore for SqliteSeries {
    fn name(&self) -> &'static str {
        NAME
    }

    fn write<'a>(&'a self, samples: &'a [Sample]) -> PortFuture<'a, Result<WriteReport, SeriesError>> {
        Box::pin(async move { write::write(&self.writer, &self.ids, samples).await.map_err(|e| failed(&e)) })
    }

    fn query<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>> {
        Box::pin(async move { query::query(&self.reader, query).await.map_err(|e| failed(&e)) })
    }

    fn vehicles(&self) -> PortFuture<'_, Result<Vec<VehicleId>, SeriesError>> {
        Box::pin(async move { query::vehicles(&self.reader).await.map_err(|e| failed(&e)) })
    }

    fn ping(&self) -> PortFuture<'_, Result<(), SeriesError>> {
        Box::pin(async move { sqlx::query("SELECT 1").execute(&self.reader).await.map(|_| ()).map_err(|e| failed(&e)) })
    }
}

/// Busy, locked, full and failing disks pass; a file that is no database, or a read-only one, does not.
fn failed(error: &sqlx::Error) -> SeriesError {
    let primary =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).and_then(|c| c.parse::<u32>().ok()).map(|code| code & 0xff);
    // SQLITE_ERROR, PERM, READONLY, CORRUPT, MISMATCH, NOTADB
    if matches!(primary, Some(1 | 3 | 8 | 11 | 20 | 26)) {
        return SeriesError::Refused { store: NAME, reason: format!("{error}; check series.db under DATA_DIR") };
    }
    SeriesError::Unavailable { store: NAME, reason: error.to_string(), retry_after: None }
}
