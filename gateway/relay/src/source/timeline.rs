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
    /// The file goes back in time.
    falls: bool,
}

/// Places the times of one recording.
#[derive(Clone, Debug)]
pub(super) struct TimeLine {
    start: Start,
    /// Microseconds added to absolute times, once known.
    shift: Option<i64>,
    clocks: HashMap<String, ClockTime>,
    /// The clock farthest ahead, of whichever vehicle.
    newest: Option<ClockTime>,
    /// The first row behind midnight: line and cell.
    midnight: Option<(u64, String)>,
    order: Option<DateOrder>,
    /// The date that decided the order: line and cell.
    decided: Option<(u64, String)>,
}

impl TimeLine {
    pub(super) fn new(start: Start) -> Self {
        Self { start, shift: None, clocks: HashMap::new(), newest: None, midnight: None, order: None, decided: None }
    }

    /// The moment of a row of `vehicle`. Fails for a date whose day cannot be told from its month.
    pub(super) fn place(&mut self, vehicle: &str, parsed: Parsed, line: u64) -> Result<Timestamp, String> {
        let micros = match parsed {
            Parsed::Absolute(time) => Ok(time),
            Parsed::TwoWay(date) => self.date(&date, line).map(Ok)?,
            Parsed::Relative(seconds) | Parsed::Clock(seconds) => Err(self.dated(vehicle, &parsed, seconds, line)),
        };
        Ok(match (self.start, micros) {
            (Start::Relative(start), Err(seconds)) => Timestamp::from_micros(start.micros().saturating_add(micros_of(seconds))),
            (Start::Relative(_), Ok(time)) => time,
            (Start::Shifted(start), placed) => {
                let time = placed.map_or_else(micros_of, Timestamp::micros);
                let shift = *self.shift.get_or_insert(start.micros().saturating_sub(time));
                Timestamp::from_micros(time.saturating_add(shift))
            }
        })
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
    fn dated(&mut self, vehicle: &str, parsed: &Parsed, seconds: f64, line: u64) -> f64 {
        let is_clock = matches!(parsed, Parsed::Clock(_));
        // Nothing that counts beyond a day is a clock.
        if !(0.0..DAY_S).contains(&seconds) {
            return seconds;
        }
        let begins = ClockTime { days: self.first_day(seconds), seconds, falls: false };
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
        f64::from(clock.days).mul_add(DAY_S, seconds)
    }

    /// The day a vehicle begins on: that of the clock farthest ahead, where they are close; else the first, as where a file has one vehicle
    /// after the other.
    fn first_day(&self, seconds: f64) -> i32 {
        let close = |before: &ClockTime| before.days > 0 && (0.0..HOUR_S).contains(&(seconds - before.seconds));
        self.newest.filter(close).map_or(0, |before| before.days)
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
    let returns = is_clock && step > HALF_A_DAY_S && (before.falls || is_late);
    let days = before.days + i32::from(passes) - i32::from(returns);
    let falls = if passes || returns { before.falls } else { step < 0.0 };
    ClockTime { days, seconds, falls }
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
        TimeLine::new(Start::Relative(START))
    }

    /// Seconds since the start.
    fn placed(line: &mut TimeLine, vehicle: &str, text: &str) -> f64 {
        let parsed = parse(text, text.parse().ok(), TimeForm::Text).unwrap();
        (line.place(vehicle, parsed, 2).unwrap() - START) as f64 / 1e6
    }

    #[test]
    fn relative_times_count_from_the_start_and_absolute_ones_move_only_when_asked() {
        let (start, old) = (Timestamp::from_secs_f64(1e9), Timestamp::from_secs_f64(5e8));
        let mut relative = TimeLine::new(Start::Relative(start));
        assert_eq!(relative.place("a", Parsed::Relative(1.5), 1), Ok(Timestamp::from_secs_f64(1e9 + 1.5)));
        assert_eq!(relative.place("a", Parsed::Absolute(old), 2), Ok(old));
        let mut shifted = TimeLine::new(Start::Shifted(start));
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
            ("c", "00:00:00", 0.0),
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
        let mut newest_first = line();
        let there: Vec<f64> = ["00:00:02", "00:00:01", "23:59:59"].iter().map(|t| placed(&mut newest_first, "a", t)).collect();
        assert_eq!(there, [2.0, 1.0, -1.0]);
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
