//! PostgreSQL that takes batches: one transaction each, synced before it is answered.

use anyhow::Result;
use slipstream_protocol::Sample;
use slipstream_tests::servers::Postgres;
use sqlx::{Connection, PgConnection};

/// Connections `PostgreSQL` allows by default, without those kept for its superuser's own use.
const MOST_CONNECTIONS: usize = 90;

/// A server of its own with a table of samples.
pub(super) struct Stage {
    _server: Postgres,
    /// Connections that agents share in turn where there are more agents than the server takes connections.
    pool: sqlx::PgPool,
}

pub(super) struct Agent(sqlx::PgPool);

impl Stage {
    pub(super) async fn start() -> Result<Option<Self>> {
        let Some(server) = Postgres::start_durable() else { return Ok(None) };
        let mut connection = PgConnection::connect(&server.url()).await?;
        let table = "CREATE TABLE samples (vehicle TEXT NOT NULL, seq BIGINT NOT NULL, time_us BIGINT NOT NULL, data JSONB NOT NULL, \
                     PRIMARY KEY (vehicle, seq))";
        sqlx::raw_sql(table).execute(&mut connection).await?;
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(MOST_CONNECTIONS as u32)
            .acquire_timeout(std::time::Duration::from_secs(60))
            .connect(&server.url())
            .await?;
        Ok(Some(Self { _server: server, pool }))
    }

    pub(super) fn agent(&self) -> Agent {
        Agent(self.pool.clone())
    }
}

impl Agent {
    /// One statement is one transaction; it returns when that is on the disk.
    pub(super) async fn send(&mut self, samples: &[Sample]) -> Result<()> {
        let (mut vehicles, mut seqs, mut times, mut data) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for sample in samples {
            vehicles.push(sample.vehicle.as_str().to_owned());
            seqs.push(sample.seq.unwrap_or_default() as i64);
            times.push(sample.source_time.micros());
            let signals = sample.signals.iter().filter_map(|s| Some((s.name.to_string(), s.value.as_number()?.into())));
            data.push(serde_json::Value::Object(signals.collect()).to_string());
        }
        let sql =
            "INSERT INTO samples SELECT v, s, t, d::jsonb FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::text[]) AS u(v, s, t, d)";
        sqlx::query(sql).bind(vehicles).bind(seqs).bind(times).bind(data).execute(&self.0).await?;
        Ok(())
    }
}
