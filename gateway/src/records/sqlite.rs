//! The SQLite file.

use std::{path::Path, time::Duration};

use slipstream_ports::RecordsError;
use sqlx::{
    ConnectOptions as _, Connection as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{failure::told, migrations};

/// Opens the file, made where there is none.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, RecordsError> {
    check(path).await?;
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
    migrations::run(migrations::SQLITE, &mut connection).await?;
    drop(connection);
    Ok(pool)
}

/// Refuses a file whose schema is newer than this build's. Opened as immutable, so that not even a lock or a write-ahead log
/// is made. A file that cannot be read that way is left to [`open`], which tells why.
pub(super) async fn check(path: &Path) -> Result<(), RecordsError> {
    if !path.is_file() {
        return Ok(());
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let Ok(mut connection) = options.connect().await else { return Ok(()) };
    let newest = sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut connection).await;
    // Nothing was written that closing could fail to keep.
    let _ = connection.close().await;
    match newest {
        Ok(Some(version)) if version > migrations::newest(migrations::SQLITE) => Err(migrations::newer(version, migrations::SQLITE)),
        _ => Ok(()),
    }
}

/// Takes what the write-ahead log holds into the file, and closes.
pub(super) async fn close(pool: &SqlitePool) {
    if let Err(error) = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await
        && !pool.is_closed()
    {
        tracing::warn!(%error, "the file of records keeps a write-ahead log, which belongs to it");
    }
    pool.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_schema_is_told_as_such_and_not_touched_whether_or_not_it_lies_in_the_write_ahead_log() {
        for in_log in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("slipstream.db");
            let pool = open(&path).await.unwrap();
            let newer =
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'x', 1, x'00', 0)";
            sqlx::raw_sql(newer).execute(&pool).await.unwrap();
            if !in_log {
                close(&pool).await;
            }
            let before = std::fs::read(&path).unwrap();
            for refused in [check(&path).await.err(), open(&path).await.err()] {
                // From outside, what lies in the log alone is only seen once the file is opened.
                let Some(refused) = refused else {
                    assert!(in_log);
                    continue;
                };
                let told = refused.to_string();
                assert!(told.contains("newer slipstream") && told.contains("99") && !refused.is_retryable(), "{told}");
            }
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
    }
}
