//! Puts the times of a recording on the absolute line: relative times count from the start, clocks pass midnight, and one date that
//! can be read in one way alone decides how the others are read.

use slipstream_protocol::Timestamp;

use super::{
    Remark,
    day_clock::{DAY_S, DayClock},
    text::shown,
    time::{Parsed, Start},
    two_way_date::TwoWayDate,
};

/// A clock whose first row is before this counts from the start.
const FROM_ZERO_S: f64 = 1.0;
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

/// Places the times of one recording.
#[derive(Clone, Debug)]
pub(super) struct TimeLine {
    start: Start,
    /// Microseconds added to moments, once known.
    shift: Option<i64>,
    /// What times of day count from, once one was read.
    midnight_before: Option<Timestamp>,
    days: DayClock,
    order: Option<DateOrder>,
    /// The date that decided the order: line and cell.
    decided: Option<(u64, String)>,
}

impl TimeLine {
    pub(super) fn new(start: Start) -> Self {
        Self { start, shift: None, midnight_before: None, days: DayClock::default(), order: None, decided: None }
    }

    /// The moment of a row of `vehicle`. Fails for a date whose day cannot be told from its month.
    pub(super) fn place(&mut self, vehicle: &str, parsed: Parsed, line: u64) -> Result<Timestamp, String> {
        let relative = |start: Timestamp, seconds| Timestamp::from_micros(start.micros().saturating_add(micros_of(seconds)));
        let moment = match parsed {
            Parsed::Absolute(time) => time,
            Parsed::TwoWay(date) => self.date(&date, line)?,
            Parsed::Relative(seconds) => {
                let seconds = self.days.seconds_of_elapsed(vehicle, seconds, line);
                return Ok(relative(self.start.at, seconds));
            }
            Parsed::Clock(seconds) => {
                let seconds = self.days.seconds_of_clock(vehicle, seconds, line);
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
        let order = self
            .decided
            .as_ref()
            .zip(self.order)
            .map(|((line, cell), order)| Remark::new(*line, &format!("dates are read {}, as '{}' says", order.words(), shown(cell))));
        self.days.remark().into_iter().chain(order)
    }

    /// Lets a date that can be read in one way alone decide how the others are read, if none has yet. Yields whether one has.
    pub(super) fn decide(&mut self, date: &TwoWayDate, line: u64) -> bool {
        let order = match (date.day_first(), date.month_first()) {
            (Some(_), None) if !date.has_dots() => DateOrder::DayFirst,
            (None, Some(_)) => DateOrder::MonthFirst,
            _ => return self.order.is_some(),
        };
        if self.order.is_none() {
            self.order = Some(order);
            self.decided = Some((line, date.shown()));
        }
        true
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
mod tests;
