//! Puts the times of a recording on the absolute line: relative times count from the start, clocks pass midnight, and one date that
//! can be read in one way alone decides how the others are read.

use std::collections::HashMap;

use slipstream_protocol::Timestamp;

use super::{
    Remark,
    text::shown,
    time::{Parsed, Start, TwoWayDate},
};

/// Vehicles whose clocks are followed; more start on the first day.
const MAX_FOLLOWED: usize = 65_536;

const DAY_S: f64 = 86_400.0;
/// A clock that falls by more has passed midnight; by less it is late.
const HALF_A_DAY_S: f64 = 43_200.0;
/// Two rows this close to midnight lie on both sides of it, whichever comes first.
const JUST_S: f64 = 300.0;
/// A clock whose first row is before this counts from the start.
const FROM_ZERO_S: f64 = 1.0;
/// A number of seconds passes midnight only from the last hour of a day to the first of the next: it may count from the start.
const HOUR_S: f64 = 3_600.0;

/// Which of the first two numbers of a date is the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DateOrder {
    DayFirst,
    MonthFirst,
}

impl DateOrder {
    const fn words(self) -> &'static str {
        match self {
            Self::DayFirst => "the day first",
            Self::MonthFirst => "the month first",
        }
    }
}

/// A clock's newest time.
#[derive(Clone, Copy, Debug, Default)]
struct ClockTime {
    days: i32,
    seconds: f64,
    direction: Direction,
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

/// Places the times of one recording.
#[derive(Clone, Debug)]
pub(super) struct TimeLine {
    start: Start,
    /// Microseconds added to moments, once known.
    shift: Option<i64>,
    /// What times of day count from, once one was read.
    midnight_before: Option<Timestamp>,
    clocks: HashMap<String, ClockTime>,
    /// The clock farthest ahead, of whichever vehicle.
    newest: Option<ClockTime>,
    /// The clock of the row before, of whichever vehicle.
    previous: Option<ClockTime>,
    /// The earliest clock of the first day, of whichever vehicle.
    earliest_s: f64,
    /// The first row behind midnight: line and cell.
    midnight: Option<(u64, String)>,
    order: Option<DateOrder>,
    /// The date that decided the order: line and cell.
    decided: Option<(u64, String)>,
}

impl TimeLine {
    pub(super) fn new(start: Start) -> Self {
        Self {
            start,
            shift: None,
            midnight_before: None,
            clocks: HashMap::new(),
            newest: None,
            previous: None,
            earliest_s: DAY_S,
            midnight: None,
            order: None,
            decided: None,
        }
    }

    /// The moment of a row of `vehicle`. Fails for a date whose day cannot be told from its month.
    pub(super) fn place(&mut self, vehicle: &str, parsed: Parsed, line: u64) -> Result<Timestamp, String> {
        let relative = |start: Timestamp, seconds| Timestamp::from_micros(start.micros().saturating_add(micros_of(seconds)));
        let moment = match parsed {
            Parsed::Absolute(time) => time,
            Parsed::TwoWay(date) => self.date(&date, line)?,
            Parsed::Relative(seconds) => {
                let seconds = self.dated(vehicle, false, seconds, line);
                return Ok(relative(self.start.at, seconds));
            }
            Parsed::Clock(seconds) => {
                let seconds = self.dated(vehicle, true, seconds, line);
                let start = self.start;
                return Ok(relative(*self.midnight_before.get_or_insert_with(|| first_midnight(start, seconds)), seconds));
            }
        };
        if !self.start.moves_moments {
            return Ok(moment);
        }
        let shift = *self.shift.get_or_insert(self.start.at.micros().saturating_sub(moment.micros()));
        Ok(Timestamp::from_micros(moment.micros().saturating_add(shift)))
    }

    /// What was decided, and by which row.
    pub(super) fn remarks(&self) -> impl Iterator<Item = Remark> {
        let midnight = self.midnight.as_ref().map(|(line, cell)| {
            let text = format!("times of day pass midnight: '{}' is taken for the next day, and what follows it", shown(cell));
            Remark::new(*line, &text)
        });
        let order = self
            .decided
            .as_ref()
            .zip(self.order)
            .map(|((line, cell), order)| Remark::new(*line, &format!("dates are read {}, as '{}' says", order.words(), shown(cell))));
        midnight.into_iter().chain(order)
    }

