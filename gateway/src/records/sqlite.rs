//! The SQLite file.

use std::{path::Path, time::Duration};

use slipstream_actors::ports::RecordsError;
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{database::told, migrations};

/// Opens the file, made where there is none.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, RecordsError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| RecordsError::Unavailable(format!("{}: {error}", folder.display())))?;
    }
    // WAL lets readers read beside the writer; FULL syncs every commit, so what was answered is kept.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options)
        .await
        .map_err(|error| told(&error))?;
    let mut connection = pool.acquire().await.map_err(|error| told(&error))?;
    migrations::run(migrations::SQLITE, &mut *connection).await?;
    drop(connection);
    Ok(pool)
}
