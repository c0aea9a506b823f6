//! Time series stores.

use std::time::Duration;

use slipstream_protocol::{Sample, SessionId, Timestamp, VehicleId};

use super::PortFuture;

/// A time-series store. Measurement `vehicle_telemetry`; tags `vehicle_id`, `sensor_type` (the
/// signal's name), `fleet_id`, `session_id`; fields `value` (float), `quality` (integer),
/// `metadata` (string; text signals). Same measurement, tags and time overwrite, so retries are safe.
pub trait SeriesStore: Send + Sync + 'static {
    /// What metrics and logs call it: `sqlite`, `influxdb2`, `influxdb1`.
    fn name(&self) -> &'static str;

    /// Writes every signal of `samples`. `Ok` means the store has all but the reported rejections.
    fn write<'a>(&'a self, samples: &'a [Sample]) -> PortFuture<'a, Result<WriteReport, SeriesError>>;

    /// Reads one vehicle's series.
    fn query<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>>;

    /// The vehicles that have points, sorted.
    fn vehicles(&self) -> PortFuture<'_, Result<Vec<VehicleId>, SeriesError>>;

    /// Whether the store answers.
    fn ping(&self) -> PortFuture<'_, Result<(), SeriesError>>;
}

/// What became of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// Points the store has.
    pub written: u64,
    /// Points it refused for good.
    pub rejected: u64,
    /// Why, as far as the store said.
    pub rejections: Vec<Rejection>,
}

/// Points a store refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What was refused, as sent or as the store described it.
    pub what: String,
    /// The store's reason.
    pub reason: String,
}

/// What to read.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesQuery {
    /// Whose series.
    pub vehicle: VehicleId,
    /// Only of this session.
    pub session: Option<SessionId>,
    /// From this moment, inclusive.
    pub from: Timestamp,
    /// To this moment, exclusive.
    pub to: Timestamp,
    /// Which signals; all where empty.
    pub signals: Vec<String>,
    /// Length of the aggregation windows, aligned to the Unix epoch; raw points where absent.
    pub window: Option<Duration>,
    /// What each window yields.
    pub aggregate: Aggregate,
    /// Most points in the whole answer.
    pub limit: usize,
}

/// What a window yields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// Arithmetic mean.
    #[default]
    Mean,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Sum.
    Sum,
    /// How many.
    Count,
    /// Earliest value.
    First,
    /// Latest value.
    Last,
}

impl Aggregate {
    /// Every aggregate.
    pub const ALL: [Self; 7] = [Self::Mean, Self::Min, Self::Max, Self::Sum, Self::Count, Self::First, Self::Last];

    /// The word in queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

/// An answer: one entry per signal, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesAnswer {
    /// The series.
    pub series: Vec<Series>,
    /// Whether `limit` cut the answer.
    pub truncated: bool,
}

/// One signal over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The signal's name.
    pub signal: String,
    /// In order of time.
    pub points: Vec<SeriesPoint>,
}

/// One point.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesPoint {
    /// Source time; the window's start where aggregated.
    pub time: Timestamp,
    /// The number, where it is one.
    pub value: Option<f64>,
    /// The text, where it is text.
    pub text: Option<String>,
    /// Quality as stored; absent where aggregated.
    pub quality: Option<i64>,
}

/// Why a store could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SeriesError {
    /// It does not answer, or is overloaded; try again later.
    #[error("{store} does not answer: {reason}")]
    Unavailable {
        /// Which store.
        store: &'static str,
        /// Why.
        reason: String,
    },
    /// It refuses for good: wrong credentials, unknown bucket, bad query.
    #[error("{store} refuses: {reason}")]
    Refused {
        /// Which store.
        store: &'static str,
        /// Why.
        reason: String,
    },
}

impl SeriesError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