    /// Seconds since the beginning of the first day.
    fn dated(&mut self, vehicle: &str, is_clock: bool, seconds: f64, line: u64) -> f64 {
        // Nothing that counts beyond a day is a clock.
        if !(0.0..DAY_S).contains(&seconds) {
            return seconds;
        }
        let begins = ClockTime { days: self.first_day(seconds, is_clock), seconds, direction: Direction::Unknown };
        let clock = if let Some(known) = self.clocks.get_mut(vehicle) {
            *known = turned(*known, seconds, is_clock);
            *known
        } else {
            if self.clocks.len() < MAX_FOLLOWED {
                self.clocks.insert(vehicle.to_owned(), begins);
            }
            begins
        };
        if clock.days > 0 && self.midnight.is_none() {
            let of_day = seconds as u32;
            let cell = format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60);
            self.midnight = Some((line, cell));
        }
        if self.newest.is_none_or(|newest| (newest.days, newest.seconds) < (clock.days, clock.seconds)) {
            self.newest = Some(clock);
        }
        if clock.days == 0 {
            self.earliest_s = self.earliest_s.min(seconds);
        }
        self.previous = Some(clock);
        f64::from(clock.days).mul_add(DAY_S, seconds)
    }

    /// The day a vehicle begins on. Where the row before lies just on the other side of midnight, its rows go on with that row, unless
    /// the file has been at this time of day before: then it has one vehicle after the other. Else it is the day of the clock
    /// farthest ahead, where they are close, or the first.
    fn first_day(&self, seconds: f64, is_clock: bool) -> i32 {
        if let Some(previous) = self.previous.filter(|_| is_clock) {
            if previous.seconds >= DAY_S - HOUR_S && seconds < HOUR_S && seconds < self.earliest_s {
                return previous.days + 1;
            }
            if previous.seconds < JUST_S && seconds >= DAY_S - JUST_S {
                return previous.days - 1;
            }
            if previous.days < 0 && (seconds - previous.seconds).abs() < HOUR_S {
                return previous.days;
            }
        }
        let close = |before: &ClockTime| before.days > 0 && (0.0..HOUR_S).contains(&(seconds - before.seconds));
        self.newest.filter(close).map_or(0, |before| before.days)
    }

    /// Lets a date that can be read in one way alone decide how the others are read, if none has yet.
    pub(super) fn decide(&mut self, date: &TwoWayDate, line: u64) {
        let order = match (date.day_first(), date.month_first()) {
            (Some(_), None) if !date.has_dots() => DateOrder::DayFirst,
            (None, Some(_)) => DateOrder::MonthFirst,
            _ => return,
        };
        if self.order.is_none() {
            self.order = Some(order);
            self.decided = Some((line, date.shown()));
        }
    }

