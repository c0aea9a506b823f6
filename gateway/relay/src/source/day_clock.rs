//! Follows times of day over midnight: one clock for the whole file, and each vehicle's own where its rows stand apart.
//!
//! A row is placed on the day on which it goes on with its vehicle's row before. Where vehicles alternate, the file's row before counts
//! more: a vehicle that comes back after a pause goes on with it. A file that has one vehicle after the other begins each on the first
//! day, and a file whose rows go back in time goes back over midnight.

use std::collections::HashMap;

use super::Remark;

/// Vehicles whose clocks are followed; more go with the row before.
const MAX_FOLLOWED: usize = 65_536;

pub(super) const DAY_S: f64 = 86_400.0;
/// A clock that falls by more has passed midnight; by less it is late.
const HALF_A_DAY_S: f64 = 43_200.0;
/// The second row of a vehicle goes back over midnight by less, and else forward by most of a day.
const BACK_S: f64 = 21_600.0;
/// Two rows this close to midnight lie on both sides of it, whichever comes first.
const JUST_S: f64 = 300.0;
/// Rows of a file that has all vehicles side by side are closer. A number of seconds passes midnight only from the last hour of a
/// day to the first of the next: it may count from the start.
const HOUR_S: f64 = 3_600.0;

/// A clock's newest time.
#[derive(Clone, Copy, Debug, Default)]
struct ClockTime {
    days: i32,
    seconds: f64,
    direction: Direction,
}

impl ClockTime {
    /// Seconds since the beginning of the first day.
    fn total_s(self) -> f64 {
        f64::from(self.days).mul_add(DAY_S, self.seconds)
    }

    /// The day on which `seconds` is nearest to this time.
    fn nearest_day(self, seconds: f64) -> i32 {
        let step = seconds - self.seconds;
        self.days + i32::from(step < -HALF_A_DAY_S) - i32::from(step > HALF_A_DAY_S)
    }
}

/// Which way a vehicle's rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Direction {
    /// There was one row.
    #[default]
    Unknown,
    Forward,
    /// The file goes back in time.
    Back,
}

/// The days of one recording's times of day.
#[derive(Clone, Debug, Default)]
pub(super) struct DayClock {
    clocks: HashMap<String, ClockTime>,
    /// The clock of the row before, of whichever vehicle.
    previous: Option<ClockTime>,
    /// Seconds of day of the file's first row.
    first_s: f64,
    /// The earliest clock of the first day, of whichever vehicle.
    earliest_s: f64,
    /// Whether a vehicle came back close to another's row: the file has its vehicles side by side.
    alternates: bool,
    /// The first row behind midnight: line and cell.
    midnight: Option<(u64, String)>,
}

impl DayClock {
    /// Seconds from the beginning of the first day to a time of day of `vehicle`.
    pub(super) fn seconds_of_clock(&mut self, vehicle: &str, seconds: f64, line: u64) -> f64 {
        // The end of a day is the next one's beginning (ISO 8601), and is written 24:00:00.
        if (DAY_S..DAY_S + 1e-6).contains(&seconds) {
            let before = self.clocks.get(vehicle).copied().or(self.previous);
            let days = before.map_or(1, |before| before.days + i32::from(before.seconds >= HALF_A_DAY_S));
            let direction = before.map_or(Direction::Unknown, |before| before.direction);
            return self.remember(vehicle, ClockTime { days, seconds: 0.0, direction }, line);
        }
        self.dated(vehicle, true, seconds, line)
    }

    /// Seconds from the beginning of the first day to a number of seconds of `vehicle`, which may begin anew at midnight.
    pub(super) fn seconds_of_elapsed(&mut self, vehicle: &str, seconds: f64, line: u64) -> f64 {
        self.dated(vehicle, false, seconds, line)
    }

    /// Says which row passed midnight first, if one did.
    pub(super) fn remark(&self) -> Option<Remark> {
        let (line, cell) = self.midnight.as_ref()?;
        Some(Remark::new(*line, &format!("times of day pass midnight: '{cell}' is taken for the next day, and what follows it")))
    }

    fn dated(&mut self, vehicle: &str, is_clock: bool, seconds: f64, line: u64) -> f64 {
        // Nothing that counts beyond a day is a clock.
        if !(0.0..DAY_S).contains(&seconds) {
            return seconds;
        }
        let clock = match self.clocks.get(vehicle).copied() {
            Some(known) if is_clock => self.goes_on(known, seconds),
            Some(known) => turned(known, seconds, false),
            None => {
                let direction = self.previous.filter(|_| self.alternates).map_or(Direction::Unknown, |previous| previous.direction);
                ClockTime { days: self.first_day(seconds, is_clock), seconds, direction }
            }
        };
        self.remember(vehicle, clock, line)
    }

