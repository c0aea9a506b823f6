//! The embedded store: one `SQLite` file.
//!
//! Dictionaries give each source (vehicle, session, fleet) and each signal a number; what one source
//! reported within one write lies in one row, packed by columns ([`block`]). Rows are only added, so a write
//! costs about what its values take; the same point written again lies there twice, and readers see the
//! last one ([`scan`]).

mod block;
mod convert;
mod dictionary;
mod query;
mod scan;
mod write;

use std::{path::Path, time::Duration};

use slipstream_ports::{PortFuture, SeriesAnswer, SeriesError, SeriesQuery, SeriesStore, WriteReport};
use slipstream_protocol::{Sample, VehicleId};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use dictionary::Dictionary;

/// What metrics and logs call it.
const NAME: &str = "sqlite";

/// The version of the file's schema, which its head tells (`PRAGMA user_version`). Files of earlier builds tell 0.
pub const SQLITE_VERSION: u32 = 1;

/// How many readers may work at once; writers never wait for them (write-ahead log).
const READERS: u32 = 4;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sources (
    id      INTEGER PRIMARY KEY,
    vehicle TEXT NOT NULL,
    session TEXT NOT NULL, -- '' where there is none
    fleet   TEXT NOT NULL, -- '' where there is none
    UNIQUE (vehicle, session, fleet)
) STRICT;
CREATE TABLE IF NOT EXISTS signals (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS blocks (
    id        INTEGER PRIMARY KEY, -- in the order written: of equal points the one in the highest counts
    source_id INTEGER NOT NULL,
    first_us  INTEGER NOT NULL, -- earliest source time, microseconds since the Unix epoch
    last_us   INTEGER NOT NULL, -- latest
    body      BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS blocks_by_time ON blocks (source_id, first_us);
";

/// Time series in one `SQLite` file. Dropping it closes the file.
#[derive(Debug)]
pub struct SqliteSeries {
    writer: SqlitePool,
    reader: SqlitePool,
    known: Dictionary,
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
        let options = options(file).create_if_missing(true).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(|e| failed(&e))?;
        check_version(&writer).await?;
        sqlx::raw_sql(SCHEMA).execute(&writer).await.map_err(|e| failed(&e))?;
        let reader =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await.map_err(|e| failed(&e))?;
        let store = Self { writer, reader, known: Dictionary::default() };
        convert::convert(&store, file).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {SQLITE_VERSION}")))
            .execute(&store.writer)
            .await
            .map_err(|e| failed(&e))?;
        Ok(store)
    }

    /// Opens the file for queries alone; it may be in use by a server.
    pub async fn read(file: &Path) -> Result<Self, SeriesError> {
        let options = options(file).read_only(true);
        let reader = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(|e| failed(&e))?;
        check_version(&reader).await?;
        Ok(Self { writer: reader.clone(), reader, known: Dictionary::default() })
    }
}

/// Refuses a file that a newer version has written.
async fn check_version(pool: &SqlitePool) -> Result<(), SeriesError> {
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(pool).await.map_err(|e| failed(&e))?;
    if found <= i64::from(SQLITE_VERSION) {
        return Ok(());
    }
    let reason = format!(
        "series.db was written by a newer slipstream (schema version {found}; this one knows up to {SQLITE_VERSION}): start the newer \
         version, or restore a backup from before the upgrade"
    );
    Err(SeriesError::Refused { store: NAME, reason })
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(10)).pragma("cache_size", "-65536")
}

impl SeriesStore for SqliteSeries {
    fn name(&self) -> &'static str {
        NAME
    }

    fn write<'a>(&'a self, samples: &'a [Sample]) -> PortFuture<'a, Result<WriteReport, SeriesError>> {
        Box::pin(async move { write::write(&self.writer, &self.known, samples).await.map_err(|e| failed(&e)) })
    }

    fn batch_points(&self) -> usize {
        // Five thousand samples of twenty signals.
        100_000
    }

    fn query<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>> {
        Box::pin(async move { query::query(&self.reader, query).await.map_err(|e| failed(&e)) })
    }

    fn vehicles(&self) -> PortFuture<'_, Result<Vec<VehicleId>, SeriesError>> {
        Box::pin(async move { query::vehicles(&self.reader).await.map_err(|e| failed(&e)) })
    }

    fn close(&self) -> PortFuture<'_, ()> {
        Box::pin(async move {
            // The last connection to close takes the write-ahead log into the file; readers must not be that one.
            self.reader.close().await;
            if let Err(error) = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await
                && !self.writer.is_closed()
            {
                tracing::warn!(%error, "series.db keeps a write-ahead log, which belongs to it");
            }
            self.writer.close().await;
        })
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
