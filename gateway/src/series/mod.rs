//! Time series in `SQLite`, `InfluxDB` 2 or `InfluxDB` 1.x, and the writer that feeds them.
//!
//! Every store is a [`SeriesStore`]: measurement `vehicle_telemetry`, one point per signal of a
//! sample, overwritten when written again. [`open`] gives the configured ones.

mod answer;
mod delivery;
mod directions;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod influxdb1;
mod influxdb2;
mod line_protocol;
mod point;
mod sqlite;
mod window;
pub mod writer;

use std::{path::PathBuf, sync::Arc};

use slipstream_ports::{SeriesError, SeriesStore};

pub use influxdb1::InfluxDb1Series;
pub use influxdb2::InfluxDb2Series;
pub use sqlite::{SQLITE_VERSION, SqliteSeries};

use crate::{
    config::{Influx1, Influx2},
    trust,
};

/// The embedded store's file under `DATA_DIR`.
pub const SQLITE_FILE: &str = "series.db";

/// Which stores to open.
#[derive(Clone, Debug, Default)]
pub struct SeriesConfig {
    /// Where the embedded store's file lies; it is used where no server is configured.
    pub data_dir: PathBuf,
    /// On where it has an address.
    pub influx2: Influx2,
    /// On where it has an address.
    pub influx1: Influx1,
}

/// Opens the configured stores: all of them are written, the first one answers queries. Without a
/// server this is the embedded store. Servers need not be up yet.
pub async fn open(config: &SeriesConfig) -> Result<Vec<Arc<dyn SeriesStore>>, SeriesError> {
    let mut stores: Vec<Arc<dyn SeriesStore>> = Vec::new();
    if let Some(url) = &config.influx2.url {
        stores.push(Arc::new(InfluxDb2Series::new(url, &config.influx2)?));
    }
    if let Some(url) = &config.influx1.url {
        stores.push(Arc::new(InfluxDb1Series::new(url, &config.influx1)?));
    }
    if stores.is_empty() {
        stores.push(Arc::new(SqliteSeries::open(&config.data_dir.join(SQLITE_FILE)).await?));
    }
    Ok(stores)
}

/// An error with what caused it, what caused that, and what to do where TLS failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let told = inner.to_string();
        if !text.ends_with(&told) {
            text = format!("{text}: {told}");
        }
        cause = inner.source();
    }
    let cure = trust::cure(&text);
    text + cure
}

/// A sample for tests.
#[cfg(test)]
fn sample(vehicle: &str, micros: i64, numbers: &[(&str, f64)]) -> slipstream_protocol::Sample {
    use slipstream_protocol::{Quality, Sample, Signal, SignalValue, Timestamp, VehicleId};
    let time = Timestamp::from_micros(micros);
    Sample {
        vehicle: VehicleId::new(vehicle).unwrap(),
        session: None,
        fleet: None,
        seq: None,
        source_time: time,
        received_at: time,
        quality: Quality::Good,
        signals: numbers.iter().map(|(name, n)| Signal { name: (*name).into(), value: SignalValue::Number(*n) }).collect(),
        raw: None,
    }
}
