//! Time series stores.

use std::{str::FromStr, time::Duration};

use slipstream_protocol::{ErrorCode, FleetId, ProtocolError, Sample, SessionId, Timestamp, VehicleId};

use super::PortFuture;

/// A time-series store. Measurement `vehicle_telemetry`; tags `vehicle_id`, `sensor_type` (the
/// signal's name), `fleet_id`, `session_id`; fields `value` (float), `quality` (integer),
/// `metadata` (string; text signals, which have no `value`). Switches are stored as 1 and 0. Same
/// measurement, tags and time overwrite, so retries are safe.
pub trait SeriesStore: Send + Sync + 'static {
    /// What metrics and logs call it: `sqlite`, `influxdb2`, `influxdb1`.
    fn name(&self) -> &'static str;

    /// Writes every signal of `samples`. `Ok` means the store has all but the reported rejections.
    fn write<'a>(&'a self, samples: &'a [Sample]) -> PortFuture<'a, Result<WriteReport, SeriesError>>;

    /// How many points are best written at once, where there are as many: more cost the store less each.
    fn batch_points(&self) -> usize {
        5_000
    }

    /// Reads one vehicle's series.
    fn query<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>>;

    /// The vehicles that have points, sorted.
    fn vehicles(&self) -> PortFuture<'_, Result<Vec<VehicleId>, SeriesError>>;

    /// Whether the store answers.
    fn ping(&self) -> PortFuture<'_, Result<(), SeriesError>>;

    /// Ends what is open after what is under way; a store of files leaves them whole, each by itself.
    fn close(&self) -> PortFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
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
    /// How many points that is.
    pub points: u64,
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
    /// Most points in the whole answer: the earliest ones, whichever their signals. To go on, ask
    /// again from the last time of a truncated answer.
    pub limit: usize,
}

impl SeriesQuery {
    /// The start of the window that holds `time`: windows begin at whole multiples of `window` since
    /// the Unix epoch, before it too.
    #[must_use]
    pub fn window_start(time: Timestamp, window: Duration) -> Timestamp {
        let micros = i64::try_from(window.as_micros()).unwrap_or(i64::MAX).max(1);
        Timestamp::from_micros(time.micros().div_euclid(micros).saturating_mul(micros))
    }
}

/// What a window yields. Windows without points yield nothing. Text signals have no numbers, so they
/// answer to `Count` alone. The mean of a signal that is a direction by its name (`heading_deg`) is that of
/// unit vectors, as [`Aggregate::CircularMean`] is of any; opposite directions have none.
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
    /// How many points, text included.
    Count,
    /// Earliest value.
    First,
    /// Latest value.
    Last,
    /// Mean of directions: 350° and 10° give 0°.
    CircularMean,
}

impl Aggregate {
    /// Every aggregate.
    pub const ALL: [Self; 8] = [Self::Mean, Self::Min, Self::Max, Self::Sum, Self::Count, Self::First, Self::Last, Self::CircularMean];

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
            Self::CircularMean => "circular_mean",
        }
    }
}

impl FromStr for Aggregate {
    type Err = ProtocolError;

    fn from_str(word: &str) -> Result<Self, ProtocolError> {
        Self::ALL.into_iter().find(|a| a.as_str() == word).ok_or_else(|| {
            let shown: String = word.chars().take(40).collect();
            let known: Vec<&str> = Self::ALL.iter().map(|a| a.as_str()).collect();
            ProtocolError::new(ErrorCode::ValidationError, format!("'{shown}' is not an aggregate; one of {} is", known.join(", ")))
        })
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The signal's name.
    pub signal: String,
    /// In order of time; points of different sessions or fleets may share a time.
    pub points: Vec<SeriesPoint>,
}

/// One point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesPoint {
    /// Source time; the window's start where aggregated.
    pub time: Timestamp,
    /// The number, where it is one.
    pub value: Option<f64>,
    /// The text, where it is text.
    pub text: Option<String>,
    /// Quality as stored; absent where aggregated.
    pub quality: Option<i64>,
    /// The session it belongs to; absent where there is none, and where aggregated.
    pub session: Option<SessionId>,
    /// The fleet it was reported for; absent where there is none, and where aggregated.
    pub fleet: Option<FleetId>,
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
        /// How long the store asked to be left alone, where it said.
        retry_after: Option<Duration>,
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

    /// How long the store asked to be left alone, where it said.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Refused { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_start_at_whole_multiples_of_their_length_before_the_epoch_too() {
        let window = Duration::from_secs(10);
        for (micros, start) in [(0, 0), (9_999_999, 0), (10_000_000, 10_000_000), (-1, -10_000_000), (-10_000_000, -10_000_000)] {
            assert_eq!(SeriesQuery::window_start(Timestamp::from_micros(micros), window).micros(), start, "{micros}");
        }
    }

    #[test]
    fn every_aggregate_is_found_by_its_word_and_nothing_else_is() {
        for aggregate in Aggregate::ALL {
            assert_eq!(aggregate.as_str().parse::<Aggregate>().unwrap(), aggregate);
        }
        assert!("median".parse::<Aggregate>().unwrap_err().message.contains("mean"));
    }
}
