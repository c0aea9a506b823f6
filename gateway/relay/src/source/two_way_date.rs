//! Dates of numbers whose day may stand before or behind their month.

use std::borrow::Cow;

use slipstream_protocol::{Timestamp, time::year_of_two_digits};

use super::text::shown;

/// A date that begins with its day or its month, as `18/02/2026 09:00:00`, `1.12.26` or `02-18-2026`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TwoWayDate {
    text: String,
    mark: char,
    first: u8,
    second: u8,
    year: i64,
    /// The text behind the date.
    rest: String,
}

impl TwoWayDate {
    /// `None` where the text is no such date, or no day that exists in either way.
    pub(super) fn read(text: &str) -> Option<Self> {
        let end = text.find([' ', 'T']).unwrap_or(text.len());
        let (date, rest) = text.split_at(end);
        let mark = date.chars().find(|c| matches!(c, '/' | '.' | '-'))?;
        let parts: Vec<&str> = date.split(mark).collect();
        let [first, second, year] = parts[..] else { return None };
        let number = |text: &str, most: usize| {
            (!text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u16>().ok()).flatten()
        };
        let year = match (year.len(), number(year, 4)?) {
            (2, year) => year_of_two_digits(year.into()),
            (4, year) => year.into(),
            _ => return None,
        };
        let (first, second) = (number(first, 2)? as u8, number(second, 2)? as u8);
        let date = Self { text: text.to_owned(), mark, first, second, year, rest: rest.to_owned() };
        (date.day_first().is_some() || date.month_first().is_some()).then_some(date)
    }

    /// The moment, where the first number is the day.
    pub(super) fn day_first(&self) -> Option<Timestamp> {
        self.moment(self.second, self.first)
    }

    /// The moment, where the first number is the month; no place writes the month first and dots behind it.
    pub(super) fn month_first(&self) -> Option<Timestamp> {
        if self.has_dots() { None } else { self.moment(self.first, self.second) }
    }

    fn moment(&self, month: u8, day: u8) -> Option<Timestamp> {
        Timestamp::from_text_in_utc(&format!("{:04}-{month:02}-{day:02}{}", self.year, self.rest))
    }

    pub(super) const fn has_dots(&self) -> bool {
        self.mark == '.'
    }

    pub(super) fn shown(&self) -> String {
        shown(&self.text)
    }

    /// What to do where nothing decides.
    pub(super) fn doubt(&self) -> String {
        format!(
            "'{}' may begin with its day or its month; say which with --time-format, as in --time-format '%d{mark}%m{mark}%Y %H:%M:%S%.f'",
            self.shown(),
            mark = self.mark
        )
    }
}

/// Whether a time needs its day from a column beside it: `08:53:20.5`, `9:53 PM`.
pub(crate) fn lacks_its_date(time: &str) -> bool {
    let hour = time.split(':').next().unwrap_or_default();
    time.contains(':') && matches!(hour.len(), 1 | 2) && hour.bytes().all(|b| b.is_ascii_digit())
}

/// A time with the date beside it, where it needs one.
pub(crate) fn with_date<'a>(date: Option<&str>, time: &'a str) -> Cow<'a, str> {
    match date {
        Some(date) if lacks_its_date(time) => Cow::Owned(format!("{date} {time}")),
        _ => Cow::Borrowed(time),
    }
}
