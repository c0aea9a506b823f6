//! Doubts about the unit of a column of times.

use slipstream_protocol::Timestamp;

use super::{
    Remark,
    text::shown,
    time::{Parsed, TimeForm, other_unit, unit_of},
};

/// 2000-01-01, before which there are hardly any recordings.
const YEAR_2000: Timestamp = Timestamp::from_millis(946_684_800_000);

/// The days from 2000 to 2099 as spreadsheets number them: from 1899-12-30 on.
const SERIALS: std::ops::Range<f64> = 36_526.0..73_051.0;

/// 1970-01-01 in these numbers.
const SERIAL_OF_1970: f64 = 25_569.0;

/// What speaks against the unit that the size of a time column's numbers tells: nanoseconds since the start look like seconds of
/// the Unix epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct TimeDoubts {
    is_relative: bool,
    is_absolute: bool,
    /// The first doubtful time: line, cell and what it is read as.
    first: Option<(u64, String, String)>,
    /// The first time that is none in the unit that its column names: line, cell, that unit, and the one it is read in.
    scaled: Option<(u64, String, &'static str, &'static str)>,
}

impl TimeDoubts {
    /// Looks at a time of line `line`; `cell` is how it is written.
    pub(super) fn look(&mut self, time: &Parsed, line: u64, cell: impl FnOnce() -> String) {
        let is_first = !self.is_relative && !self.is_absolute;
        let is_first_of_its_kind = match time {
            Parsed::Relative(_) | Parsed::Clock(_) => !std::mem::replace(&mut self.is_relative, true),
            Parsed::Absolute(_) | Parsed::TwoWay(_) => !std::mem::replace(&mut self.is_absolute, true),
        };
        let is_mixed = self.is_relative && self.is_absolute && is_first_of_its_kind;
        let is_early = matches!(time, Parsed::Absolute(moment) if *moment < YEAR_2000);
        // A recording does not begin after half a day, and today's dates are such numbers in spreadsheets.
        let is_serial = is_first && matches!(time, Parsed::Relative(n) if SERIALS.contains(n));
        if self.first.is_some() || !(is_mixed || is_early || is_serial) {
            return;
        }
        let cell = cell();
        // A date is what it says.
        if is_mixed || cell.parse::<f64>().is_ok() {
            let meaning = match time {
                Parsed::Relative(days) if is_serial => {
                    let date = Timestamp::from_secs_f64((days - SERIAL_OF_1970) * 86_400.0);
                    format!("{days} s since the start, where a spreadsheet would mean {date}")
                }
                Parsed::Relative(seconds) | Parsed::Clock(seconds) => format!("{seconds} s since the start"),
                Parsed::Absolute(moment) => moment.to_string(),
                Parsed::TwoWay(date) => date.shown(),
            };
            self.first = Some((line, cell, meaning));
        }
    }

    /// Looks at a time of a column that names its unit since 1970.
    pub(super) fn look_at_unit(&mut self, form: TimeForm, line: u64, cell: &str) {
        if self.scaled.is_none()
            && let Some((_, named)) = unit_of(form)
            && let Some((_, read)) = cell.parse().ok().and_then(|number| other_unit(number, form))
        {
            self.scaled = Some((line, cell.to_owned(), named, read));
        }
    }

    /// What speaks against the reading, if anything does.
    pub(super) fn remark(&self, column: &str) -> Option<Remark> {
        if let Some((line, cell, named, read)) = &self.scaled {
            let text =
                format!("column {}: '{}' is no time in {named} since 1970 and is read as {read}, by its size", shown(column), shown(cell));
            return Some(Remark::new(*line, &text));
        }
        let (line, cell, meaning) = self.first.as_ref()?;
        let why = if self.is_relative && self.is_absolute { ", and others are of the other kind" } else { "" };
        let text = format!(
            "column {}: '{}' is read as {meaning}{why}; where it counts from the start, write seconds into a column t_s",
            shown(column),
            shown(cell)
        );
        Some(Remark::partial(*line, &text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(times: &[(Parsed, &str)]) -> Option<Remark> {
        let mut doubts = TimeDoubts::default();
        for (line, (time, cell)) in (2..).zip(times) {
            doubts.look(time, line, || (*cell).to_owned());
        }
        doubts.remark("time")
    }

    #[test]
    fn a_recording_that_begins_with_a_spreadsheets_date_is_doubted() {
        let told = remark(&[(Parsed::Relative(46_071.375), "46071.375"), (Parsed::Relative(46_071.376), "46071.376")]).unwrap();
        assert!(told.partial && told.line == 2 && told.text.contains("2026-02-18T09:00:00.000Z"), "{told:?}");
        assert_eq!(remark(&[(Parsed::Relative(0.0), "0"), (Parsed::Relative(46_071.0), "46071")]), None, "half a day later");
        assert_eq!(remark(&[(Parsed::Clock(46_071.0), "12:47:51")]), None);
    }

    #[test]
    fn times_of_two_kinds_and_times_of_long_ago_are_doubted() {
        let now = Parsed::Absolute(Timestamp::from_millis(1_771_405_200_000));
        assert!(remark(&[(Parsed::Relative(1.0), "1"), (now.clone(), "2026-02-18T09:00:00Z")]).is_some());
        assert!(remark(&[(Parsed::Absolute(Timestamp::from_millis(500_000_000)), "500000000")]).is_some());
        assert_eq!(remark(&[(now, "2026-02-18T09:00:00Z")]), None);
    }
}
