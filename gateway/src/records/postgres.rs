//! The PostgreSQL database.

use std::time::Duration;

use slipstream_actors::ports::RecordsError;
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{database::told, migrations};

/// Connects to the database at `url`.
pub(super) async fn open(url: &str) -> Result<PgPool, RecordsError> {
    let pool = PgPoolOptions::new()
        .max_connections(10)
        .acquire_timeout(Duration::from_secs(5))
        .connect(url)
        .await
        .map_err(|error| told(&error))?;
    migrations::run(migrations::POSTGRES, &pool).await?;
    Ok(pool)
}
