//! Real servers for tests: each is started on a free loopback port with its own data folder, waited
//! for until it answers, and killed with its folder removed on drop.
//!
//! A server whose program is not installed gives `None` and a plain line on standard error, so that
//! the other tests still run; with `SLIPSTREAM_REQUIRE_SERVERS=1` it is a failure instead.

mod influxdb1;
mod pgbouncer;
mod postgres;
mod process;
mod victoria_metrics;

pub use influxdb1::InfluxDb1;
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, is_root};
pub use victoria_metrics::VictoriaMetrics;
