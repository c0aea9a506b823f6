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

/// The zones that RFC 2822 (4.3) names beside `UT` and `GMT`, with their hours; other names mean several zones each.
const AMERICAN_ZONES: [(&str, i64); 8] =
    [("EST", -5), ("EDT", -4), ("CST", -6), ("CDT", -5), ("MST", -7), ("MDT", -6), ("PST", -8), ("PDT", -7)];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Reads a moment. Beyond RFC 3339: a blank for the `T`, `/` or `.` in the date, single digits there, `+00` and `+0000`, `UTC`, a comma
/// or a colon before the fraction, a zone's name behind the offset, no seconds, `PM`, `24:00`, a date alone, no separators, days of
/// the year (`2026-049`) and of a week (`2026-W08-3`), RFC 2822 (`Wed, 18 Feb 2026 09:00:00 +0000`) and what it makes obsolete
/// (`18-Feb-26 09:00:00 EST`), and months by name before the day (`Feb 18, 2026 9:00`, `Wed Feb 18 09:00:00 2026`).
pub(super) fn read(text: &str) -> Option<Written> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    let reordered = month_name_first(text);
    let text = reordered.as_deref().unwrap_or(text);
    let (days, rest) =
        year_first(text).or_else(|| day_month_name_year(text)).or_else(|| day_of_year(text)).or_else(|| day_of_week(text))?;
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

/// The zone's name at the end of a moment that is refused for it alone: `CET` and its like mean several zones, or change with the
/// season.
pub(super) fn unknown_zone(text: &str) -> Option<String> {
    let text = text.trim();
    let reordered = month_name_first(text);
    let text = reordered.as_deref().unwrap_or(text).trim();
    let (moment, zone) = text.rsplit_once(' ')?;
    let is_name = zone.len() >= 2 && zone.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'_'));
    let has_no_zone = || read(moment).is_some_and(|written| written.offset_s.is_none());
    (is_name && moment.contains(':') && read(text).is_none() && has_no_zone()).then(|| zone.to_owned())
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

/// `2026-02-18`, `2026/2/8`, `2026.02.18` or `20260218`.
fn year_first(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = digits::<4>(text)?;
    let mark = rest.chars().next().filter(|c| matches!(c, '-' | '/' | '.'));
    let after = |rest: &'_ str| match mark {
        Some(mark) => rest.strip_prefix(mark).map(str::len),
        None => Some(rest.len()),
    };
    let rest = &rest[rest.len() - after(rest)?..];
    // Single digits stand between marks only.
    let number = |text| digits::<2>(text).or_else(|| mark.and_then(|_| digits::<1>(text)));
    let (month, rest) = number(rest)?;
    let rest = &rest[rest.len() - after(rest)?..];
    let (day, rest) = number(rest)?;
    Some((day_number(year, month, day)?, rest))
}

/// `Wed, 18 Feb 2026`, `18-Feb-26` or `18. Feb 2026` (RFC 2822, RFC 850): the month's name says what is what.
fn day_month_name_year(text: &str) -> Option<(i64, &str)> {
    let rest = match text.split_once(',') {
        Some((weekday, rest)) if weekday.len() >= 3 && weekday.bytes().all(|b| b.is_ascii_alphabetic()) => rest.trim_start(),
        _ => text,
    };
    let (day, rest) = digits::<2>(rest).or_else(|| digits::<1>(rest))?;
    let rest = rest.trim_start_matches([' ', '-', '.']);
    let month = month_named(rest)?;
    let rest = rest[3..].trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches([' ', '-', '.']);
    let two_digits = || digits::<2>(rest).filter(|(_, rest)| rest.is_empty() || rest.starts_with([' ', 'T']));
    let (year, rest) = digits::<4>(rest).or_else(|| two_digits().map(|(year, rest)| (super::year_of_two_digits(year), rest)))?;
    Some((day_number(year, month, day)?, rest))
}

/// `Feb 18, 2026 9:00` or `Wed Feb 18 09:00:00 UTC 2026` (ctime, date) with its day first, as `18 Feb 2026 09:00:00 UTC`.
fn month_name_first(text: &str) -> Option<String> {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let is_name = |word: &str| word.len() >= 3 && word.trim_end_matches('.').bytes().all(|b| b.is_ascii_alphabetic());
    let words = match words[..] {
        [weekday, month, ..] if is_name(weekday) && is_name(month) && month_named(month).is_some() => &words[1..],
        _ => &words[..],
    };
    let [month, day, rest @ ..] = words else { return None };
    month_named(month).filter(|_| is_name(month))?;
    let day: u8 = day.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
    let at = rest.iter().position(|word| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()))?;
    let year = rest[at];
    let others: Vec<&str> = rest.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, word)| *word).collect();
    Some(format!("{day} {} {year} {}", &month[..3], others.join(" ")))
}

/// `2026-049` (ISO 8601, 5.2.2).
fn day_of_year(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = digits::<4>(text)?;
    let (day, rest) = digits::<3>(rest.strip_prefix('-')?).filter(|(_, rest)| !rest.starts_with(|c: char| c.is_ascii_digit()))?;
    let length = days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1);
    (1..=length).contains(&day).then(|| (days_from_civil(year, 1, 1) + day - 1, rest))
}

