//! The laps a vehicle remembers.

use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, sync::Arc};

use slipstream_protocol::SessionId;

/// Most laps a book remembers beside the reference lap.
pub const MAX_LAPS: usize = 12;

/// A lap much shorter than the others left the track, m per m.
const SAME_LENGTH: f64 = 0.97;

/// What the car did at one place of a lap. What the source did not measure is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TracePoint {
    /// Since the line was crossed, s.
    pub time_s: f32,
    /// Speed, m/s.
    pub speed_mps: f32,
    /// Throttle, %.
    pub throttle_pct: f32,
    /// Brake, % (bar where the source measures pressure only).
    pub brake: f32,
    /// Position, m.
    pub x_m: f32,
    /// Position, m.
    pub y_m: f32,
}

/// One whole lap, by distance: point `i` is `i * step_m` after the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LapTrace {
    /// The source's number.
    pub lap: u32,
    /// Lap time, s.
    pub time_s: f64,
    /// Length driven, m.
    pub length_m: f64,
    /// Distance between points, m.
    pub step_m: f64,
    /// The points, from the line to the line.
    pub points: Vec<TracePoint>,
}

impl LapTrace {
    /// The point at `dist_m`, between its neighbours; the ends' beyond them. `None` on an empty trace.
    pub fn at(&self, dist_m: f64) -> Option<TracePoint> {
        let last = self.points.len().checked_sub(1)?;
        let place = (dist_m / self.step_m).clamp(0.0, last as f64);
        let i = (place as usize).min(last);
        let (a, b) = (self.points[i], self.points[(i + 1).min(last)]);
        Some(between(&a, &b, (place - i as f64) as f32))
    }
}

/// The point a fraction `f` of the way from `a` to `b`.
pub(super) fn between(a: &TracePoint, b: &TracePoint, f: f32) -> TracePoint {
    let mix = |p: f32, q: f32| p + (q - p) * f;
    TracePoint {
        time_s: mix(a.time_s, b.time_s),
        speed_mps: mix(a.speed_mps, b.speed_mps),
        throttle_pct: mix(a.throttle_pct, b.throttle_pct),
        brake: mix(a.brake, b.brake),
        x_m: mix(a.x_m, b.x_m),
        y_m: mix(a.y_m, b.y_m),
    }
}

/// A vehicle's recent whole laps and its reference lap, by distance. At most [`MAX_LAPS`] + 1 laps
/// of at most [`super::MAX_POINTS`] points (24 bytes each).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LapBook {
    /// The session they were driven in, where it was told.
    session: Option<SessionId>,
    laps: VecDeque<Arc<LapTrace>>,
    reference: Option<Arc<LapTrace>>,
}

/// A [`LapBook`] as snapshots of version 4 hold it: without its session.
#[derive(Deserialize)]
pub(crate) struct LapBookOfVersion4 {
    laps: VecDeque<Arc<LapTrace>>,
    reference: Option<Arc<LapTrace>>,
}

impl From<LapBookOfVersion4> for LapBook {
    fn from(old: LapBookOfVersion4) -> Self {
        Self { session: None, laps: old.laps, reference: old.reference }
    }
}

impl LapBook {
    /// The session the laps were driven in, where it was told.
    pub const fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// Says in which session the laps were driven.
    pub fn drive_in(&mut self, session: SessionId) {
        self.session = Some(session);
    }

    /// The recent laps, oldest first.
    pub fn laps(&self) -> impl DoubleEndedIterator<Item = &Arc<LapTrace>> + ExactSizeIterator {
        self.laps.iter()
    }

    /// The best lap so far; it stays when it is no longer recent.
    pub const fn reference(&self) -> Option<&Arc<LapTrace>> {
        self.reference.as_ref()
    }

    /// Adds a lap; the oldest goes when there are more than [`MAX_LAPS`].
    pub fn push(&mut self, lap: LapTrace) {
        let lap = Arc::new(lap);
        if self.reference.as_ref().is_none_or(|best| is_better(&lap, best)) {
            self.reference = Some(Arc::clone(&lap));
        }
        if self.laps.len() == MAX_LAPS {
            self.laps.pop_front();
        }
        self.laps.push_back(lap);
    }
}

/// Faster over the same way, or the first to go the whole way.
fn is_better(lap: &LapTrace, best: &LapTrace) -> bool {
    if best.length_m < lap.length_m * SAME_LENGTH {
        return true;
    }
    lap.time_s < best.time_s && lap.length_m >= best.length_m * SAME_LENGTH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lap(number: u32, time_s: f64, length_m: f64) -> LapTrace {
        LapTrace { lap: number, time_s, length_m, step_m: 5.0, points: Vec::new() }
    }

    #[test]
    fn the_book_is_bounded_and_keeps_its_reference_lap() {
        let mut book = LapBook::default();
        book.push(lap(1, 90.0, 4_000.0));
        for n in 2..40 {
            book.push(lap(n, 95.0, 4_000.0));
        }
        assert_eq!(book.laps().len(), MAX_LAPS);
        assert_eq!(book.reference().unwrap().lap, 1);
    }

    #[test]
    fn a_short_cut_is_no_reference_lap() {
        let mut book = LapBook::default();
        book.push(lap(1, 60.0, 3_000.0));
        book.push(lap(2, 90.0, 4_000.0));
        book.push(lap(3, 61.0, 3_000.0));
        assert_eq!(book.reference().unwrap().lap, 2);
    }
}
