//! The PostgreSQL database.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use slipstream_actors::ports::RecordsError;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    database::{self, told},
    migrations,
};

/// How long the start waits for a database that does not answer.
const FIRST_TRY: Duration = Duration::from_secs(3);

/// Wait between attempts to reach a database that was away at the start; doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Connections to a database whose schema may not be known to be ours yet.
#[derive(Clone, Debug)]
pub(super) struct Postgres {
    pool: PgPool,
    /// Why it cannot be used yet; nothing once the schema is up to date.
    obstacle: Arc<Mutex<Option<RecordsError>>>,
}

impl Postgres {
    /// Connects to the database at `url`. One that is away does not hold up the start: it is tried again
    /// until it is there, and statements are refused meanwhile. One that refuses (a wrong password, no such
    /// database, a schema that is not ours) is an error at once. To be called within a tokio runtime.
    pub(super) async fn open(url: &str) -> Result<Self, RecordsError> {
        let options: PgConnectOptions = url.parse().map_err(|error| told(&error))?;
        let pool = PgPoolOptions::new().max_connections(10).acquire_timeout(Duration::from_secs(5)).connect_lazy_with(options);
        let database = Self { pool, obstacle: Arc::default() };
        let first = tokio::time::timeout(FIRST_TRY, prepare(&database.pool)).await;
        match first.unwrap_or_else(|_| Err(RecordsError::Unavailable(format!("no answer within {} s", FIRST_TRY.as_secs())))) {
            Ok(()) => {}
            Err(error) if error.is_retryable() => {
                tracing::error!(%error, "the database of records is away; the server starts without it and tries again");
                *database.obstacle.lock() = Some(error);
                tokio::spawn(database.clone().keep_trying());
            }
            Err(error) => return Err(error),
        }
        Ok(database)
    }

    /// The connections, once the schema is up to date.
    pub(super) fn ready(&self) -> Result<&PgPool, RecordsError> {
        match &*self.obstacle.lock() {
            None => Ok(&self.pool),
            Some(obstacle) => Err(RecordsError::Unavailable(format!("not reached since the start: {obstacle}"))),
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn keep_trying(self) {
        let mut wait = FIRST_WAIT;
        loop {
            tokio::select! {
                () = self.pool.close_event() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
            match database::answered(async { Ok(prepare(&self.pool).await) }).await.flatten() {
                Ok(()) => {
                    *self.obstacle.lock() = None;
                    tracing::info!("the database of records is there");
                    return;
                }
                Err(error) => {
                    if !error.is_retryable() {
                        tracing::error!(%error, "the database of records is there, and refuses");
                    }
                    *self.obstacle.lock() = Some(error);
                }
            }
        }
    }
}

/// Connects, and brings the schema up to date.
async fn prepare(pool: &PgPool) -> Result<(), RecordsError> {
    // Not through the pool, which asks again and again for as long as one may wait for a connection.
    let options = pool.connect_options();
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect_with(&options).await.map_err(|error| told(&error))?;
    migrations::run(migrations::POSTGRES, &mut connection).await?;
    sqlx::Connection::close(connection).await.map_err(|error| told(&error))
}
