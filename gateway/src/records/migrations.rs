//! The schema, embedded; one file a change, the same numbers for both databases.

use slipstream_actors::ports::RecordsError;
use sqlx::{
    SqlSafeStr,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
};

use super::database::told;

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

/// Brings a database's schema up to date, one process at a time.
pub(super) async fn run<C: Migrate>(changes: &'static [Change], connection: &mut C) -> Result<(), RecordsError> {
    let migrations = changes
        .iter()
        .map(|(version, name, sql)| Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false))
        .collect();
    Migrator::with_migrations(migrations)
        // What `run` does; that one cannot be spawned (rust-lang/rust#100013).
        .run_direct(None, connection, false)
        .await
        .map_err(|error| match &error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) if told(cause).is_retryable() => told(cause),
            _ => RecordsError::Refused(format!("the schema cannot be brought up to date: {error}")),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_changes() {
        let names = |changes: &'static [Change]| changes.iter().map(|(version, name, _)| (*version, *name)).collect::<Vec<_>>();
        assert_eq!(names(SQLITE), names(POSTGRES));
    }
}
