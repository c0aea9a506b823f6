//! What a window knows of one signal.

use serde::{Deserialize, Serialize};
use slipstream_protocol::Quality;

use super::{plan::ColumnPlan, sketch::Sketch};
use crate::{
    angle::Directions,
    exact::{ExactMoments, ExactSum},
    pipeline::{SignalId, Value},
};

/// What is told about a signal of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Aggregate {
    /// How many values.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The value with the earliest time.
    First,
    /// The value with the latest time.
    Last,
    /// Sample standard deviation (n - 1); null below two values.
    StandardDeviation,
    /// The value at a quantile, within the sketch's error.
    Quantile(f64),
    /// `(last - first) / (time of last - time of first)`, per second; null below two times.
    Rate,
    /// Sum of trapezoids over time, value x s.
    Integral,
    /// The integral divided by the time it covers.
    TimeMean,
    /// Sum of trapezoids over another signal, which is to grow (distance).
    IntegralOver(SignalId),
    /// The mean of directions as unit vectors.
    CircularMean,
    /// The spread of directions, `sqrt(-2 ln R)`.
    CircularDeviation,
}

/// What a column must keep for its aggregates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each aggregate needs its own of these")]
pub(super) struct Needs {
    pub(super) ends: bool,
    pub(super) moments: bool,
    pub(super) sketch: bool,
    /// Needs the samples in order: kept in the key's track, not in the column.
    pub(super) track: bool,
    /// Needs the values as directions.
    pub(super) directions: bool,
}

impl Aggregate {
    /// What it is of a signal whose values are directions.
    pub(super) const fn of_directions(self) -> Self {
        match self {
            Self::Mean => Self::CircularMean,
            Self::StandardDeviation => Self::CircularDeviation,
            other => other,
        }
    }

    pub(super) fn needs(self) -> Needs {
        let none = Needs::default();
        match self {
            Self::Count | Self::Sum | Self::Mean | Self::Min | Self::Max => none,
            Self::First | Self::Last | Self::Rate => Needs { ends: true, ..none },
            Self::StandardDeviation => Needs { moments: true, ..none },
            Self::Quantile(_) => Needs { sketch: true, ..none },
            Self::Integral | Self::TimeMean | Self::IntegralOver(_) => Needs { track: true, ..none },
            Self::CircularMean | Self::CircularDeviation => Needs { directions: true, ..none },
        }
    }
}

impl Needs {
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            ends: self.ends || other.ends,
            moments: self.moments || other.moments,
            sketch: self.sketch || other.sketch,
            track: self.track || other.track,
            directions: self.directions || other.directions,
        }
    }
}

/// First and last value with their times in microseconds; moments and directions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Extra {
    first: Option<(i64, f64)>,
    last: Option<(i64, f64)>,
    moments: ExactMoments,
    directions: Directions,
}

/// Running sums of one signal in one window. They lose nothing, so order of arrival makes no difference at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Column {
    count: u64,
    sum: ExactSum,
    min: f64,
    max: f64,
    quality: Quality,
    extra: Option<Box<Extra>>,
    sketch: Option<Sketch>,
}

