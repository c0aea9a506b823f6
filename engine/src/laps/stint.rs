//! Stints: runs of laps between two stops.

use serde::{Deserialize, Serialize};

/// A run from setting off to standing still (or falling silent).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stint {
    /// Its number, from 1.
    pub number: u32,
    /// When it began, µs.
    pub from: i64,
    /// When the vehicle stopped, µs.
    pub to: i64,
    /// Whole timed laps.
    pub laps: u32,
    /// The best of them, s.
    pub best_s: Option<f64>,
    /// Their mean, s.
    pub mean_s: Option<f64>,
}

/// Slower is standing, m/s.
const STANDING_MPS: f64 = 1.0;

/// Follows one vehicle's stints.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct StintTracker {
    number: u32,
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Running {
    from: i64,
    /// When it last moved, µs.
    moved: i64,
    laps: u32,
    best_s: f64,
    sum_s: f64,
}

impl StintTracker {
    /// The vehicle does `speed_mps` at `at`; a stop of `stop`, µs, ends a stint, told when it is that long.
    pub(super) fn moves(&mut self, at: i64, speed_mps: f64, stop: i64) -> Option<Stint> {
        let over = self.running.filter(|r| at - r.moved >= stop);
        let ended = over.map(|r| self.end(&r));
        if speed_mps >= STANDING_MPS {
            match &mut self.running {
                Some(running) => running.moved = at,
                None => self.running = Some(Running { from: at, moved: at, laps: 0, best_s: f64::INFINITY, sum_s: 0.0 }),
            }
        }
        ended
    }

    /// A whole lap was timed.
    pub(super) fn lap(&mut self, time_s: f64) {
        if let Some(running) = &mut self.running {
            running.laps += 1;
            running.sum_s += time_s;
            running.best_s = running.best_s.min(time_s);
        }
    }

    fn end(&mut self, running: &Running) -> Stint {
        self.running = None;
        self.number += 1;
        let some = running.laps > 0;
        Stint {
            number: self.number,
            from: running.from,
            to: running.moved,
            laps: running.laps,
            best_s: some.then_some(running.best_s),
            mean_s: some.then(|| running.sum_s / f64::from(running.laps)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_ends_a_stint_a_slow_corner_does_not() {
        let (mut tracker, mut stints) = (StintTracker::default(), Vec::new());
        for s in 0..600_i64 {
            let speed = match s {
                100..105 | 200..300 => 0.0,
                _ => 40.0,
            };
            stints.extend(tracker.moves(s * 1_000_000, speed, 10_000_000));
            if s == 90 || s == 180 {
                tracker.lap(if s == 90 { 81.0 } else { 79.0 });
            }
        }
        let first = Stint { number: 1, from: 0, to: 199_000_000, laps: 2, best_s: Some(79.0), mean_s: Some(80.0) };
        assert_eq!(stints, [first]);
    }
}
