//! Moments as programs and people write them: RFC 3339, its relatives of ISO 8601, and the dates of e-mail.

use super::{days_from_civil, month_length};

/// A date and a time of day, with the offset from UTC that was written beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Microseconds since 1970-01-01 00:00 of the place the moment was written for.
    pub(super) local_micros: i64,
    /// Seconds east of Greenwich; `None` where nothing says.
    pub(super) offset_s: Option<i64>,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Reads a moment. Beyond RFC 3339: a blank for the `T`, `/` in the date, `+00` and `+0000`, `UTC`, a comma or a colon before the
/// fraction, a zone's name behind the offset, no seconds, `PM`, a date alone, no separators, and RFC 2822
/// (`Wed, 18 Feb 2026 09:00:00 +0000`).
pub(super) fn read(text: &str) -> Option<Written> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    let (days, rest) = year_first(text).or_else(|| day_month_name_year(text))?;
    let rest = match rest.strip_prefix(['T', 't']) {
        Some(rest) => rest,
        None if rest.is_empty() || rest.starts_with(char::is_whitespace) => rest.trim_start(),
        None => return None,
    };
    if rest.is_empty() {
        return Some(Written { local_micros: days * 86_400_000_000, offset_s: None });
    }
    let (of_day, zone) = time_of_day(rest)?;
    let offset_s = zone_seconds(zone.trim())?;
    Some(Written { local_micros: days * 86_400_000_000 + of_day, offset_s })
}

/// The number of the month whose name `text` begins with.
pub(super) fn month_named(text: &str) -> Option<i64> {
    let name = text.get(..3)?;
    MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month)).map(|at| at as i64 + 1)
}

/// A number of exactly `N` digits at the beginning, and what follows.
fn digits<const N: usize>(text: &str) -> Option<(i64, &str)> {
    let field = text.get(..N).filter(|field| field.bytes().all(|b| b.is_ascii_digit()))?;
    Some((field.parse().ok()?, &text[N..]))
}

/// The day number of a date that exists.
fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    (day >= 1 && day <= month_length(year, month)?).then(|| days_from_civil(year, month, day))
}

/// `2026-02-18`, `2026/02/18` or `20260218`.
fn year_first(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = digits::<4>(text)?;
    let mark = rest.chars().next().filter(|c| matches!(c, '-' | '/'));
    let after = |rest: &'_ str| match mark {
        Some(mark) => rest.strip_prefix(mark).map(str::len),
        None => Some(rest.len()),
    };
    let rest = &rest[rest.len() - after(rest)?..];
    let (month, rest) = digits::<2>(rest)?;
    let rest = &rest[rest.len() - after(rest)?..];
    let (day, rest) = digits::<2>(rest)?;
    Some((day_number(year, month, day)?, rest))
}

/// `Wed, 18 Feb 2026` or `18-Feb-2026` (RFC 2822, RFC 850): the month's name says what is what.
fn day_month_name_year(text: &str) -> Option<(i64, &str)> {
    let rest = match text.split_once(',') {
        Some((weekday, rest)) if weekday.len() >= 3 && weekday.bytes().all(|b| b.is_ascii_alphabetic()) => rest.trim_start(),
        _ => text,
    };
    let (day, rest) = digits::<2>(rest).or_else(|| digits::<1>(rest))?;
    let rest = rest.trim_start_matches([' ', '-']);
    let month = month_named(rest)?;
    let (year, rest) = digits::<4>(rest[3..].trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches([' ', '-']))?;
    Some((day_number(year, month, day)?, rest))
}

/// Microseconds since midnight of `09:00`, `09:00:00`, `090000`, `9:00:00.5`, `09:00:00,5`, `09:00:00:500` or `9:00:00 PM`, and what
/// follows.
fn time_of_day(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len());
    let (clock, mut rest) = text.split_at(end);
    let fields: Vec<&str> = clock.split(':').collect();
    let (hour, minute, second, mut fraction) = match fields[..] {
        [packed] if packed.len() == 6 => (&packed[..2], &packed[2..4], &packed[4..], None),
        [packed] if packed.len() == 4 => (&packed[..2], &packed[2..], "00", None),
        [hour, minute] => (hour, minute, "00", None),
        [hour, minute, second] => (hour, minute, second, None),
        // Three digits are milliseconds; two may be the frames of a timecode.
        [hour, minute, second, millis] if millis.len() == 3 => (hour, minute, second, Some(millis)),
        _ => return None,
    };
    if let Some(after) = rest.strip_prefix(['.', ',']).filter(|_| fraction.is_none() && second.len() == 2) {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        if end == 0 || fields.len() == 2 {
            return None;
        }
        fraction = Some(&after[..end]);
        rest = &after[end..];
    }
    let two = |field: &str| digits::<2>(field).filter(|(_, rest)| rest.is_empty()).map(|(n, _)| n);
    let mut hour = two(hour).or_else(|| digits::<1>(hour).filter(|(_, rest)| rest.is_empty()).map(|(n, _)| n))?;
    let (minute, second) = (two(minute)?, two(second)?);
    if let Some(is_afternoon) = half_of_day(rest.trim_start()) {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if is_afternoon { 12 } else { 0 };
        rest = &rest.trim_start()[2..];
    }
    // A leap second is written :60; it is the second after.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let micros = match fraction {
        Some(digits) => {
            let kept = digits.len().min(6);
            digits[..kept].parse::<i64>().ok()? * 10_i64.pow(6 - kept as u32)
        }
        None => 0,
    };
    Some((((hour * 60 + minute) * 60 + second) * 1_000_000 + micros, rest))
}

/// Whether the text begins with `PM` (true) or `AM` (false).
fn half_of_day(text: &str) -> Option<bool> {
    let half = text.get(..2)?;
    let ends = text[2..].chars().next().is_none_or(|c| !c.is_ascii_alphanumeric());
    (ends && (half.eq_ignore_ascii_case("am") || half.eq_ignore_ascii_case("pm"))).then(|| half.eq_ignore_ascii_case("pm"))
}

/// Seconds east of Greenwich, `Some(None)` where there is nothing; a name behind an offset says nothing more.
#[expect(clippy::option_option, reason = "no zone, a zone and an unknown one are three things")]
fn zone_seconds(zone: &str) -> Option<Option<i64>> {
    let zone = zone.split(['[', '(']).next().unwrap_or_default().trim_end();
    if zone.is_empty() {
        return Some(None);
    }
    if matches!(zone, "UTC" | "GMT" | "UT") {
        return Some(Some(0));
    }
    let (seconds, rest) = offset(zone)?;
    rest.trim_start().bytes().all(|b| b.is_ascii_alphabetic()).then_some(Some(seconds))
}

/// `Z`, `+02`, `+0200`, `+02:00` or `+02:00:00`, in seconds, and what follows.
pub(super) fn offset(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((0, rest));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, mut rest) = digits::<2>(&text[1..]).filter(|(hours, _)| *hours <= 23)?;
    let mut seconds = hours * 3_600;
    for unit in [60, 1] {
        let next = rest.strip_prefix(':').unwrap_or(rest);
        let Some((number, after)) = digits::<2>(next) else { break };
        if number > 59 {
            return None;
        }
        seconds += number * unit;
        rest = after;
    }
    Some((sign * seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_hours_with_or_without_minutes() {
        for (text, seconds) in [("Z", 0), ("+00", 0), ("+0000", 0), ("-05:30", -19_800), ("+02:00:30", 7_230)] {
            assert_eq!(offset(text), Some((seconds, "")), "{text}");
        }
        assert_eq!(offset("+2"), None);
    }
}