impl Default for Column {
    fn default() -> Self {
        Self {
            count: 0,
            sum: ExactSum::default(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            quality: Quality::Good,
            extra: None,
            sketch: None,
        }
    }
}

impl Column {
    /// Takes a value in. `micros` is its event time.
    #[inline]
    pub(super) fn add(&mut self, plan: &ColumnPlan, bits: u8, micros: i64, value: f64, quality: Quality) {
        let needs = plan.needs;
        self.count += 1;
        self.sum.add(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.quality = self.quality.min(quality);
        if needs.sketch {
            self.sketch.get_or_insert_with(|| Sketch::new(bits)).add(value);
        }
        if needs.ends || needs.moments || needs.directions {
            let extra = self.extra.get_or_insert_with(Box::default);
            extra.first = earlier(extra.first, (micros, value));
            extra.last = later(extra.last, (micros, value));
            if needs.moments {
                extra.moments.add(value);
            }
            if needs.directions {
                extra.directions.add(plan.turn, value, 1.0);
            }
        }
    }

    /// Takes up another column of the same signal.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if let Some(theirs) = &other.extra {
            let ours = self.extra.get_or_insert_with(Box::default);
            ours.first = theirs.first.map_or(ours.first, |f| earlier(ours.first, f));
            ours.last = theirs.last.map_or(ours.last, |l| later(ours.last, l));
            ours.moments.merge(&theirs.moments);
            ours.directions.merge(&theirs.directions);
        }
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.quality = self.quality.min(other.quality);
        match (&mut self.sketch, &other.sketch) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours @ None, Some(theirs)) => *ours = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// Empty again, keeping the memory of the sum and of the sketch.
    pub(super) fn clear(&mut self) {
        let (mut sum, mut sketch) = (std::mem::take(&mut self.sum), self.sketch.take());
        sum.clear();
        if let Some(sketch) = &mut sketch {
            sketch.clear();
        }
        *self = Self { sum, sketch, ..Self::default() };
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn quality(&self) -> Quality {
        self.quality
    }

    /// The aggregate's value; those over tracks are told elsewhere and null here.
    pub(super) fn value(&self, aggregate: Aggregate, plan: &ColumnPlan) -> Value {
        let ends = || {
            let extra = self.extra.as_ref()?;
            Some((extra.first?, extra.last?))
        };
        let number = match plan.aggregate_of(aggregate, self.min, self.max) {
            Aggregate::Count => Some(self.count as f64),
            Aggregate::Sum => Some(self.sum.value()),
            _ if self.count == 0 => None,
            Aggregate::Mean => Some(self.sum.value() / self.count as f64),
            Aggregate::Min => Some(self.min),
            Aggregate::Max => Some(self.max),
            Aggregate::First => ends().map(|(first, _)| first.1),
            Aggregate::Last => ends().map(|(_, last)| last.1),
            Aggregate::Rate => ends().filter(|(f, l)| l.0 > f.0).map(|(f, l)| plan.way(f.1, l.1) * 1e6 / (l.0 - f.0) as f64),
            Aggregate::StandardDeviation => self.extra.as_ref().and_then(|e| e.moments.standard_deviation(self.count)),
            Aggregate::CircularMean => self.extra.as_ref().and_then(|e| e.directions.mean(plan.turn)),
            Aggregate::CircularDeviation if self.count < 2 => None,
            Aggregate::CircularDeviation => self.extra.as_ref().and_then(|e| e.directions.standard_deviation(plan.turn)),
            // The extremes are known exactly.
            Aggregate::Quantile(q) => self.sketch.as_ref().and_then(|s| s.quantile(q)).map(|v| v.clamp(self.min, self.max)),
            Aggregate::Integral | Aggregate::TimeMean | Aggregate::IntegralOver(_) => None,
        };
        number.map_or(Value::Null, Value::finite)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let extra = |e: &Extra| size_of::<Extra>() + e.moments.heap_bytes() + e.directions.heap_bytes();
        self.sum.heap_bytes() + self.extra.as_deref().map_or(0, extra) + self.sketch.as_ref().map_or(0, Sketch::heap_bytes)
    }
}

/// The earlier of two; of the same time the smaller, so that arrival makes no difference.
fn earlier(held: Option<(i64, f64)>, new: (i64, f64)) -> Option<(i64, f64)> {
    Some(held.filter(|h| h.0.cmp(&new.0).then(h.1.total_cmp(&new.1)).is_lt()).unwrap_or(new))
}

/// The later of two; of the same time the larger.
fn later(held: Option<(i64, f64)>, new: (i64, f64)) -> Option<(i64, f64)> {
    Some(held.filter(|h| h.0.cmp(&new.0).then(h.1.total_cmp(&new.1)).is_gt()).unwrap_or(new))
}
