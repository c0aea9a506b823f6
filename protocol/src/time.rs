//! Points in time, without a clock.

mod written;

use std::{fmt, ops::Sub, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{ErrorCode, ProtocolError};

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
///
/// On the wire RFC 3339 in UTC with milliseconds (`2026-07-17T12:34:56.789Z`); in binary snapshots all microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Length of the wire form, in bytes.
pub const RFC3339_MILLIS_LEN: usize = 24;

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From seconds since the Unix epoch, rounded to the microsecond.
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e6).round() as i64)
    }

    /// From a decimal number of seconds, milli-, micro- or nanoseconds since the Unix epoch, told apart by its size:
    /// below 1e11 seconds (until the year 5138), below 1e14 milliseconds, below 1e17 microseconds.
    ///
    /// `None` where it is no finite number, or below 1e8: seconds since something else than 1970 are no time.
    #[must_use]
    pub fn from_epoch(text: &str) -> Option<Self> {
        // Whole numbers keep all their digits; nanoseconds have more than a 64-bit float holds.
        if let Ok(whole) = text.parse::<i64>() {
            return match whole.unsigned_abs() {
                0..100_000_000 => None,
                100_000_000..100_000_000_000 => Some(Self(whole.checked_mul(1_000_000)?)),
                100_000_000_000..100_000_000_000_000 => Some(Self(whole.checked_mul(1_000)?)),
                100_000_000_000_000..100_000_000_000_000_000 => Some(Self(whole)),
                _ => Some(Self(whole.div_euclid(1_000))),
            };
        }
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
        match number.abs() {
            size if size < 1e8 => None,
            size if size < 1e11 => Some(Self::from_secs_f64(number)),
            size if size < 1e14 => Some(Self::from_secs_f64(number / 1e3)),
            size if size < 1e17 => Some(Self::from_secs_f64(number / 1e6)),
            _ => Some(Self::from_secs_f64(number / 1e9)),
        }
    }

    /// A moment as it is often written (see [`Timestamp::from_str`]), in UTC where no zone is written; a date alone is its midnight.
    #[must_use]
    pub fn from_text_in_utc(text: &str) -> Option<Self> {
        let written = written::read(text)?;
        Some(Self(written.local_micros.saturating_sub(written.offset_s.unwrap_or(0) * 1_000_000)))
    }

    /// The name of a zone that a moment ends with and that says no one offset (`CET`), where nothing else is wrong with it.
    #[must_use]
    pub fn unknown_zone(text: &str) -> Option<String> {
        written::unknown_zone(text)
    }

    /// The number of the month whose English name begins with the first three letters of `name`, in any case.
    #[must_use]
    pub fn month_named(name: &str) -> Option<i64> {
        written::month_named(name)
    }

    /// Seconds east of Greenwich of the offset a text begins with (`Z`, `+02`, `+0200`, `+02:00`), and what follows it.
    #[must_use]
    pub fn offset_seconds(text: &str) -> Option<(i64, &str)> {
        written::offset(text)
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Nanoseconds since the Unix epoch, saturating.
    pub const fn nanos(self) -> i64 {
        self.0.saturating_mul(1_000)
    }

    /// Seconds since the Unix epoch.
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// This moment moved later by `by`, saturating.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment moved earlier by `by`, saturating.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The wire form as bytes. Years outside 0..=9999 are clamped.
    #[must_use]
    pub fn to_rfc3339_millis(self) -> [u8; RFC3339_MILLIS_LEN] {
        // -62167219200 s is year 0, 253402300799.999 s the end of year 9999.
        let millis = self.millis().clamp(-62_167_219_200_000, 253_402_300_799_999);
        let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let mut out = *b"0000-00-00T00:00:00.000Z";
        put(&mut out[0..4], year);
        put(&mut out[5..7], month);
        put(&mut out[8..10], day);
        put(&mut out[11..13], of_day / 3_600_000);
        put(&mut out[14..16], of_day / 60_000 % 60);
        put(&mut out[17..19], of_day / 1_000 % 60);
        put(&mut out[20..23], of_day % 1_000);
        out
    }
}

/// The year that two digits stand for. POSIX: 69 to 99 are of the twentieth century.
#[must_use]
pub const fn year_of_two_digits(number: i64) -> i64 {
    number + if number < 69 { 2_000 } else { 1_900 }
}

fn put(field: &mut [u8], mut value: i64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Proleptic Gregorian date of a day number.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Day number of a proleptic Gregorian date; the inverse of [`civil_from_days`], same source.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Days of a month; `None` where there is no such month.
const fn month_length(year: i64, month: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    Some(match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    })
}

