//! Times as files write them.

use slipstream_protocol::Timestamp;

/// Where a stream with relative times begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Absolute times stay; relative times count from this moment.
    Relative(Timestamp),
    /// The first sample is put at this moment and all others keep their distance to it.
    Shifted(Timestamp),
}

/// How a time column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// Seconds since the recording began, or since midnight.
    RelativeSeconds,
    /// Seconds since the Unix epoch.
    UnixSeconds,
    /// Milliseconds since the Unix epoch.
    UnixMillis,
    /// RFC 3339 (a blank for the `T` and a missing zone, meant as UTC, are taken), or a number whose
    /// size tells its unit.
    Text,
}

/// Columns that hold a time, the most telling first.
pub(super) const TIME_COLUMNS: [(&str, TimeForm); 11] = [
    ("t_s", TimeForm::RelativeSeconds),
    ("tod_s", TimeForm::RelativeSeconds),
    ("unix_s", TimeForm::UnixSeconds),
    ("unix_ms", TimeForm::UnixMillis),
    ("timestamp", TimeForm::Text),
    ("time", TimeForm::Text),
    ("generated_at", TimeForm::Text),
    ("datetime", TimeForm::Text),
    ("date_time", TimeForm::Text),
    ("meta_time", TimeForm::Text),
    ("received_at", TimeForm::Text),
];

/// The form of the column called `name`.
pub(super) fn form_of(name: &str) -> TimeForm {
    TIME_COLUMNS.into_iter().find(|(n, _)| *n == name).map_or(TimeForm::Text, |(_, form)| form)
}

/// A parsed time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Parsed {
    /// Seconds since the recording began.
    Relative(f64),
    /// A moment.
    Absolute(Timestamp),
}

pub(super) fn parse(text: &str, form: TimeForm) -> Result<Parsed, String> {
    let number = || match text.parse::<f64>() {
        Ok(n) if n.is_finite() => Ok(n),
        _ => Err(format!("'{}' is not a time in seconds", shown(text))),
    };
    Ok(match form {
        TimeForm::RelativeSeconds => Parsed::Relative(number()?),
        TimeForm::UnixSeconds => Parsed::Absolute(Timestamp::from_secs_f64(number()?)),
        TimeForm::UnixMillis => Parsed::Absolute(Timestamp::from_secs_f64(number()? / 1e3)),
        TimeForm::Text => return parse_text(text),
    })
}

fn parse_text(text: &str) -> Result<Parsed, String> {
    if let Ok(n) = text.parse::<f64>() {
        // Relative recordings are shorter than four months; from 1970-04 on the size tells the unit.
        return match n.abs() {
            size if !size.is_finite() => Err(format!("'{text}' is not a time")),
            size if size < 1e7 => Ok(Parsed::Relative(n)),
            size if size < 1e11 => Ok(Parsed::Absolute(Timestamp::from_secs_f64(n))),
            size if size < 1e14 => Ok(Parsed::Absolute(Timestamp::from_secs_f64(n / 1e3))),
            size if size < 1e17 => Ok(Parsed::Absolute(Timestamp::from_secs_f64(n / 1e6))),
            _ => Ok(Parsed::Absolute(Timestamp::from_secs_f64(n / 1e9))),
        };
    }
    let parsed = text.parse::<Timestamp>().or_else(|error| format!("{text}Z").parse().map_err(|_| error));
    parsed.map(Parsed::Absolute).map_err(|e| e.message)
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Puts parsed times on the absolute line.
#[derive(Clone, Debug)]
pub(super) struct TimeLine {
    start: Start,
    /// Microseconds added to absolute times, once known.
    shift: Option<i64>,
}

impl TimeLine {
    pub(super) const fn new(start: Start) -> Self {
        Self { start, shift: None }
    }

    pub(super) fn place(&mut self, parsed: Parsed) -> Timestamp {
        match (self.start, parsed) {
            (Start::Relative(start), Parsed::Relative(secs)) => Timestamp::from_micros(start.micros().saturating_add(micros(secs))),
            (Start::Relative(_), Parsed::Absolute(time)) => time,
            (Start::Shifted(start), parsed) => {
                let time = match parsed {
                    Parsed::Relative(secs) => micros(secs),
                    Parsed::Absolute(time) => time.micros(),
                };
                let shift = *self.shift.get_or_insert(start.micros().saturating_sub(time));
                Timestamp::from_micros(time.saturating_add(shift))
            }
        }
    }
}

fn micros(secs: f64) -> i64 {
    (secs * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_is_read_from_each_way_of_writing_it() {
        let moment = "2025-09-05T00:28:20.593Z".parse::<Timestamp>().unwrap();
        for text in ["2025-09-05T00:28:20.593Z", "2025-09-05 00:28:20.593", "1757032100593", "1757032100.593", "1757032100593000"] {
            let Ok(Parsed::Absolute(time)) = parse(text, TimeForm::Text) else { panic!("{text}") };
            assert!((time - moment).abs() < 2, "{text}: {time}");
        }
        assert_eq!(parse("12.5", TimeForm::Text), Ok(Parsed::Relative(12.5)));
        for bad in ["", "nan", "inf", "yesterday"] {
            assert!(parse(bad, TimeForm::Text).is_err(), "{bad}");
            assert!(parse(bad, TimeForm::RelativeSeconds).is_err(), "{bad}");
        }
    }

    #[test]
    fn relative_times_count_from_the_start_and_absolute_ones_move_only_when_asked() {
        let start = Timestamp::from_secs_f64(1e9);
        let old = Timestamp::from_secs_f64(5e8);
        let mut relative = TimeLine::new(Start::Relative(start));
        assert_eq!(relative.place(Parsed::Relative(1.5)), Timestamp::from_secs_f64(1e9 + 1.5));
        assert_eq!(relative.place(Parsed::Absolute(old)), old);
        let mut shifted = TimeLine::new(Start::Shifted(start));
        assert_eq!(shifted.place(Parsed::Absolute(old)), start);
        assert_eq!(shifted.place(Parsed::Absolute(Timestamp::from_secs_f64(5e8 + 2.0))), Timestamp::from_secs_f64(1e9 + 2.0));
    }
}
