//! What a window knows of one signal.

use serde::{Deserialize, Serialize};
use slipstream_protocol::Quality;

use super::sketch::Sketch;
use crate::pipeline::{SignalId, Value};

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
}

impl Aggregate {
    pub(super) fn needs(self) -> Needs {
        let none = Needs::default();
        match self {
            Self::Count | Self::Sum | Self::Mean | Self::Min | Self::Max => none,
            Self::First | Self::Last | Self::Rate => Needs { ends: true, ..none },
            Self::StandardDeviation => Needs { moments: true, ..none },
            Self::Quantile(_) => Needs { sketch: true, ..none },
            Self::Integral | Self::TimeMean | Self::IntegralOver(_) => Needs { track: true, ..none },
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
        }
    }
}

/// First and last value with their times in microseconds; mean and sum of squares about it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Extra {
    first: Option<(i64, f64)>,
    last: Option<(i64, f64)>,
    mean: f64,
    squares: f64,
}

/// Running sums of one signal in one window. Order of arrival makes no difference beyond the last bits of a sum, which is
/// compensated (Neumaier).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Column {
    count: u64,
    sum: f64,
    lost: f64,
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
            sum: 0.0,
            lost: 0.0,
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
    pub(super) fn add(&mut self, needs: Needs, bits: u8, micros: i64, value: f64, quality: Quality) {
        self.count += 1;
        self.add_to_sum(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.quality = self.quality.min(quality);
        if needs.sketch {
            self.sketch.get_or_insert_with(|| Sketch::new(bits)).add(value);
        }
        if needs.ends || needs.moments {
            self.add_extra(micros, value);
        }
    }

    #[inline]
    fn add_to_sum(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    fn add_extra(&mut self, micros: i64, value: f64) {
        let extra = self.extra.get_or_insert_with(Box::default);
        extra.first = earlier(extra.first, (micros, value));
        extra.last = later(extra.last, (micros, value));
        let off = value - extra.mean;
        extra.mean += off / self.count as f64;
        extra.squares += off * (value - extra.mean);
    }

    /// Takes up another column of the same signal.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if let Some(theirs) = &other.extra {
            let (n, m) = (self.count as f64, other.count as f64);
            let ours = self.extra.get_or_insert_with(Box::default);
            ours.first = theirs.first.map_or(ours.first, |f| earlier(ours.first, f));
            ours.last = theirs.last.map_or(ours.last, |l| later(ours.last, l));
            let off = theirs.mean - ours.mean;
            ours.squares += theirs.squares + off * off * n * m / (n + m);
            ours.mean += off * m / (n + m);
        }
        self.count += other.count;
        self.add_to_sum(other.sum);
        self.lost += other.lost;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.quality = self.quality.min(other.quality);
        match (&mut self.sketch, &other.sketch) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours @ None, Some(theirs)) => *ours = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// Empty again, keeping the sketch's memory.
    pub(super) fn clear(&mut self) {
        let mut sketch = self.sketch.take();
        if let Some(sketch) = &mut sketch {
            sketch.clear();
        }
        *self = Self { sketch, ..Self::default() };
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn quality(&self) -> Quality {
        self.quality
    }

    /// The aggregate's value; those over tracks are told elsewhere and null here.
    pub(super) fn value(&self, aggregate: Aggregate) -> Value {
        let ends = || {
            let extra = self.extra.as_ref()?;
            Some((extra.first?, extra.last?))
        };
        let number = match aggregate {
            Aggregate::Count => Some(self.count as f64),
            Aggregate::Sum => Some(self.sum + self.lost),
            _ if self.count == 0 => None,
            Aggregate::Mean => Some((self.sum + self.lost) / self.count as f64),
            Aggregate::Min => Some(self.min),
            Aggregate::Max => Some(self.max),
            Aggregate::First => ends().map(|(first, _)| first.1),
            Aggregate::Last => ends().map(|(_, last)| last.1),
            Aggregate::Rate => ends().filter(|(f, l)| l.0 > f.0).map(|(f, l)| (l.1 - f.1) * 1e6 / (l.0 - f.0) as f64),
            Aggregate::StandardDeviation if self.count < 2 => None,
            Aggregate::StandardDeviation => self.extra.as_ref().map(|e| (e.squares.max(0.0) / (self.count - 1) as f64).sqrt()),
            // The extremes are known exactly.
            Aggregate::Quantile(q) => self.sketch.as_ref().and_then(|s| s.quantile(q)).map(|v| v.clamp(self.min, self.max)),
            Aggregate::Integral | Aggregate::TimeMean | Aggregate::IntegralOver(_) => None,
        };
        number.map_or(Value::Null, Value::finite)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.extra.as_ref().map_or(0, |_| size_of::<Extra>()) + self.sketch.as_ref().map_or(0, Sketch::heap_bytes)
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