/// `2026-W08-3` or `2026W083` (ISO 8601, 5.2.3): week 1 has the year's first Thursday.
fn day_of_week(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = digits::<4>(text)?;
    let (week, rest) = digits::<2>(rest.strip_prefix('-').unwrap_or(rest).strip_prefix(['W', 'w'])?)?;
    let (day, rest) = digits::<1>(rest.strip_prefix('-').unwrap_or(rest))?;
    // 1970-01-01 was a Thursday.
    let first_monday = |year: i64| {
        let fourth = days_from_civil(year, 1, 4);
        fourth - (fourth + 3).rem_euclid(7)
    };
    let days = first_monday(year) + (week - 1) * 7 + day - 1;
    let is_there = (1..=7).contains(&day) && week >= 1 && days < first_monday(year + 1);
    (is_there && !rest.starts_with(|c: char| c.is_ascii_digit())).then_some((days, rest))
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
    if let Some((is_afternoon, after)) = half_of_day(rest.trim_start()) {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if is_afternoon { 12 } else { 0 };
        rest = after;
    }
    // The end of a day is 24:00 (ISO 8601); a leap second is written :60, and is the second after.
    let is_end_of_day = hour == 24 && minute == 0 && second == 0 && fraction.is_none_or(|f| f.bytes().all(|b| b == b'0'));
    if (hour > 23 && !is_end_of_day) || minute > 59 || second > 60 {
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

/// Whether the text begins with `PM` or `p.m.` (true), `AM` or `a.m.` (false), and what follows.
fn half_of_day(text: &str) -> Option<(bool, &str)> {
    for (half, is_afternoon) in [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)] {
        let Some(after) = text.get(..half.len()).filter(|begin| begin.eq_ignore_ascii_case(half)).map(|_| &text[half.len()..]) else {
            continue;
        };
        return (!after.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((is_afternoon, after));
    }
    None
}

/// Seconds east of Greenwich, `Some(None)` where there is nothing; a name behind an offset says nothing more.
#[expect(clippy::option_option, reason = "no zone, a zone and an unknown one are three things")]
fn zone_seconds(zone: &str) -> Option<Option<i64>> {
    let zone = zone.split(['[', '(']).next().unwrap_or_default().trim_end();
    if zone.is_empty() {
        return Some(None);
    }
    if ["UTC", "GMT", "UT"].iter().any(|name| name.eq_ignore_ascii_case(zone)) {
        return Some(Some(0));
    }
    if let Some((_, hours)) = AMERICAN_ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(zone)) {
        return Some(Some(hours * 3_600));
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

    #[test]
    fn dates_are_read_in_each_way_they_are_written() {
        let moment = |text: &str| read(text).map(|written| written.local_micros / 1_000_000 - written.offset_s.unwrap_or(0));
        let ten = Some(1_771_408_800);
        for text in [
            "2026-02-18T10:00:00Z",
            "2026.02.18 10:00:00",
            "Feb 18 2026 10:00",
            "Feb 18, 2026 10:00:00",
            "February 18th, 2026 10:00:00",
            "Wed Feb 18 10:00:00 2026",
            "Wed Feb 18 10:00:00 UTC 2026",
            "Wed, Feb 18, 2026 10:00 a.m.",
            "Wed, 18 Feb 2026 05:00:00 EST",
            "2026-049T10:00:00Z",
            "2026-W08-3 10:00",
            "2026W083T10:00:00",
            "2026-2-18 10:00:00",
            "2026/2/18 10:00",
            "18. Feb 2026 10:00:00",
            "18 Feb 26 05:00:00 est",
            "Wednesday, 18-Feb-26 10:00:00 gmt",
            "18-Feb-26 10:00:00",
        ] {
            assert_eq!(moment(text), ten, "{text}");
        }
        assert_eq!(moment("2026-02-18 1:30 p.m."), Some(1_771_421_400));
        assert_eq!(moment("2026-02-17 24:00:00"), moment("2026-02-18"));
        for bad in [
            "2026-02-17 24:00:01",
            "2026-366",
            "2026-000",
            "2026-W54-1",
            "2026-W08-8",
            "Wed, 18 Feb 2026 10:00:00 CET",
            "Foo 18 2026",
            "Feb 30 2026",
            "March",
            "Feb 18 26",
            "18 Feb 10:00:00",
            "2026-2-188",
            "2026218",
            "2026-0491",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_zone_that_its_name_does_not_tell_is_named() {
        for (text, zone) in [
            ("Wed, 18 Feb 2026 10:00:00 CET", "CET"),
            ("2026-02-18 10:00:00 Europe/Berlin", "Europe/Berlin"),
            ("Wed Feb 18 10:00:00 CEST 2026", "CEST"),
        ] {
            assert_eq!((read(text), unknown_zone(text).as_deref()), (None, Some(zone)), "{text}");
        }
        for text in ["2026-02-18 10:00:00", "2026-02-18 10:00:00 EST", "no time", "2026-02-18 CET", "10:00:00 CET"] {
            assert_eq!(unknown_zone(text), None, "{text}");
        }
    }
}
