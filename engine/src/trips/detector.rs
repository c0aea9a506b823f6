//! Finds trips and stops.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use super::{
    away::{Away, is_supported},
    fix::{Bounds, Fix, Jump, Odometer, Taken, is_drivable},
};
use crate::geo::Position;

/// What is a stop, and what is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TripConfig {
    /// Staying within this of one place, m ...
    pub radius_m: f64,
    /// ... for this long is a stop, s.
    pub stop_after_s: f64,
    /// Farther than this from the stop a trip has begun, m. Between the two the vehicle may come back.
    pub leave_m: f64,
    /// A longer silence ends a trip, s.
    pub max_gap_s: f64,
    /// No vehicle is faster, m/s.
    pub max_speed_mps: f64,
}

impl Default for TripConfig {
    fn default() -> Self {
        Self { radius_m: 60.0, stop_after_s: 180.0, leave_m: 150.0, max_gap_s: 600.0, max_speed_mps: 70.0 }
    }
}

impl TripConfig {
    /// Every mistake in it, as field and what is wrong.
    pub fn mistakes(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        let fine = |v: f64| v.is_finite() && v > 0.0;
        for (field, value) in [
            ("radius_m", self.radius_m),
            ("stop_after_s", self.stop_after_s),
            ("leave_m", self.leave_m),
            ("max_gap_s", self.max_gap_s),
            ("max_speed_mps", self.max_speed_mps),
        ] {
            if !fine(value) {
                found.push((field, "a number above 0 is expected"));
            }
        }
        if self.leave_m < self.radius_m {
            found.push(("leave_m", "must not be less than radius_m"));
        }
        found
    }
}

/// Why a trip ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The vehicle stopped.
    Stop,
    /// It fell silent.
    Silence,
    /// It has not: this is how far it has come.
    Running,
}

/// A way from one place to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trip {
    /// Its number, from 1.
    pub number: u32,
    /// When it began, µs.
    pub from: i64,
    /// When it ended, µs.
    pub to: i64,
    /// Where it began, if that is known.
    pub from_place: Option<Position>,
    /// Where it ended, if that is known.
    pub to_place: Option<Position>,
    /// Driven, m.
    pub distance_m: f64,
    /// Stood on the way, s.
    pub idle_s: f64,
    /// Highest speed, m/s.
    pub max_speed_mps: f64,
    /// Why it ended.
    pub ended: Ended,
}

/// A stay at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Its number, from 1.
    pub number: u32,
    /// When the vehicle came, µs.
    pub from: i64,
    /// When it was last there, µs.
    pub to: i64,
    /// Where, if that is known.
    pub place: Option<Position>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TripEvent {
    /// The vehicle has stopped, since `from` (µs); the stop goes on.
    Stopped {
        /// Since when, µs.
        from: i64,
        /// Where, if that is known.
        place: Option<Position>,
    },
    /// A stop is over.
    Stop(Stop),
    /// A trip has begun, at `from` (µs); it goes on.
    SetOff {
        /// Since when, µs.
        from: i64,
        /// From where, if that is known.
        place: Option<Position>,
    },
    /// A trip is over.
    Trip(Trip),
}

/// Follows one vehicle. Keeps at most one fix per second for as long as a stop takes to be one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TripDetector {
    odometer: Odometer,
    /// Fixes all within the radius of the first.
    near: VecDeque<Fix>,
    /// Those from before the positions jumped away: they count again where the vehicle is back.
    left_near: VecDeque<Fix>,
    state: State,
    trips: u32,
    stops: u32,
    late: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
enum State {
    /// Nothing yet.
    #[default]
    Unknown,
    /// Near where it was first seen: it may stand, or be on its way.
    Seen {
        first: Fix,
        /// Highest speed since then.
        max_speed_mps: f64,
        /// Highest that was reported since then; absent where none was.
        reported_mps: Option<f64>,
        away: Option<Away>,
    },
    Moving {
        began: Fix,
        max_speed_mps: f64,
    },
    /// It fell silent on its way, and its trip is told.
    Silent {
        last: Fix,
    },
    Stopped {
        /// Where, and when the vehicle came.
        at: Fix,
        /// The place it is measured from: it may move a little and stand there.
        anchor: Fix,
        /// When it was last there.
        last: Fix,
        /// Highest speed since then.
        max_speed_mps: f64,
        /// Highest that was reported since then; absent where none was.
        reported_mps: Option<f64>,
        away: Option<Away>,
    },
}

