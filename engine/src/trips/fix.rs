//! Where a vehicle was, and what had added up until then.

use serde::{Deserialize, Serialize};

use crate::{
    geo::Position,
    motion::{JumpFilter, Verdict},
};

/// A moment of a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fix {
    /// µs.
    pub(super) at: i64,
    /// Where, if a receiver told.
    pub(super) place: Option<Position>,
    /// Driven so far, m.
    pub(super) odometer_m: f64,
    /// Stood so far, µs.
    pub(super) idle: i64,
}

impl Fix {
    /// How far `other` is: by places, or by the way driven between where one has none, m.
    pub(super) fn distance_m(&self, other: &Self) -> f64 {
        (self.place.zip(other.place)).and_then(|(a, b)| a.distance_m(b)).unwrap_or_else(|| (other.odometer_m - self.odometer_m).abs())
    }
}

/// A speed by positions is measured over at least this long, µs: over less it is a receiver's noise.
const PACE_OVER: i64 = 5_000_000;

/// Slower is standing, m/s.
const STANDING_MPS: f64 = 1.0;

/// Adds up what a vehicle tells: positions, speeds, or both.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Odometer {
    last: Option<Fix>,
    speed: Option<f64>,
    filter: JumpFilter,
    /// Where the last way by positions ended, and the odometer there.
    placed: Option<(Position, f64)>,
    /// Since when the speed by positions is measured, µs, and the odometer then.
    pace: Option<(i64, f64)>,
    outliers: u64,
}

/// What a sample made of it.
pub(super) struct Taken {
    pub(super) fix: Fix,
    /// A speed that the vehicle reached, m/s; 0 where none was measured just now.
    pub(super) speed_mps: f64,
    /// Its place lies where nobody could have driven to: it was brought there, or the places before were wrong.
    pub(super) relocated: bool,
}

/// What cannot be, at most.
pub(super) struct Bounds {
    pub(super) max_speed_mps: f64,
    pub(super) slack_m: f64,
}

impl Odometer {
    pub(super) const fn last(&self) -> Option<&Fix> {
        self.last.as_ref()
    }

    pub(super) const fn outliers(&self) -> u64 {
        self.outliers
    }

    /// Takes a sample in; nothing where it tells nothing or is not to be believed.
    pub(super) fn take(&mut self, at: i64, position: Option<Position>, speed: Option<f64>, bounds: &Bounds) -> Option<Taken> {
        let speed = speed.filter(|v| (0.0..=bounds.max_speed_mps).contains(v));
        let mut relocated = false;
        let position = position.filter(|p| self.believes(at, *p, bounds, &mut relocated));
        if position.is_none() && speed.is_none() {
            return None;
        }
        let Some(before) = self.last else {
            let fix = self.set(Fix { at, place: position, odometer_m: 0.0, idle: 0 }, speed, position);
            return Some(Taken { fix, speed_mps: self.reached(&fix, speed, bounds), relocated });
        };
        let elapsed_s = (at - before.at) as f64 / 1e6;
        let by_speed = speed.zip(self.speed).map_or(0.0, |(a, b)| f64::midpoint(a, b) * elapsed_s);
        let mut odometer_m = before.odometer_m + by_speed;
        if let Some((place, (from, then))) = position.zip(self.placed) {
            // Since the last place: straight, or by speed where that tells more (there were no places between).
            let straight = then + from.distance_m(place).unwrap_or(0.0);
            odometer_m = if by_speed > 0.0 && elapsed_s > 0.0 && then < before.odometer_m { odometer_m.max(straight) } else { straight };
            odometer_m = odometer_m.max(before.odometer_m);
        }
        let mean = speed.unwrap_or_else(|| if elapsed_s > 0.0 { (odometer_m - before.odometer_m) / elapsed_s } else { 0.0 });
        let idle = before.idle + if mean < STANDING_MPS { at - before.at } else { 0 };
        let fix = self.set(Fix { at, place: position, odometer_m, idle }, speed, position);
        Some(Taken { fix, speed_mps: self.reached(&fix, speed, bounds), relocated })
    }

    /// A speed that was reached: the one told, or else by positions over a while. Faster than anybody is noise.
    fn reached(&mut self, fix: &Fix, told: Option<f64>, bounds: &Bounds) -> f64 {
        let (since, then) = *self.pace.get_or_insert((fix.at, fix.odometer_m));
        let mut by_positions = 0.0;
        if fix.at - since >= PACE_OVER {
            by_positions = (fix.odometer_m - then) / ((fix.at - since) as f64 / 1e6);
            self.pace = Some((fix.at, fix.odometer_m));
        }
        told.unwrap_or(if by_positions <= bounds.max_speed_mps { by_positions } else { 0.0 })
    }

    /// The vehicle was silent for long: what happened then counts nowhere.
    pub(super) fn interrupt(&mut self) {
        (self.speed, self.placed, self.pace) = (None, None, None);
        self.filter.forget();
        if let Some(last) = &mut self.last {
            last.place = None;
        }
    }

    fn set(&mut self, fix: Fix, speed: Option<f64>, position: Option<Position>) -> Fix {
        (self.last, self.speed) = (Some(fix), speed);
        if let Some(position) = position {
            self.placed = Some((position, fix.odometer_m));
        }
        fix
    }

    fn believes(&mut self, at: i64, position: Position, bounds: &Bounds, relocated: &mut bool) -> bool {
        match self.filter.judge(at, position, bounds.max_speed_mps, bounds.slack_m) {
            Verdict::Believed => true,
            Verdict::Held => false,
            Verdict::Outlier => {
                self.outliers += 1;
                true
            }
            Verdict::Relocated { .. } => {
                // The way to the new place was not driven.
                (self.placed, self.pace) = (None, None);
                *relocated = true;
                true
            }
        }
    }
}
