//! Where a vehicle was, and what had added up until then.

use serde::{Deserialize, Serialize};

use crate::{
    geo::Position,
    motion::{JumpFilter, Reach, Verdict},
};

/// A moment of a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fix {
    /// µs.
    pub(super) at: i64,
    /// Where, if a receiver told: with this sample, or before it and the vehicle has not moved since.
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

/// Whether a vehicle that came `rolled_m` from where it stood to `from` can stand again at `to`, by how hard vehicles gain and lose
/// speed; places are wrong by up to `slack_m`, m. Without both places nothing speaks against it.
pub(super) fn is_drivable(rolled_m: f64, from: &Fix, to: &Fix, slack_m: f64) -> bool {
    let elapsed_s = (to.at - from.at) as f64 / 1e6;
    let most_m = (2.0 * HARDEST_MPS2 * rolled_m).sqrt() * elapsed_s + HARDEST_MPS2 * elapsed_s * elapsed_s / 4.0 + slack_m;
    from.place.is_none() || to.place.is_none() || from.distance_m(to) <= most_m
}

/// A speed by positions is measured over at least this long, µs: over less it is a receiver's noise.
const PACE_OVER: i64 = 5_000_000;

/// Slower is standing, m/s.
pub(super) const STANDING_MPS: f64 = 1.0;

/// Vehicles gain and lose speed no faster, m/s²: between two speeds that were reported lies no longer way than this allows.
const HARDEST_MPS2: f64 = 4.0;

/// Reported speeds may be wrong by this share.
const SPEED_SHARE: f64 = 1.5;

/// Who has come no farther by the reported speed is still at the last place, m.
const STILL_M: f64 = 10.0;

/// So many times in a row the positions went on where the speed did not allow it: the speed is not believed.
const DOUBTED_AFTER: u8 = 2;

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
    left: Option<Left>,
    reported: Reported,
    outliers: u64,
}

/// What the odometer says of where the positions jumped away from; the filter knows where and when that was.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Left {
    /// The odometer there, m.
    odometer_m: f64,
    /// Driven by speed since, m.
    by_speed_m: f64,
}

/// What the reported speeds allow.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Reported {
    /// At the last believed position, m/s, and its time, µs.
    placed: Option<(i64, Option<f64>)>,
    /// The way by speed since the place was last another one, m.
    way_m: f64,
    /// It has reported motion before: one that always reports 0 reports nothing.
    spoke: bool,
    /// How often in a row positions went on elsewhere against it.
    doubts: u8,
}

impl Reported {
    /// The longest way since the last believed position to a sample of `at`, µs, that reports `speed`, m.
    fn most_m(&self, at: i64, speed: Option<f64>, slack_m: f64) -> f64 {
        let Some(((since, before), now)) = self.placed.and_then(|(since, before)| Some(((since, before?), speed?))) else {
            return f64::INFINITY;
        };
        if !self.spoke {
            return f64::INFINITY;
        }
        let elapsed_s = (at - since) as f64 / 1e6;
        let driven_m = self.way_m.max(before.max(now) * elapsed_s);
        SPEED_SHARE * driven_m + HARDEST_MPS2 * elapsed_s * elapsed_s / 4.0 + slack_m
    }

    fn doubt(&mut self) {
        self.doubts = self.doubts.saturating_add(1);
        if self.doubts >= DOUBTED_AFTER {
            self.spoke = false;
        }
    }
}

/// What a sample made of it.
pub(super) struct Taken {
    pub(super) fix: Fix,
    /// A speed that the vehicle reached, m/s; 0 where none was measured just now.
    pub(super) speed_mps: f64,
    pub(super) jump: Jump,
}

