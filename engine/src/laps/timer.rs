//! Lap timing from the lap counter and source time.

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

use crate::{
    signals::{Reading, Role},
    vehicle::LapTime,
};

/// A shorter "lap" is a flickering counter, s.
pub const MIN_LAP_S: f64 = 5.0;

/// Without `lap_time_s`, a crossing inside a longer silence is not timed, s.
pub const TIMING_GAP_S: f64 = 5.0;

/// A first lap counts as seen from its beginning up to this time, s, and distance, m.
const BEGINNING_S: f64 = 2.0;
const BEGINNING_M: f64 = 150.0;

/// What one sample meant for the lap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Late or repeated.
    Ignored,
    /// The same lap goes on.
    Within,
    /// The line was crossed at `at`, µs; `finished` is the lap before, where it was driven whole.
    Crossed { at: i64, finished: Option<LapTime> },
    /// The counter jumped: the lap that runs now began at `start`, µs, where that is known.
    Restarted { start: Option<i64> },
}

/// Times laps. Crossings fall between two samples: `lap_time_s` tells where exactly; without it the
/// distance since the line and the speed do; without those the middle between the samples is taken
/// (wrong by at most half a sampling interval).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct LapTimer {
    lap: Option<u32>,
    /// Source time of the newest sample with a lap counter, µs.
    seen: i64,
    /// When the running lap began, µs; `None` when it was not seen from its beginning.
    start: Option<i64>,
}

impl LapTimer {
    /// The running lap's number.
    pub(super) const fn lap(&self) -> Option<u32> {
        self.lap
    }

    pub(super) fn step(&mut self, time: Timestamp, reading: &Reading) -> Step {
        let Some(lap) = reading.lap_number() else { return Step::Within };
        let now = time.micros();
        let Some(current) = self.lap else {
            self.start = self.beginning(now, reading);
            return self.restart(lap, now);
        };
        if now < self.seen || (now == self.seen && lap < current) {
            return Step::Ignored;
        }
        if lap == current {
            self.seen = now;
            return Step::Within;
        }
        let crossing = self.crossing(now, reading);
        if lap == current + 1 {
            let finished = self.finished(current, crossing);
            (self.lap, self.seen, self.start) = (Some(lap), now, crossing);
            return match crossing {
                Some(at) => Step::Crossed { at, finished },
                None => Step::Restarted { start: None },
            };
        }
        // A jump leaves open when the laps between ended; the one that runs now is known where
        // `lap_time_s` says it began within the jump.
        self.start = from_lap_time(now, reading).filter(|at| *at >= self.seen);
        self.restart(lap, now)
    }

    fn restart(&mut self, lap: u32, now: i64) -> Step {
        (self.lap, self.seen) = (Some(lap), now);
        Step::Restarted { start: self.start }
    }

    fn finished(&self, lap: u32, crossing: Option<i64>) -> Option<LapTime> {
        let time_s = (crossing? - self.start?) as f64 / 1e6;
        (time_s >= MIN_LAP_S).then_some(LapTime { lap, time_s })
    }

    /// When the lap of the very first sample began, if this sample is at its beginning.
    #[expect(clippy::unused_self, reason = "a question about the first sample, asked of the timer")]
    fn beginning(&self, now: i64, reading: &Reading) -> Option<i64> {
        let (time, dist) = (reading.get(Role::LapTime), reading.get(Role::LapDist));
        if time.is_none() && dist.is_none() || time.is_some_and(|t| t > BEGINNING_S) || dist.is_some_and(|d| d > BEGINNING_M) {
            return None;
        }
        from_lap_time(now, reading).or_else(|| from_distance(now, reading))
    }

    /// When the line was crossed between the last sample and this one.
    fn crossing(&self, now: i64, reading: &Reading) -> Option<i64> {
        let fits = |at: &i64| *at >= self.seen - SLACK_US && *at <= now;
        if let Some(at) = from_lap_time(now, reading).filter(fits) {
            return Some(at.max(self.seen));
        }
        if now - self.seen > (TIMING_GAP_S * 1e6) as i64 {
            return None;
        }
        if let Some(at) = from_distance(now, reading).filter(fits) {
            return Some(at.max(self.seen));
        }
        Some(i64::midpoint(self.seen, now))
    }
}

/// How far a crossing may lie before the last sample of the old lap: sources round their times.
const SLACK_US: i64 = 20_000;

fn from_lap_time(now: i64, reading: &Reading) -> Option<i64> {
    let time = reading.get(Role::LapTime)?;
    (0.0..=86_400.0).contains(&time).then(|| now - (time * 1e6).round() as i64)
}

fn from_distance(now: i64, reading: &Reading) -> Option<i64> {
    let (dist, speed) = (reading.get(Role::LapDist)?, reading.get(Role::Speed)?);
    (dist >= 0.0 && speed > 1.0).then(|| now - (dist / speed * 1e6).round() as i64)
}