    /// Takes the newest time of a vehicle, and yields its seconds from the beginning of the first day.
    fn remember(&mut self, vehicle: &str, clock: ClockTime, line: u64) -> f64 {
        if let Some(known) = self.clocks.get_mut(vehicle) {
            *known = clock;
        } else if self.clocks.len() < MAX_FOLLOWED {
            self.clocks.insert(vehicle.to_owned(), clock);
        }
        if clock.days > 0 && self.midnight.is_none() {
            let of_day = clock.seconds as u32;
            self.midnight = Some((line, format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)));
        }
        if self.previous.is_none() {
            (self.first_s, self.earliest_s) = (clock.seconds, clock.seconds);
        }
        if clock.days == 0 {
            self.earliest_s = self.earliest_s.min(clock.seconds);
        }
        self.previous = Some(clock);
        clock.total_s()
    }

    /// Where a vehicle that is known is at `seconds` of a day: the file's row before decides where they are close, or where vehicles
    /// alternate, unless the vehicle would turn round.
    fn goes_on(&mut self, known: ClockTime, seconds: f64) -> ClockTime {
        let own = turned(known, seconds, true);
        let Some(previous) = self.previous else { return own };
        let nearest = ClockTime { days: previous.nearest_day(seconds), ..own };
        let distance = (nearest.total_s() - previous.total_s()).abs();
        let is_own = (previous.total_s() - known.total_s()).abs() < f64::EPSILON;
        if !is_own && distance < HOUR_S {
            self.alternates = true;
        }
        if own.days == nearest.days || is_own || distance >= if self.alternates { HALF_A_DAY_S } else { HOUR_S } {
            return own;
        }
        let goes_back = match known.direction {
            Direction::Unknown => previous.direction == Direction::Back,
            direction => direction == Direction::Back,
        };
        match nearest.total_s() - known.total_s() {
            step if step >= 0.0 && !goes_back => ClockTime { direction: Direction::Forward, ..nearest },
            step if step < 0.0 && goes_back => ClockTime { direction: Direction::Back, ..nearest },
            _ => own,
        }
    }

    /// The day a vehicle begins on. Its first row goes on with the row before where the file has its vehicles side by side, or seems to:
    /// where both rows are close, and the file has not been at this time of day before. Else it has one vehicle after the other.
    fn first_day(&self, seconds: f64, is_clock: bool) -> i32 {
        let Some(previous) = self.previous else { return 0 };
        if is_clock && self.alternates {
            return previous.nearest_day(seconds);
        }
        if is_clock && previous.seconds >= DAY_S - HOUR_S && seconds < HOUR_S {
            return previous.days + i32::from(seconds < self.earliest_s);
        }
        if is_clock && previous.seconds < JUST_S && seconds >= DAY_S - JUST_S {
            return previous.days - 1;
        }
        let begins_anew = (seconds - self.first_s).abs() < HOUR_S;
        if (seconds - previous.seconds).abs() < HOUR_S && !begins_anew { previous.days } else { 0 }
    }
}

/// Where a clock is at `seconds` of a day, after `before`.
fn turned(before: ClockTime, seconds: f64, is_clock: bool) -> ClockTime {
    let step = seconds - before.seconds;
    let passes = if is_clock { step < -HALF_A_DAY_S } else { before.seconds >= DAY_S - HOUR_S && seconds < HOUR_S };
    // A row behind midnight that is late is of the day before, as are all where a file goes back in time.
    let is_late = before.days > 0 && before.seconds < HOUR_S && seconds >= DAY_S - HOUR_S;
    let goes_back = match before.direction {
        Direction::Back => true,
        Direction::Unknown => step > DAY_S - BACK_S,
        Direction::Forward => false,
    };
    let returns = is_clock && step > HALF_A_DAY_S && (goes_back || is_late);
    let days = before.days + i32::from(passes) - i32::from(returns);
    let direction = match (passes, returns) {
        (true, _) if before.direction == Direction::Unknown => Direction::Forward,
        (_, true) if before.direction == Direction::Unknown => Direction::Back,
        (true, _) | (_, true) => before.direction,
        _ if step < 0.0 => Direction::Back,
        _ => Direction::Forward,
    };
    ClockTime { days, seconds, direction }
}
