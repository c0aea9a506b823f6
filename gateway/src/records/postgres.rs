//! The PostgreSQL database.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use slipstream_ports::RecordsError;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use super::{
    database,
    failure::{told, told_of_connecting},
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
        let options = options(url)?;
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

/// What the address says, fit for a pooler in between.
fn options(url: &str) -> Result<PgConnectOptions, RecordsError> {
    let options: PgConnectOptions = url.parse().map_err(|error| told(&error))?;
    // A pooler refuses the start of a session with a parameter that it does not track; numbers come in binary form anyway.
    let options = options.extra_float_digits(None);
    let files = certificate_files(url);
    for (parameter, path) in &files {
        check_pem(parameter, path)?;
    }
    // As libpq has it: an authority that is given is asked.
    let asks =
        matches!(options.get_ssl_mode(), PgSslMode::Require) && files.iter().any(|(parameter, _)| ROOTS.contains(&parameter.as_str()));
    Ok(if asks { options.ssl_mode(PgSslMode::VerifyCa) } else { options })
}

/// The parameters that name a file of authorities.
const ROOTS: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// The files of certificates and keys that an address names, each with its parameter.
fn certificate_files(url: &str) -> Vec<(String, String)> {
    let names = |name: &str| ROOTS.contains(&name) || ["sslcert", "ssl-cert", "sslkey", "ssl-key"].contains(&name);
    let pairs = reqwest::Url::parse(url).map(|url| url.query_pairs().into_owned().collect::<Vec<_>>()).unwrap_or_default();
    pairs.into_iter().filter(|(name, _)| names(name)).collect()
}

/// A file that is missing or is none of certificates would fail every connection, and look like an outage.
fn check_pem(parameter: &str, path: &str) -> Result<(), RecordsError> {
    let refused = |why: String| RecordsError::Refused(format!("{parameter}={path}: {why}"));
    let text = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    if text.windows(11).any(|window| window == b"-----BEGIN ") {
        Ok(())
    } else {
        Err(refused("the file holds nothing in PEM form".to_owned()))
    }
}

/// Connects, and brings the schema up to date.
async fn prepare(pool: &PgPool) -> Result<(), RecordsError> {
    // Not through the pool, which asks again and again for as long as one may wait for a connection.
    let options = pool.connect_options();
    let mut connection =
        <sqlx::PgConnection as sqlx::Connection>::connect_with(&options).await.map_err(|error| told_of_connecting(&error))?;
    migrations::run_postgres(migrations::POSTGRES, &mut connection).await?;
    sqlx::Connection::close(connection).await.map_err(|error| told(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_refused_with_the_reason() {
        for (parameters, told) in [
            ("sslmode=sometimes", "sometimes"),
            ("sslmode=verify-full&sslrootcert=/nowhere/root.pem", "/nowhere/root.pem"),
            ("sslmode=require&sslrootcert=/etc/hostname", "PEM"),
            ("port=many", "address"),
        ] {
            let refused = options(&format!("postgres://ann@localhost/records?{parameters}")).unwrap_err();
            assert!(matches!(&refused, RecordsError::Refused(why) if why.contains(told)), "{parameters}: {refused}");
        }
        assert!(options("postgres://local host:x/records").is_err());
    }

    #[test]
    fn an_authority_that_is_given_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("root.pem");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----").unwrap();
        let mode = |parameters: &str| options(&format!("postgres://localhost/records?{parameters}")).unwrap().get_ssl_mode();
        let given = format!("sslrootcert={}", file.display());
        assert!(matches!(mode(&format!("sslmode=require&{given}")), PgSslMode::VerifyCa));
        assert!(matches!(mode("sslmode=require"), PgSslMode::Require));
        assert!(matches!(mode(&format!("sslmode=verify-full&{given}")), PgSslMode::VerifyFull));
    }
}