/// Fixes nearer in time are not kept beside each other, µs.
const KEPT_EVERY: i64 = 1_000_000;

impl TripDetector {
    /// Takes a position and a speed (m/s) at `at`, µs, in the order of time; appends what was found.
    pub fn apply(&mut self, config: &TripConfig, at: i64, position: Option<Position>, speed: Option<f64>, told: &mut Vec<TripEvent>) {
        let before = self.odometer.last().copied();
        if before.is_some_and(|b| at <= b.at) {
            self.late += 1;
            return;
        }
        let silent = before.filter(|b| at - b.at > micros(config.max_gap_s));
        if silent.is_some() {
            self.fall_silent(config, told);
            self.odometer.interrupt();
        }
        let bounds = Bounds { max_speed_mps: config.max_speed_mps, slack_m: config.radius_m };
        let Some(Taken { fix, speed_mps, jump }) = self.odometer.take(at, position, speed, &bounds) else { return };
        if let Some(before) = silent {
            self.after_silence(config, &before, &fix, told);
        }
        match jump {
            Jump::None => {}
            Jump::Away if self.left_near.is_empty() => self.left_near = std::mem::take(&mut self.near),
            Jump::Away => self.near.clear(),
            Jump::Back { .. } => {
                self.near = std::mem::take(&mut self.left_near);
                if let State::Seen { .. } = self.state {
                    self.state = seen(*self.near.front().unwrap_or(&fix));
                }
            }
        }
        self.note_reported(speed);
        self.near.push_back(fix);
        while self.near.front().is_some_and(|first| first.distance_m(&fix) > config.radius_m) {
            self.near.pop_front();
        }
        self.step(config, &fix, speed_mps, jump == Jump::Away, told);
        self.thin();
    }

    /// From when on nobody waits for the vehicle, which is on its way, µs: [`TripDetector::pass`] then tells its trip.
    pub fn deadline(&self, config: &TripConfig) -> Option<i64> {
        let State::Moving { .. } = self.state else { return None };
        Some(self.odometer.last()?.at + micros(config.max_gap_s))
    }

    /// Time has come to `now`, µs, without a sample: a trip whose vehicle has been silent for too long is over.
    pub fn pass(&mut self, config: &TripConfig, now: i64, told: &mut Vec<TripEvent>) {
        if self.deadline(config).is_some_and(|deadline| now > deadline) {
            self.fall_silent(config, told);
        }
    }

    /// There is no more: the trip or the stop that goes on is told as far as it has come.
    pub fn finish(&mut self, config: &TripConfig, told: &mut Vec<TripEvent>) {
        self.fall_silent(config, told);
        if let State::Stopped { at, last, .. } = self.state {
            self.leave(&at, &last, told);
        }
        self.state = State::Unknown;
    }

    fn fall_silent(&mut self, config: &TripConfig, told: &mut Vec<TripEvent>) {
        if let State::Moving { began, max_speed_mps } = self.state
            && let Some(last) = self.odometer.last().copied()
        {
            self.trip(config, &began, &last, max_speed_mps, Ended::Silence, told);
            self.state = State::Silent { last };
        }
    }

    /// Samples that came later than a newer one (or repeat it), and were left out.
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Positions that were dropped because nobody gets there so fast.
    pub const fn outliers(&self) -> u64 {
        self.odometer.outliers()
    }

    /// The trip that goes on, as far as it has come.
    pub fn running(&self, config: &TripConfig) -> Option<Trip> {
        let State::Moving { began, max_speed_mps } = &self.state else { return None };
        Some(self.made(config, began, self.odometer.last()?, *max_speed_mps, Ended::Running))
    }