/// How a place follows from the ones before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Jump {
    /// The vehicle drove there, or there is no place.
    None,
    /// It lies where nobody could have driven to: the vehicle was brought there, or the places before were wrong.
    Away,
    /// It is back from a jump: the places since were wrong.
    Back {
        /// From the last place before the jump, m.
        way_m: f64,
    },
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
        self.listen(at, speed);
        let mut jump = Jump::None;
        let position = position.filter(|p| self.believes(at, *p, speed, bounds, &mut jump));
        if position.is_none() && speed.is_none() {
            return None;
        }
        let Some(before) = self.last else {
            let fix = self.set(Fix { at, place: position, odometer_m: 0.0, idle: 0 }, speed, position);
            return Some(Taken { fix, speed_mps: self.reached(&fix, speed, bounds), jump });
        };
        let elapsed_s = (at - before.at) as f64 / 1e6;
        let by_speed = speed.zip(self.speed).map_or(0.0, |(a, b)| f64::midpoint(a, b) * elapsed_s);
        let mut odometer_m = before.odometer_m + by_speed;
        if let Some(left) = &mut self.left {
            left.by_speed_m += by_speed;
        }
        if let Jump::Back { way_m } = jump
            && let Some(left) = self.left.take()
        {
            // The way among the strays was none.
            odometer_m = left.odometer_m + left.by_speed_m.max(way_m);
        } else if let Some((place, (from, then))) = position.zip(self.placed) {
            // Since the last place: straight, or by speed where that tells more (there were no places between).
            let straight = then + from.distance_m(place).unwrap_or(0.0);
            odometer_m = if by_speed > 0.0 && elapsed_s > 0.0 && then < before.odometer_m { odometer_m.max(straight) } else { straight };
            odometer_m = odometer_m.max(before.odometer_m);
        }
        let mean = speed.unwrap_or_else(|| if elapsed_s > 0.0 { (odometer_m - before.odometer_m) / elapsed_s } else { 0.0 });
        let idle = before.idle + if mean < STANDING_MPS { at - before.at } else { 0 };
        let still = self.placed.filter(|(_, then)| odometer_m - then < STILL_M).map(|(place, _)| place);
        let fix = self.set(Fix { at, place: position.or(still), odometer_m, idle }, speed, position);
        Some(Taken { fix, speed_mps: self.reached(&fix, speed, bounds), jump })
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
        (self.left, self.reported.placed) = (None, None);
        if let Some(last) = &mut self.last {
            last.place = None;
        }
    }

    fn set(&mut self, fix: Fix, speed: Option<f64>, position: Option<Position>) -> Fix {
        (self.last, self.speed) = (Some(fix), speed);
        if let Some(position) = position {
            if self.placed.is_none_or(|(before, _)| before != position) {
                self.reported.way_m = 0.0;
            }
            self.reported.placed = Some((fix.at, speed));
            self.placed = Some((position, fix.odometer_m));
        }
        fix
    }

    /// Takes in what a sample of `at`, µs, reports of the speed.
    fn listen(&mut self, at: i64, speed: Option<f64>) {
        let Some(now) = speed else { return };
        if let Some((before, last)) = self.speed.zip(self.last) {
            self.reported.way_m += f64::midpoint(before, now) * ((at - last.at) as f64 / 1e6);
        }
        if now >= STANDING_MPS {
            (self.reported.spoke, self.reported.doubts) = (true, 0);
        }
    }

    fn believes(&mut self, at: i64, position: Position, speed: Option<f64>, bounds: &Bounds, jump: &mut Jump) -> bool {
        let most_m = self.reported.most_m(at, speed, bounds.slack_m);
        let reach = Reach { most_m, ..Reach::with_clusters(bounds.max_speed_mps, bounds.slack_m) };
        match self.filter.judge(at, position, &reach) {
            Verdict::Believed => {}
            Verdict::Held => return false,
            Verdict::Outlier => self.outliers += 1,
            Verdict::Relocated { again, .. } => {
                // The way to the new place was not driven.
                self.left = self.left.filter(|_| again).or_else(|| self.leave());
                (self.placed, self.pace) = (None, None);
                self.reported.doubt();
                *jump = Jump::Away;
            }
            Verdict::Returned { left: (_, left) } => {
                (self.placed, self.pace) = (None, None);
                *jump = Jump::Back { way_m: left.distance_m(position).unwrap_or(0.0) };
            }
        }
        true
    }

    /// The positions jump away from the last place.
    fn leave(&self) -> Option<Left> {
        let (_, odometer_m) = self.placed?;
        Some(Left { odometer_m, by_speed_m: self.last.map_or(0.0, |last| (last.odometer_m - odometer_m).max(0.0)) })
    }
}
