//! Relational records in SQLite or PostgreSQL.
//!
//! Both databases understand the same statements (`$1`, `ON CONFLICT`, `RETURNING`), so every query
//! is written once, by subject; [`database`] is the one place that knows there are two.

mod access;
mod alarms;
mod database;
mod failure;
mod media;
mod migrations;
mod people;
mod postgres;
mod sessions;
mod sqlite;
mod tables;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use slipstream_ports::{PortFuture, Records, RecordsError, RecordsFuture};

use slipstream_protocol::{ErrorCode, ProtocolError};

use database::Database;
use postgres::Postgres;
pub(crate) use tables::names as table_names;

/// The relational store, in whichever database it was opened.
#[derive(Clone, Debug)]
pub struct SqlRecords {
    database: Database,
}

impl SqlRecords {
    /// Opens the SQLite file at `path`, made where there is none, and brings its schema up to date.
    pub async fn sqlite(path: &Path) -> Result<Self, RecordsError> {
        Ok(Self { database: Database::Sqlite(sqlite::open(path).await?) })
    }

    /// Connects to PostgreSQL at `url` (`postgres://user:password@host/database`) and brings its
    /// schema up to date. Where it does not answer, that is done as soon as it does; every statement is
    /// refused as [`RecordsError::Unavailable`] until then. To be called within a tokio runtime.
    pub async fn postgres(url: &str) -> Result<Self, RecordsError> {
        Ok(Self { database: Database::Postgres(Postgres::open(url).await?) })
    }
}

/// The SQLite file that the configuration says; `None` where it says PostgreSQL.
fn sqlite_file(database_url: Option<&str>, data_dir: &Path) -> Result<Option<PathBuf>, RecordsError> {
    match database_url {
        None => Ok(Some(data_dir.join("slipstream.db"))),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(None),
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(path) => Ok(Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))),
            None => Err(RecordsError::Refused("DATABASE_URL is neither postgres://... nor sqlite:<path>".to_owned())),
        },
    }
}

/// Refuses an SQLite file that a newer version has written. Reads only, and makes nothing.
pub async fn check(database_url: Option<&str>, data_dir: &Path) -> Result<(), RecordsError> {
    match sqlite_file(database_url, data_dir)? {
        Some(file) => sqlite::check(&file).await,
        None => Ok(()),
    }
}

/// Opens what the configuration says: PostgreSQL at `database_url`, else `slipstream.db` under `data_dir`.
///
/// Fails with [`RecordsError::Refused`] where the URL is none of a database known here.
pub async fn open(database_url: Option<&str>, data_dir: &Path) -> Result<Arc<dyn Records>, RecordsError> {
    let records = match (sqlite_file(database_url, data_dir)?, database_url) {
        (Some(file), _) => SqlRecords::sqlite(&file).await?,
        (None, url) => SqlRecords::postgres(url.unwrap_or_default()).await?,
    };
    Ok(Arc::new(records))
}

impl Records for SqlRecords {
    fn name(&self) -> &'static str {
        match self.database {
            Database::Sqlite(_) => "sqlite",
            Database::Postgres(_) => "postgres",
        }
    }

    fn ping(&self) -> RecordsFuture<'_, ()> {
        Box::pin(async { self.database.one::<(i64,)>("SELECT CAST(1 AS BIGINT)", vec![]).await.map(|_| ()) })
    }

    fn close(&self) -> PortFuture<'_, ()> {
        Box::pin(self.database.close())
    }
}

/// What a caller is told of an error of the records.
pub fn refusal(error: &RecordsError) -> ProtocolError {
    let code = match error {
        RecordsError::Unavailable(why) => {
            tracing::warn!(%why, "the database does not answer");
            return ProtocolError::new(ErrorCode::Unavailable, "the database does not answer; try again");
        }
        RecordsError::Refused(why) => {
            tracing::error!(%why, "the database refuses");
            return ProtocolError::new(ErrorCode::Internal, "the database refuses; the server's log says why");
        }
        RecordsError::Conflict(_) => ErrorCode::Conflict,
        RecordsError::NotFound(_) => ErrorCode::NotFound,
    };
    ProtocolError::new(code, error.to_string())
}