/// Exactly RFC 3339: the form that nearly all moments have on the wire.
fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    fn number(field: &[u8]) -> Option<i64> {
        field.iter().try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    }
    if text.len() < 20 || text[4] != b'-' || text[7] != b'-' || text[13] != b':' || text[16] != b':' {
        return None;
    }
    if !matches!(text[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (number(&text[0..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    let month_days = month_length(year, month)?;
    // A leap second is written :60; it is told as the second after.
    if day < 1 || day > month_days || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = &text[19..];
    let mut micros = 0;
    if let [b'.', fraction @ ..] = rest {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let kept = digits.min(6);
        micros = number(&fraction[..kept])? * 10_i64.pow(6 - kept as u32);
        rest = &fraction[digits..];
    }
    let offset_minutes = match rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (h, m) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if h > 23 || m > 59 {
                return None;
            }
            (h * 60 + m) * if *sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + (minute - offset_minutes) * 60 + second;
    Some(seconds * 1_000_000 + micros)
}

impl FromStr for Timestamp {
    type Err = ProtocolError;

    /// Reads RFC 3339 and its relatives, as long as they say their zone: a blank for the `T`, `+00`, `+0000` or `UTC` for the offset, a
    /// comma before the fraction, no seconds, and RFC 2822.
    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let relative = || {
            let written = written::read(text)?;
            Some(written.local_micros.saturating_sub(written.offset_s? * 1_000_000))
        };
        parse_rfc3339(text.as_bytes()).or_else(relative).map(Self).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let wanted = match written::unknown_zone(text) {
                Some(zone) => format!("the zone '{zone}' says no one offset; write it, as in +01:00"),
                None => "RFC 3339 is expected, as in 2026-07-17T12:34:56.789Z".to_owned(),
            };
            ProtocolError::new(ErrorCode::ValidationError, format!("'{shown}' is not a time: {wanted}"))
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_rfc3339_millis()).unwrap_or("?"))
    }
}

impl Sub for Timestamp {
    type Output = i64;
    /// Signed difference in microseconds.
    fn sub(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|e: ProtocolError| serde::de::Error::custom(e.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_agree_with_the_calendar() {
        for (text, micros) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2023-07-17T12:34:56.000Z", 1_689_597_296_000_000),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999_000),
            ("1969-12-31T23:59:59.999Z", -1_000),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().micros(), micros, "{text}");
            assert_eq!(Timestamp(micros).to_string(), text);
        }
        assert_eq!("2023-07-17T14:34:56+02:00".parse::<Timestamp>().unwrap().micros(), 1_689_597_296_000_000);
    }

    #[test]
    fn one_moment_is_read_from_each_way_of_writing_it_with_its_zone() {
        let moment = Timestamp::from_millis(1_771_405_200_500);
        for text in [
            "2026-02-18T09:00:00.500Z",
            "2026-02-18T09:00:00,5Z",
            "2026-02-18 09:00:00.5+00",
            "2026-02-18T10:00:00.5+01",
            "2026-02-18T09:00:00.500+0000",
            "2026-02-18T14:30:00.5+05:30",
            "2026-02-18T09:00:00:500Z",
            "2026/02/18 09:00:00.500 UTC",
            "20260218T090000.5Z",
            "2026-02-18 9:00:00.5 AM +0000",
            "2026-02-18T10:00:00.500+01:00[Europe/Berlin]",
            "Wed, 18 Feb 2026 09:00:00.500 +0000",
            "18 Feb 2026 09:00:00.5 GMT",
        ] {
            assert_eq!(text.parse::<Timestamp>().ok(), Some(moment), "{text}");
            assert_eq!(Timestamp::from_text_in_utc(text), Some(moment), "{text}");
        }
        for text in ["2026-02-18T09:00:00.5", "2026-02-18 09:00:00,500", "18-Feb-2026 09:00:00.5", "2026-02-18 9:00:00.5 AM"] {
            assert_eq!((text.parse::<Timestamp>().ok(), Timestamp::from_text_in_utc(text)), (None, Some(moment)), "{text}");
        }
        assert_eq!(Timestamp::from_text_in_utc("2026-02-18 9:00 PM"), Some(Timestamp::from_millis(1_771_448_400_000)));
        assert_eq!(Timestamp::from_text_in_utc("2026-02-18"), "2026-02-18T00:00:00Z".parse().ok());
        for bad in ["2026-02-18T09:00:00:50Z", "2026-02-30T09:00:00+00", "2026-02-18 13:00 PM", "09:00:00Z", "18.02.2026", "2026-02-18T09Z"]
        {
            assert_eq!(Timestamp::from_text_in_utc(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for bad in
            ["", "yesterday", "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z", "2023-07-17T12:34:56", "2023-07-17T25:00:00Z", "1689597296"]
        {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn writing_then_reading_gives_the_same_millisecond(millis in -62_167_219_200_000_i64..253_402_300_799_999) {
            let t = Timestamp::from_millis(millis);
            prop_assert_eq!(t.to_string().parse::<Timestamp>().unwrap(), t);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<Timestamp>();
            let _ = Timestamp::from_text_in_utc(&text);
        }
    }
}
