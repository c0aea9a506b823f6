//! The schema, embedded; one file a change, the same numbers for both databases.

use slipstream_actors::ports::RecordsError;
use sqlx::{
    SqlSafeStr,
    migrate::{Migrate, Migration, MigrationType, Migrator},
};

/// One change of the schema: its number, its name, its statements.
pub(super) type Change = (i64, &'static str, &'static str);

/// The changes for SQLite.
pub(super) const SQLITE: &[Change] = &[(1, "records", include_str!("../../migrations/sqlite/0001_records.sql"))];

/// The changes for PostgreSQL.
pub(super) const POSTGRES: &[Change] = &[(1, "records", include_str!("../../migrations/postgres/0001_records.sql"))];

/// Brings a database's schema up to date, one process at a time.
pub(super) async fn run<'c, C>(changes: &'static [Change], connection: C) -> Result<(), RecordsError>
where
    C: sqlx::Acquire<'c>,
    <C::Connection as std::ops::Deref>::Target: Migrate,
{
    let migrations = changes
        .iter()
        .map(|(version, name, sql)| Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false))
        .collect();
    Migrator::with_migrations(migrations)
        .run(connection)
        .await
        .map_err(|error| RecordsError::Refused(format!("the schema cannot be brought up to date: {error}")))
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
