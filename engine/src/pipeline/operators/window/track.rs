//! The samples of a signal in order of time, for aggregates that need to know what came between.

use serde::{Deserialize, Serialize};

use crate::angle::{Directions, Turn};

/// One sample: event time in microseconds, value, and the value of the signal integrated over.
type Sample = (i64, f64, f64);

/// Samples since the oldest open window began, and one before. Shared by all windows of a key, so that overlapping ones cost
/// nothing extra.
///
/// A segment between two samples belongs to the window its later end lies in: windows that follow each other add up to the
/// whole. Segments longer than `max_gap` are left out: nobody knows what was in between.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Track(Vec<Sample>);

/// Area under a track, and what it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Area {
    /// Sum of trapezoids.
    pub(super) sum: f64,
    /// Seconds, or units of the other signal, covered.
    pub(super) covered: f64,
    /// Segments it is made of.
    pub(super) segments: usize,
}

impl Track {
    /// Puts a sample in its place; of the same time by value.
    pub(super) fn add(&mut self, micros: i64, value: f64, over: f64) {
        let after = |s: &Sample| s.0.cmp(&micros).then(s.1.total_cmp(&value)).then(s.2.total_cmp(&over)).is_gt();
        let mut at = self.0.len();
        while at > 0 && after(&self.0[at - 1]) {
            at -= 1;
        }
        self.0.insert(at, (micros, value, over));
    }

    /// Area over `[from, until)` in microseconds, over time or over the other signal (whose backward steps are left out).
    pub(super) fn area(&self, from: i64, until: i64, max_gap: i64, over_signal: bool) -> Area {
        let begin = self.0.partition_point(|s| s.0 < from);
        let mut sum = Area::default();
        for at in begin.max(1)..self.0.len() {
            let ((t0, v0, d0), (t1, v1, d1)) = (self.0[at - 1], self.0[at]);
            if t1 >= until {
                break;
            }
            let step = if over_signal { d1 - d0 } else { (t1 - t0) as f64 / 1e6 };
            if t1 - t0 <= max_gap && step >= 0.0 {
                sum.sum += f64::midpoint(v0, v1) * step;
                sum.covered += step;
                sum.segments += 1;
            }
        }
        sum
    }

    /// The least and the greatest value of the segments over `[from, until)` in microseconds.
    pub(super) fn extremes(&self, from: i64, until: i64) -> (f64, f64) {
        let begin = self.0.partition_point(|s| s.0 < from).saturating_sub(1);
        let within = self.0[begin..].iter().take_while(|s| s.0 < until);
        within.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), (_, value, _)| (min.min(*value), max.max(*value)))
    }

    /// Directions over `[from, until)` in microseconds: of each segment the middle of its arc, for as long as it lasts.
    pub(super) fn directions(&self, turn: Turn, from: i64, until: i64, max_gap: i64) -> Directions {
        let begin = self.0.partition_point(|s| s.0 < from);
        let mut directions = Directions::default();
        for at in begin.max(1)..self.0.len() {
            let ((t0, v0, _), (t1, v1, _)) = (self.0[at - 1], self.0[at]);
            if t1 >= until {
                break;
            }
            if t1 - t0 <= max_gap && t1 > t0 {
                directions.add(turn, turn.between(v0, v1, 0.5), (t1 - t0) as f64 / 1e6);
            }
        }
        directions
    }

    /// Forgets what lies before `micros`, but the last sample of it.
    pub(super) fn forget_before(&mut self, micros: i64) {
        let keep_from = self.0.partition_point(|s| s.0 < micros).saturating_sub(1);
        if keep_from > 0 {
            self.0.drain(..keep_from);
        }
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Sample>()
    }
}
