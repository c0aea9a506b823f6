//! One way to run a statement, whichever database it is.

use std::time::Duration;

use slipstream_ports::{Listing, Page, RecordsError};
use slipstream_protocol::{Id, SessionId, Timestamp, VehicleId};
use sqlx::{FromRow, SqlitePool, postgres::PgRow, sqlite::SqliteRow};

use super::{failure::told, postgres::Postgres, sqlite};

/// A pool of connections to one of the databases.
#[derive(Clone, Debug)]
pub(super) enum Database {
    Sqlite(SqlitePool),
    Postgres(Postgres),
}

/// A value bound to a statement.
pub(super) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Real(Option<f64>),
}

/// A row that either database can give: a tuple of columns.
pub(super) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin> Row for T {}

macro_rules! bind {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Arg::Text(text) => query.bind(text),
                Arg::Int(int) => query.bind(int),
                Arg::Real(real) => query.bind(real),
            };
        }
        query
    }};
}

/// Runs a statement of PostgreSQL in a transaction of its own, under no name. A pooler that pools by transaction hands the
/// connection to another client behind every transaction: a named statement would be met, or missed, by others, and even an
/// unnamed one is only there until the end of the transaction in which it was prepared.
macro_rules! in_transaction {
    ($database:expr, $statement:expr, $run:ident) => {{
        let pool = $database.ready()?;
        answered(async {
            let mut transaction = pool.begin().await?;
            let done = $statement.persistent(false).$run(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(done)
        })
        .await
    }};
}

impl Database {
    /// Runs a statement; answers how many rows it changed.
    pub(super) async fn execute(&self, sql: &'static str, args: Vec<Arg>) -> Result<u64, RecordsError> {
        match self {
            Self::Sqlite(pool) => answered(bind!(sqlx::query(sql), args).execute(pool)).await.map(|done| done.rows_affected()),
            Self::Postgres(database) => in_transaction!(database, bind!(sqlx::query(sql), args), execute).map(|done| done.rows_affected()),
        }
    }

    /// The row of a query that gives exactly one.
    pub(super) async fn one<T: Row>(&self, sql: &'static str, args: Vec<Arg>) -> Result<T, RecordsError> {
        self.optional(sql, args).await?.ok_or_else(|| RecordsError::Refused("a row was expected".to_owned()))
    }

    /// The row of a query that gives at most one.
    pub(super) async fn optional<T: Row>(&self, sql: &'static str, args: Vec<Arg>) -> Result<Option<T>, RecordsError> {
        match self {
            // To its end: a statement with RETURNING that is left at its first row commits when it is put away,
            // and a full disk that forbids that is not told.
            Self::Sqlite(pool) => {
                answered(bind!(sqlx::query_as::<_, T>(sql), args).fetch_all(pool)).await.map(|rows| rows.into_iter().next())
            }
            Self::Postgres(database) => in_transaction!(database, bind!(sqlx::query_as::<_, T>(sql), args), fetch_optional),
        }
    }

    /// Every row.
    pub(super) async fn all<T: Row>(&self, sql: &'static str, args: Vec<Arg>) -> Result<Vec<T>, RecordsError> {
        match self {
            Self::Sqlite(pool) => answered(bind!(sqlx::query_as::<_, T>(sql), args).fetch_all(pool)).await,
            Self::Postgres(database) => in_transaction!(database, bind!(sqlx::query_as::<_, T>(sql), args), fetch_all),
        }
    }

    /// One page of a list: `sql` gives its rows, `total` counts the whole list. Both take the same
    /// filters; after them `sql` takes the page's limit and offset.
    pub(super) async fn page<R: Row, T>(
        &self,
        [sql, total]: [&'static str; 2],
        page: Page,
        filters: impl Fn() -> Vec<Arg>,
        read: impl Fn(R) -> Result<T, RecordsError>,
    ) -> Result<Listing<T>, RecordsError> {
        let (total,) = self.one::<(i64,)>(total, filters()).await?;
        let mut args = filters();
        args.push(i64::from(page.size).into());
        args.push(i64::try_from(page.offset()).unwrap_or(i64::MAX).into());
        let rows = self.all::<R>(sql, args).await?;
        let entries = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listing { entries, total: total.cast_unsigned() })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => sqlite::close(pool).await,
            Self::Postgres(database) => database.close().await,
        }
    }
}

/// How long a statement may take: every one of ours reads or writes a few rows. A database that hangs
/// must not take those who ask along.
const DEADLINE: Duration = Duration::from_secs(8);

/// Waits for a statement's outcome, not for ever.
pub(super) async fn answered<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, RecordsError> {
    match tokio::time::timeout(DEADLINE, statement).await {
        Ok(outcome) => outcome.map_err(|error| told(&error)),
        Err(_) => Err(RecordsError::Unavailable(format!("no answer within {} s", DEADLINE.as_secs()))),
    }
}

/// Names what is in conflict.
pub(super) fn name_conflict(error: RecordsError, what: impl FnOnce() -> String) -> RecordsError {
    if matches!(error, RecordsError::Conflict(_)) { RecordsError::Conflict(what()) } else { error }
}

/// Reads an id back from its column.
pub(super) fn id_of(text: &str) -> Result<Id, RecordsError> {
    Id::new(text).map_err(|error| RecordsError::Refused(error.message))
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Option<i64>> for Arg {
    fn from(int: Option<i64>) -> Self {
        Self::Int(int)
    }
}

impl From<i64> for Arg {
    fn from(int: i64) -> Self {
        Self::Int(Some(int))
    }
}

impl From<u64> for Arg {
    fn from(int: u64) -> Self {
        Self::Int(Some(i64::try_from(int).unwrap_or(i64::MAX)))
    }
}

impl From<u32> for Arg {
    fn from(int: u32) -> Self {
        Self::Int(Some(i64::from(int)))
    }
}

impl From<Option<f64>> for Arg {
    fn from(real: Option<f64>) -> Self {
        Self::Real(real)
    }
}

impl From<Timestamp> for Arg {
    fn from(at: Timestamp) -> Self {
        Self::Int(Some(at.micros()))
    }
}

macro_rules! arg_from_ids {
    ($($id:ty),*) => { $(
        impl From<&$id> for Arg {
            fn from(id: &$id) -> Self {
                Self::Text(Some(id.as_str().to_owned()))
            }
        }

        impl From<Option<&$id>> for Arg {
            fn from(id: Option<&$id>) -> Self {
                Self::Text(id.map(|id| id.as_str().to_owned()))
            }
        }
    )* };
}

arg_from_ids!(Id, VehicleId, SessionId);

/// Values to bind, in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::records::database::Arg::from($value)),*] };
}

pub(super) use args;