    fn date(&mut self, date: &TwoWayDate, line: u64) -> Result<Timestamp, String> {
        let (day_first, month_first) = (date.day_first(), date.month_first());
        let (order, time) = match (day_first, month_first, self.order) {
            (Some(time), Some(other), _) if time == other => return Ok(time),
            // Dots stand behind the day wherever they are used.
            (Some(time), _, _) if date.has_dots() => return Ok(time),
            (Some(time), None, _) => (DateOrder::DayFirst, time),
            (None, Some(time), _) => (DateOrder::MonthFirst, time),
            (Some(time), Some(_), Some(DateOrder::DayFirst)) | (Some(_), Some(time), Some(DateOrder::MonthFirst)) => return Ok(time),
            _ => return Err(date.doubt()),
        };
        match self.order {
            Some(known) if known != order => {
                let (line, cell) = self.decided.clone().unwrap_or_default();
                Err(format!("'{}' has its day and month the other way round than '{}' in line {line}", date.shown(), shown(&cell)))
            }
            Some(_) => Ok(time),
            None => {
                self.order = Some(order);
                self.decided = Some((line, date.shown()));
                Ok(time)
            }
        }
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
        Direction::Unknown => before.seconds < JUST_S && seconds >= DAY_S - JUST_S,
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

/// The midnight that times of day count from, where the first of them is `first_s` after it.
fn first_midnight(start: Start, first_s: f64) -> Timestamp {
    let before = |seconds: f64| Timestamp::from_micros(start.at.micros().saturating_sub(micros_of(seconds)));
    if start.moves_clocks {
        return before(first_s);
    }
    // A logger's own clock begins at zero, and is no time of day.
    if (0.0..FROM_ZERO_S).contains(&first_s) {
        return start.at;
    }
    before(start.at.micros().rem_euclid((DAY_S * 1e6) as i64) as f64 / 1e6)
}

fn micros_of(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::{
        super::time::{TimeForm, parse},
        *,
    };

    const START: Timestamp = Timestamp::from_millis(1_771_372_800_000);

    fn line() -> TimeLine {
        TimeLine::new(Start::at(START))
    }

    /// Seconds since the start.
    fn placed(line: &mut TimeLine, vehicle: &str, text: &str) -> f64 {
        let parsed = parse(text, text.parse().ok(), TimeForm::Text).unwrap();
        (line.place(vehicle, parsed, 2).unwrap() - START) as f64 / 1e6
    }

    #[test]
    fn relative_times_count_from_the_start_and_absolute_ones_move_only_when_asked() {
        let (start, old) = (Timestamp::from_secs_f64(1e9), Timestamp::from_secs_f64(5e8));
        let mut relative = TimeLine::new(Start::at(start));
        assert_eq!(relative.place("a", Parsed::Relative(1.5), 1), Ok(Timestamp::from_secs_f64(1e9 + 1.5)));
        assert_eq!(relative.place("a", Parsed::Absolute(old), 2), Ok(old));
        let mut shifted = TimeLine::new(Start::shifted(start));
        assert_eq!(shifted.place("a", Parsed::Absolute(old), 1), Ok(start));
        let later = Parsed::Absolute(Timestamp::from_secs_f64(5e8 + 2.0));
        assert_eq!(shifted.place("a", later, 2), Ok(Timestamp::from_secs_f64(1e9 + 2.0)));
    }

    #[test]
    fn a_clock_goes_on_to_the_next_day_and_each_vehicles_by_itself() {
        let mut times = line();
        for (vehicle, text, seconds) in [
            ("a", "23:59:58", 86_398.0),
            ("b", "23:59:59", 86_399.0),
            ("a", "00:00:01", 86_401.0),
            ("b", "23:59:59.5", 86_399.5),
            ("c", "00:00:02", 86_402.0),
            ("a", "23:59:59.9", 86_399.9),
            ("a", "00:00:03", 86_403.0),
            ("a", "18:00:00", 151_200.0),
            ("a", "00:00:00", 172_800.0),
        ] {
            assert!((placed(&mut times, vehicle, text) - seconds).abs() < 1e-6, "{vehicle} {text}");
        }
        let remarks: Vec<_> = times.remarks().collect();
        assert!(remarks.len() == 1 && remarks[0].text.contains("midnight") && remarks[0].text.contains("00:00:01"), "{remarks:?}");
    }

    #[test]
    fn what_is_late_or_begins_anew_passes_no_midnight() {
        let mut times = line();
        for (vehicle, text, seconds) in [
            ("a", "10:00:00", 36_000.0),
            ("a", "09:59:00", 35_940.0),
            ("a", "20:00:00", 72_000.0),
            // One vehicle after the other.
            ("b", "08:00:00", 28_800.0),
            ("b", "23:59:50", 86_390.0),
            ("c", "08:00:00", 28_800.0),
            ("c", "23:59:50", 86_390.0),
            ("c2", "08:00:01", 28_801.0),
            // Durations go on beyond a day, and numbers may begin anew.
            ("d", "23:59:59", 86_399.0),
            ("d", "24:00:01", 86_401.0),
            ("e", "50000", 50_000.0),
            ("e", "0", 0.0),
            ("f", "86399.5", 86_399.5),
            ("f", "0.5", 86_400.5),
        ] {
            assert!((placed(&mut times, vehicle, text) - seconds).abs() < 1e-6, "{vehicle} {text}");
        }
    }

    #[test]
    fn a_file_that_goes_back_in_time_goes_back_over_midnight() {
        for rows in [&["00:00:02", "00:00:01", "23:59:59"][..], &["00:00:01", "23:59:59", "23:59:58"]] {
            for vehicles in [["a", "a", "a"], ["a", "b", "a"], ["a", "b", "c"]] {
                let mut times = line();
                let there: Vec<f64> = rows.iter().zip(vehicles).map(|(text, vehicle)| placed(&mut times, vehicle, text)).collect();
                assert!(there.is_sorted_by(|a, b| a > b) && there[0] - there[2] < 5.0, "{rows:?} {vehicles:?}: {there:?}");
            }
        }
    }

    #[test]
    fn vehicles_whose_rows_alternate_pass_midnight_together() {
        for vehicles in [["a", "b", "a", "b"], ["a", "b", "c", "d"], ["a", "a", "b", "a"]] {
            let mut times = line();
            let rows = ["23:59:58", "23:59:59", "00:00:00", "00:00:01"];
            let there: Vec<f64> = rows.iter().zip(vehicles).map(|(text, vehicle)| placed(&mut times, vehicle, text)).collect();
            assert_eq!(there, [86_398.0, 86_399.0, 86_400.0, 86_401.0], "{vehicles:?}");
        }
        let mut blocks = line();
        for vehicle in ["a", "b", "c"] {
            assert_eq!(placed(&mut blocks, vehicle, "00:00:05"), 5.0, "a day of one vehicle after the other");
            assert_eq!(placed(&mut blocks, vehicle, "12:00:00"), 43_200.0);
            assert_eq!(placed(&mut blocks, vehicle, "23:59:55"), 86_395.0);
        }
    }

    #[test]
    fn times_of_day_keep_their_clock_on_the_day_of_the_start() {
        let read = |start: Start, text: &str| {
            let parsed = parse(text, text.parse().ok(), TimeForm::Text).unwrap();
            TimeLine::new(start).place("a", parsed, 2).unwrap().to_string()
        };
        let nine = |text: &str| read(Start::at("2026-02-18T09:00:00Z".parse().unwrap()), text);
        assert_eq!(nine("09:00:05"), "2026-02-18T09:00:05.000Z");
        assert_eq!(nine("08:59:59.5"), "2026-02-18T08:59:59.500Z");
        assert_eq!(nine("23:30:00"), "2026-02-18T23:30:00.000Z");
        assert_eq!(nine("12.5"), "2026-02-18T09:00:12.500Z", "seconds count from the start");
        assert_eq!(nine("00:00:00.1"), "2026-02-18T09:00:00.100Z", "so does a clock that begins at zero");
        let shifted = Start::shifted("2026-02-18T09:00:00Z".parse().unwrap());
        assert_eq!(read(shifted, "09:00:05"), "2026-02-18T09:00:05.000Z", "the relay's rule is the same");
        assert_eq!(read(shifted, "100"), "2026-02-18T09:01:40.000Z");
        assert_eq!(read(shifted.moving_clocks(), "07:12:00"), "2026-02-18T09:00:00.000Z");
    }

    #[test]
    fn a_date_that_can_be_read_in_one_way_decides_for_those_after_it() {
        let read = |times: &mut TimeLine, text: &str| {
            let parsed = parse(text, None, TimeForm::Text)?;
            times.place("a", parsed, 7).map(|t| t.to_string())
        };
        let mut times = line();
        assert!(read(&mut times, "03/04/2026 09:00:00").unwrap_err().contains("--time-format"));
        assert_eq!(read(&mut times, "03/03/2026").unwrap(), "2026-03-03T00:00:00.000Z");
        assert_eq!(read(&mut times, "18/02/2026 09:00:00.5").unwrap(), "2026-02-18T09:00:00.500Z");
        assert_eq!(read(&mut times, "03/04/2026 9:00 PM").unwrap(), "2026-04-03T21:00:00.000Z");
        assert!(read(&mut times, "02/18/2026 09:00:00").unwrap_err().contains("the other way round"));
        assert_eq!(times.remarks().map(|r| (r.line, r.text.contains("the day first"))).collect::<Vec<_>>(), [(7, true)]);
        assert_eq!(read(&mut line(), "1.2.2026 09:00:00").unwrap(), "2026-02-01T09:00:00.000Z", "dots stand behind the day");
        assert_eq!(read(&mut line(), "2/18/26 09:00:00").unwrap(), "2026-02-18T09:00:00.000Z");
        assert!(read(&mut line(), "31/31/2026").is_err() && read(&mut line(), "30.02.2026").is_err());
    }
}
