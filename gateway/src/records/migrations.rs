//! The schema, embedded; one file a change, the same numbers for both databases.

use std::{borrow::Cow, collections::BTreeMap};

use slipstream_ports::RecordsError;
use sqlx::{
    PgConnection, SqlSafeStr, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::failure::told;

/// One change of the schema: its number, its name, its statements.
pub(super) type Change = (i64, &'static str, &'static str);

/// The changes for SQLite.
pub(super) const SQLITE: &[Change] = &[
    (1, "records", include_str!("../../migrations/sqlite/0001_records.sql")),
    (2, "alarms", include_str!("../../migrations/sqlite/0002_alarms.sql")),
    (3, "access", include_str!("../../migrations/sqlite/0003_access.sql")),
];

/// The changes for PostgreSQL.
pub(super) const POSTGRES: &[Change] = &[
    (1, "records", include_str!("../../migrations/postgres/0001_records.sql")),
    (2, "alarms", include_str!("../../migrations/postgres/0002_alarms.sql")),
    (3, "access", include_str!("../../migrations/postgres/0003_access.sql")),
];

/// The number of the newest change.
pub(super) fn newest(changes: &[Change]) -> i64 {
    changes.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

/// The refusal of a schema with changes that this build does not know.
pub(super) fn newer(version: i64, changes: &[Change]) -> RecordsError {
    RecordsError::Refused(format!(
        "the records were written by a newer slipstream (schema version {version}; this one, {}, knows up to {}): start the newer \
         version, or restore a backup from before the upgrade; nothing was touched",
        env!("CARGO_PKG_VERSION"),
        newest(changes)
    ))
}

fn migrations(changes: &'static [Change]) -> Vec<Migration> {
    let migration =
        |(version, name, sql): &Change| Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false);
    changes.iter().map(migration).collect()
}

/// Brings the schema of an SQLite file up to date, one process at a time.
pub(super) async fn run(changes: &'static [Change], connection: &mut SqliteConnection) -> Result<(), RecordsError> {
    Migrator::with_migrations(migrations(changes))
        // What `run` does; that one cannot be spawned (rust-lang/rust#100013).
        .run_direct(None, connection, false)
        .await
        .map_err(|error| match &error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) if told(cause).is_retryable() => told(cause),
            MigrateError::VersionMissing(version) if *version > newest(changes) => newer(*version, changes),
            _ => outdated(error),
        })
}

fn outdated(why: impl std::fmt::Display) -> RecordsError {
    RecordsError::Refused(format!("the schema cannot be brought up to date: {why}"))
}

/// What sqlx's own migrator keeps in PostgreSQL, so that databases of earlier builds are known again.
const APPLIED: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                       installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
                       execution_time BIGINT NOT NULL)";

/// Brings the schema of a PostgreSQL database up to date, one process at a time: in one transaction and without named
/// statements, as [`super::database`] runs its own, and under a lock that ends with the transaction. sqlx's migrator does
/// neither, and a lock of a connection outlives its client behind a pooler.
pub(super) async fn run_postgres(changes: &'static [Change], connection: &mut PgConnection) -> Result<(), RecordsError> {
    let mut transaction = sqlx::Connection::begin(connection).await.map_err(|error| told(&error))?;
    run_within(changes, &mut transaction).await?;
    transaction.commit().await.map_err(|error| told(&error))
}

async fn run_within(changes: &'static [Change], connection: &mut PgConnection) -> Result<(), RecordsError> {
    let failed = |error: sqlx::Error| match told(&error) {
        passing if passing.is_retryable() => passing,
        refusal => outdated(refusal),
    };
    // The number that sqlx's migrator locks, so that an earlier build is kept out as well.
    let (name,): (String,) =
        sqlx::query_as("SELECT current_database()::TEXT").persistent(false).fetch_one(&mut *connection).await.map_err(failed)?;
    let lock = 0x3d32_ad9e_i64.wrapping_mul(i64::from(crc32fast::hash(name.as_bytes())));
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).persistent(false).execute(&mut *connection).await.map_err(failed)?;
    let exists: (bool,) = sqlx::query_as("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if !exists.0 {
        sqlx::raw_sql(APPLIED).execute(&mut *connection).await.map_err(failed)?;
    }
    let rows: Vec<(i64, bool, Vec<u8>)> = sqlx::query_as("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version")
        .persistent(false)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    for migration in missing(changes, rows)? {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *connection).await.map_err(failed)?;
        sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ($1, $2, TRUE, $3, -1)")
            .bind(migration.version)
            .bind(&*migration.description)
            .bind(&*migration.checksum)
            .persistent(false)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// The changes that were not applied yet, where those that were are ours.
fn missing(changes: &'static [Change], applied: Vec<(i64, bool, Vec<u8>)>) -> Result<Vec<Migration>, RecordsError> {
    let mut applied: BTreeMap<i64, (bool, Vec<u8>)> = applied.into_iter().map(|(version, whole, sum)| (version, (whole, sum))).collect();
    let mut missing = Vec::new();
    for migration in migrations(changes) {
        match applied.remove(&migration.version) {
            None => missing.push(migration),
            Some((false, _)) => {
                return Err(outdated(format!("change {} was applied in part; its row in _sqlx_migrations says so", migration.version)));
            }
            Some((true, sum)) if Cow::Borrowed(&*sum) != migration.checksum => {
                return Err(outdated(format!("change {} was applied in another form: it is of another slipstream", migration.version)));
            }
            Some(_) => {}
        }
    }
    match applied.last_key_value() {
        Some((version, _)) if *version > newest(changes) => Err(newer(*version, changes)),
        Some((version, _)) => Err(outdated(format!("change {version} was applied and is unknown here"))),
        None => Ok(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_changes() {
        let names = |changes: &'static [Change]| changes.iter().map(|(version, name, _)| (*version, *name)).collect::<Vec<_>>();
        assert_eq!(names(SQLITE), names(POSTGRES));
    }

    #[test]
    fn what_was_applied_is_not_applied_again_and_what_is_newer_or_of_others_is_refused() {
        let row = |migration: &Migration| (migration.version, true, migration.checksum.to_vec());
        let all: Vec<_> = migrations(POSTGRES).iter().map(row).collect();
        assert_eq!(missing(POSTGRES, Vec::new()).unwrap().len(), POSTGRES.len());
        assert_eq!(missing(POSTGRES, vec![all[0].clone()]).unwrap()[0].version, 2);
        assert!(missing(POSTGRES, all.clone()).unwrap().is_empty());
        for (wrong, told) in
            [((1, false, all[0].2.clone()), "in part"), ((1, true, vec![1]), "another form"), ((99, true, vec![1]), "newer")]
        {
            let mut rows = all.clone();
            rows.retain(|row| row.0 != wrong.0);
            rows.push(wrong);
            let refused = missing(POSTGRES, rows).unwrap_err();
            assert!(refused.to_string().contains(told) && !refused.is_retryable(), "{refused}");
        }
    }
}