    /// Memory held beside the detector itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        (self.near.capacity() + self.left_near.capacity()) * size_of::<Fix>()
    }

    /// A vehicle that is away reports a speed: motion that leads there, or none.
    fn note_reported(&mut self, speed: Option<f64>) {
        let Some(speed) = speed.filter(|v| v.is_finite()) else { return };
        if let State::Seen { reported_mps, .. } | State::Stopped { reported_mps, .. } = &mut self.state {
            *reported_mps = Some(reported_mps.unwrap_or(0.0).max(speed));
        }
    }

    fn step(&mut self, config: &TripConfig, fix: &Fix, speed: f64, relocated: bool, told: &mut Vec<TripEvent>) {
        let arrived = self.near.front().copied().filter(|first| fix.at - first.at >= micros(config.stop_after_s));
        match self.state {
            State::Unknown | State::Silent { .. } => self.state = seen(*fix),
            State::Seen { .. } if relocated => self.state = seen(*fix),
            State::Seen { first, max_speed_mps, reported_mps, away } => {
                if let Some(first) = arrived {
                    return self.stop_at(first, *fix, told);
                }
                let max_speed_mps = max_speed_mps.max(speed);
                let away = (first.distance_m(fix) > config.leave_m).then(|| away.unwrap_or(Away { first: *fix, relocated, hopped: false }));
                // The first position may have been the stray one: it has to go on from where it is now.
                let supported = is_supported(reported_mps, first.distance_m(fix), fix.at - first.at);
                if away.is_some_and(|a| a.is_sure(config, fix, supported) && a.first.distance_m(fix) > config.radius_m) {
                    return self.set_off(first, max_speed_mps, told);
                }
                self.state = State::Seen { first, max_speed_mps, reported_mps, away };
            }
            State::Moving { began, max_speed_mps } => {
                let max_speed_mps = max_speed_mps.max(speed);
                self.state = State::Moving { began, max_speed_mps };
                if let Some(first) = arrived {
                    self.trip(config, &began, &first, max_speed_mps, Ended::Stop, told);
                    self.stop_at(first, *fix, told);
                }
            }
            State::Stopped { at, anchor, last, max_speed_mps, reported_mps, away } => {
                // Without a place, by what was driven since it was last there: noise of the places before is no way.
                let unplaced = fix.place.is_none() && anchor.place.is_some();
                let way = if unplaced { anchor.distance_m(&last) + last.distance_m(fix) } else { anchor.distance_m(fix) };
                let moved = arrived.filter(|_| way > config.radius_m && way <= config.leave_m);
                if way <= config.radius_m || moved.is_some() {
                    // There, or it has moved a little and stands there: the same stop.
                    self.state = stopped(at, moved.unwrap_or(anchor), *fix);
                    return;
                }
                let max_speed_mps = max_speed_mps.max(speed);
                // The speeds that are reported tell more than what vehicles can do.
                let hopped = || reported_mps.is_none() && !is_drivable(anchor.distance_m(&last), &last, fix, config.radius_m);
                let away = (way > config.leave_m).then(|| away.unwrap_or_else(|| Away { first: *fix, relocated, hopped: hopped() }));
                self.state = State::Stopped { at, anchor, last, max_speed_mps, reported_mps, away };
                let supported = is_supported(reported_mps, way, fix.at - last.at);
                let Some(away) = away.filter(|a| a.is_sure(config, fix, supported)) else { return };
                self.leave(&at, &last, told);
                // It stands elsewhere, and no way leads there: its positions have moved, not the vehicle.
                let no_way = arrived.is_some_and(|first| first.odometer_m - last.odometer_m < config.radius_m);
                if away.relocated || no_way || (away.hopped && !away.has_gone_on(config, fix)) {
                    self.state = seen(away.first);
                } else {
                    self.set_off(last, max_speed_mps, told);
                }
                // It may have arrived already, where positions are rare.
                self.step(config, fix, speed, false, told);
            }
        }
    }

    /// Whether the vehicle, silent between the two, stood there or went on unseen. Nobody saw it drive, so no trip is told.
    fn after_silence(&mut self, config: &TripConfig, before: &Fix, fix: &Fix, told: &mut Vec<TripEvent>) {
        let last_place = before.place.or(match self.state {
            State::Stopped { anchor, .. } => anchor.place,
            _ => None,
        });
        let way = last_place.zip(fix.place).map(|(a, b)| a.distance_m(b).unwrap_or(f64::INFINITY));
        let stayed = match way {
            Some(way) => way <= config.radius_m,
            // Without places nobody knows; engines are silent where they are switched off.
            None => last_place.is_none() && fix.place.is_none(),
        };
        let long_enough = fix.at - before.at >= micros(config.stop_after_s);
        self.near.clear();
        match self.state {
            State::Stopped { at, anchor, .. } if stayed => {
                let anchor = if fix.place.is_some() { *fix } else { anchor };
                self.state = stopped(at, anchor, *fix);
            }
            // It has moved a little, or its receiver has no place yet: the stop goes on, and no trip began before it was seen.
            State::Stopped { at, anchor, last, .. } if way.is_none_or(|way| way <= config.leave_m) => {
                let last = Fix { place: fix.place.or(last.place), ..*fix };
                let anchor = if fix.place.is_some() { *fix } else { anchor };
                self.state = stopped(at, anchor, last);
            }
            State::Stopped { at, last, .. } => {
                self.leave(&at, &last, told);
                self.state = seen(*fix);
            }
            State::Silent { last } if stayed && long_enough => self.stop_at(last, *fix, told),
            State::Unknown | State::Seen { .. } if stayed && long_enough => self.stop_at(*before, *fix, told),
            _ => self.state = seen(*fix),
        }
    }

    fn stop_at(&mut self, first: Fix, now: Fix, told: &mut Vec<TripEvent>) {
        let at = Fix { place: first.place.or(now.place), ..first };
        self.state = stopped(at, at, now);
        told.push(TripEvent::Stopped { from: at.at, place: at.place });
    }

    fn leave(&mut self, at: &Fix, last: &Fix, told: &mut Vec<TripEvent>) {
        self.stops += 1;
        self.left_near.clear();
        told.push(TripEvent::Stop(Stop { number: self.stops, from: at.at, to: last.at, place: at.place }));
    }

    fn set_off(&mut self, began: Fix, max_speed_mps: f64, told: &mut Vec<TripEvent>) {
        while self.near.front().is_some_and(|first| first.at <= began.at) {
            self.near.pop_front();
        }
        self.state = State::Moving { began, max_speed_mps };
        told.push(TripEvent::SetOff { from: began.at, place: began.place });
    }

    fn trip(&mut self, config: &TripConfig, began: &Fix, end: &Fix, max_speed_mps: f64, ended: Ended, told: &mut Vec<TripEvent>) {
        told.push(TripEvent::Trip(self.made(config, began, end, max_speed_mps, ended)));
        self.trips += 1;
    }

    fn made(&self, config: &TripConfig, began: &Fix, end: &Fix, max_speed_mps: f64, ended: Ended) -> Trip {
        let distance_m = (end.odometer_m - began.odometer_m).max(0.0);
        let idle_s = (end.idle - began.idle).max(0) as f64 / 1e6;
        // Where the limit of speed is below what was driven no speed is believed, and the way says that the limit was reached.
        let moved_s = (end.at - began.at) as f64 / 1e6 - idle_s;
        let mean_mps = if moved_s > 0.0 { distance_m / moved_s } else { 0.0 };
        Trip {
            number: self.trips + 1,
            from: began.at,
            to: end.at,
            from_place: began.place,
            to_place: end.place,
            distance_m,
            idle_s,
            max_speed_mps: max_speed_mps.max(mean_mps.min(config.max_speed_mps)),
            ended,
        }
    }

    fn thin(&mut self) {
        let n = self.near.len();
        // The first is the anchor, the newest may become one; those between are kept a second apart.
        if n >= 3 && self.near[n - 2].at - self.near[n - 3].at < KEPT_EVERY {
            self.near.remove(n - 2);
        }
    }
}

const fn stopped(at: Fix, anchor: Fix, last: Fix) -> State {
    State::Stopped { at, anchor, last, max_speed_mps: 0.0, reported_mps: None, away: None }
}

/// It is first seen.
const fn seen(first: Fix) -> State {
    State::Seen { first, max_speed_mps: 0.0, reported_mps: None, away: None }
}

pub(super) fn micros(s: f64) -> i64 {
    (s * 1e6).round() as i64
}
