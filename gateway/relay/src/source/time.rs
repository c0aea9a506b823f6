//! Times as files write them.

use slipstream_protocol::Timestamp;

use super::{text::shown, two_way_date::TwoWayDate};

/// Where a recording begins: one rule for every door that reads recordings.
///
/// Seconds since the start (`t_s`) count from [`Start::at`]. Times of day without a date keep their clock, on the day
/// of it, in UTC; a clock that begins at zero counts from it as seconds do. Moments stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// When.
    pub at: Timestamp,
    /// Moments move, too: the first is put there and the others keep their distance to it.
    pub moves_moments: bool,
    /// Times of day move instead of keeping their clock: the first is put there.
    pub moves_clocks: bool,
}

impl Start {
    /// At `at`, and moments stay.
    pub const fn at(at: Timestamp) -> Self {
        Self { at, moves_moments: false, moves_clocks: false }
    }

    /// At `at`, and moments move there.
    pub const fn shifted(at: Timestamp) -> Self {
        Self { at, moves_moments: true, moves_clocks: false }
    }

    /// As this, and times of day move there.
    #[must_use]
    pub const fn moving_clocks(self) -> Self {
        Self { moves_clocks: true, ..self }
    }
}

/// How a time column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// Seconds since the recording began, or since midnight.
    RelativeSeconds,
    /// Seconds since midnight.
    SecondsOfDay,
    /// Seconds since the Unix epoch.
    UnixSeconds,
    /// Milliseconds since the Unix epoch.
    UnixMillis,
    /// Microseconds since the Unix epoch.
    UnixMicros,
    /// Nanoseconds since the Unix epoch.
    UnixNanos,
    /// Milliseconds since the recording began, or since the Unix epoch where there are that many.
    Millis,
    /// A date and time, a duration, or a number whose size tells its unit.
    Text,
}

/// Columns that hold a time, the most telling first.
pub(super) const TIME_COLUMNS: [(&str, TimeForm); 40] = [
    ("t_s", TimeForm::RelativeSeconds),
    ("tod_s", TimeForm::SecondsOfDay),
    ("unix_s", TimeForm::UnixSeconds),
    ("unix_ms", TimeForm::UnixMillis),
    ("timestamp", TimeForm::Text),
    ("time", TimeForm::Text),
    ("generated_at", TimeForm::Text),
    ("datetime", TimeForm::Text),
    ("date_time", TimeForm::Text),
    ("meta_time", TimeForm::Text),
    ("received_at", TimeForm::Text),
    ("unix_us", TimeForm::UnixMicros),
    ("unix_ns", TimeForm::UnixNanos),
    ("unix_time", TimeForm::Text),
    ("unixtime", TimeForm::Text),
    ("epoch", TimeForm::Text),
    ("epoch_s", TimeForm::UnixSeconds),
    ("epoch_ms", TimeForm::UnixMillis),
    ("epoch_us", TimeForm::UnixMicros),
    ("epoch_ns", TimeForm::UnixNanos),
    ("timestamp_s", TimeForm::Text),
    ("timestamp_ms", TimeForm::Millis),
    ("timestamp_us", TimeForm::UnixMicros),
    ("timestamp_ns", TimeForm::UnixNanos),
    ("time_stamp", TimeForm::Text),
    ("utc", TimeForm::Text),
    ("utc_time", TimeForm::Text),
    ("time_utc", TimeForm::Text),
    ("timestamp_utc", TimeForm::Text),
    ("event_time", TimeForm::Text),
    ("recorded_at", TimeForm::Text),
    ("ts", TimeForm::Text),
    ("time_s", TimeForm::Text),
    ("time_ms", TimeForm::Millis),
    ("t_ms", TimeForm::Millis),
    ("t", TimeForm::Text),
    ("elapsed_s", TimeForm::RelativeSeconds),
    ("elapsed_ms", TimeForm::Millis),
    ("elapsed_time", TimeForm::Text),
    ("session_time", TimeForm::Text),
];

/// The first columns of the list are clocks, and no signals where another one gives the time.
pub(super) const CLOCKS: usize = 11;

/// From here on the list has what is measured from the start of something, and is a signal beside a time as any other.
pub(super) const ELAPSED: usize = 36;

/// A name as the list writes it: `Unix Time [ms]` is `unix_time_ms`, `sessionTime` is `session_time`.
pub(super) fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    let mut before = ' ';
    for c in name.chars() {
        if c.is_alphanumeric() {
            let begins = !before.is_alphanumeric() || (before.is_lowercase() && c.is_uppercase());
            if begins && !out.is_empty() {
                out.push('_');
            }
            out.extend(c.to_lowercase());
        }
        before = c;
    }
    out
}

/// Whether a time's name is written as in the list.
pub(super) fn is_usual(name: &str) -> bool {
    TIME_COLUMNS.iter().any(|(n, _)| *n == name)
}

/// The form of the column called `name`.
pub(super) fn form_of(name: &str) -> TimeForm {
    let find = |name: &str| TIME_COLUMNS.into_iter().find(|(n, _)| *n == name).map(|(_, form)| form);
    find(name).or_else(|| find(&plain(name))).unwrap_or(TimeForm::Text)
}

/// A parsed time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parsed {
    /// Seconds since the recording began.
    Relative(f64),
    /// Seconds since midnight, or since the recording began: `23:59:59`.
    Clock(f64),
    /// A date that may begin with its day or its month.
    TwoWay(TwoWayDate),
    /// A moment.
    Absolute(Timestamp),
}

/// Reads a time; `number` is what the text is as a number.
pub(crate) fn parse(text: &str, number: Option<f64>, form: TimeForm) -> Result<Parsed, String> {
    if form == TimeForm::Text
        && let Some(time) = packed(text)
    {
        return Ok(Parsed::Absolute(time));
    }
    if let Some(n) = number {
        return of_number(n, form).ok_or_else(|| format!("'{}' is not a time", shown(text)));
    }
    if text.is_empty() {
        return Err("the time is missing".to_owned());
    }
    if let Some(seconds) = clock(text) {
        return Ok(Parsed::Clock(seconds));
    }
    if let Some(seconds) = duration(text) {
        return Ok(Parsed::Relative(seconds));
    }
    if let Some(time) = Timestamp::from_text_in_utc(text) {
        return Ok(Parsed::Absolute(time));
    }
    if let Some(date) = TwoWayDate::read(text) {
        return Ok(Parsed::TwoWay(date));
    }
    Err(match form {
        TimeForm::RelativeSeconds | TimeForm::SecondsOfDay => format!("'{}' is not a time in seconds", shown(text)),
        _ => {
            let wanted = match unknown_zone(text) {
                Some(zone) => format!("the zone '{}' says no one offset; write it, as in +01:00", shown(&zone)),
                None => "RFC 3339 is expected, as in 2026-07-17T12:34:56.789Z, or --time-format".to_owned(),
            };
            format!("'{}' is not a time: {wanted}", shown(text))
        }
    })
}

/// The zone that a time is refused for, where its date is one of numbers, too.
fn unknown_zone(text: &str) -> Option<String> {
    let of_numbers = || {
        let (date, rest) = text.split_once(' ')?;
        // Any date will do.
        TwoWayDate::read(date).and_then(|_| Timestamp::unknown_zone(&format!("2026-01-01 {rest}")))
    };
    Timestamp::unknown_zone(text).or_else(of_numbers)
}

/// A date and a time of day without marks, as `20260218`, `202602181000`, `20260218100000.5` or with milliseconds at its end. As a
/// number since 1970 it would be a time that no recording is of.
fn packed(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.bytes().all(|b| b.is_ascii_digit()) || !whole.starts_with("19") && !whole.starts_with("20") || whole < "198" {
        return None;
    }
    let (date, clock) = whole.split_at_checked(8)?;
    let clock = match (clock.len(), fraction) {
        (0, "") => return Timestamp::from_text_in_utc(date),
        (4 | 6, "") => clock.to_owned(),
        (6, fraction) => format!("{clock}.{fraction}"),
        (9, "") => format!("{}.{}", &clock[..6], &clock[6..]),
        _ => return None,
    };
    Timestamp::from_text_in_utc(&format!("{date}T{clock}"))
}

/// Recordings are of the time from 1980 on, as all doors demand, and seconds since 1970 are fewer than 12 digits.
const PLAUSIBLE_S: std::ops::Range<f64> = 315_532_800.0..1e11;

/// How many of a unit are a second, and what it is called, for columns of a unit since 1970.
pub(super) const fn unit_of(form: TimeForm) -> Option<(f64, &'static str)> {
    Some(match form {
        TimeForm::UnixSeconds => (1.0, "seconds"),
        TimeForm::UnixMillis | TimeForm::Millis => (1e3, "milliseconds"),
        TimeForm::UnixMicros => (1e6, "microseconds"),
        TimeForm::UnixNanos => (1e9, "nanoseconds"),
        TimeForm::RelativeSeconds | TimeForm::SecondsOfDay | TimeForm::Text => return None,
    })
}

/// The seconds that a number means by its size, and its unit, where it is no time of a recording in the unit that its column names.
pub(super) fn other_unit(n: f64, form: TimeForm) -> Option<(f64, &'static str)> {
    let (per_s, _) = unit_of(form).filter(|(per_s, _)| !PLAUSIBLE_S.contains(&(n / per_s)))?;
    let forms = [TimeForm::UnixSeconds, TimeForm::UnixMillis, TimeForm::UnixMicros, TimeForm::UnixNanos];
    let (other_per_s, name) = forms.into_iter().filter_map(unit_of).find(|(per_s, _)| PLAUSIBLE_S.contains(&(n / per_s)))?;
    (other_per_s.total_cmp(&per_s).is_ne()).then_some((n / other_per_s, name))
}

/// The time a number stands for.
pub(crate) fn of_number(n: f64, form: TimeForm) -> Option<Parsed> {
    let unix = |secs: f64| Parsed::Absolute(Timestamp::from_secs_f64(secs));
    if !n.is_finite() {
        return None;
    }
    Some(match form {
        TimeForm::RelativeSeconds => Parsed::Relative(n),
        TimeForm::SecondsOfDay => Parsed::Clock(n),
        TimeForm::Millis if n.abs() < 1e10 => Parsed::Relative(n / 1e3),
        TimeForm::UnixSeconds | TimeForm::UnixMillis | TimeForm::UnixMicros | TimeForm::UnixNanos | TimeForm::Millis => {
            let (per_s, _) = unit_of(form)?;
            unix(other_unit(n, form).map_or(n / per_s, |(seconds, _)| seconds))
        }
        // Relative recordings are shorter than four months; from 1970-04 on the size tells the unit.
        TimeForm::Text if n.fract() == 0.0 && (1e7..3e13).contains(&n) && packed(&n.to_string()).is_some() => {
            Parsed::Absolute(packed(&n.to_string())?)
        }
        TimeForm::Text => match n.abs() {
            size if size < 1e7 => Parsed::Relative(n),
            size if size < 1e11 => unix(n),
            size if size < 1e14 => unix(n / 1e3),
            size if size < 1e17 => unix(n / 1e6),
            _ => unix(n / 1e9),
        },
    })
}

/// Seconds of `[-][N days ][H:]MM:SS[.fff]` or of an ISO 8601 duration (`PT1M27.452S`).
pub(super) fn duration(text: &str) -> Option<f64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    if let Some(iso) = text.strip_prefix('P') {
        return iso_duration(iso).map(|s| sign * s);
    }
    if let Some((days, clock)) = text.split_once(" day") {
        let clock = clock.strip_prefix('s').unwrap_or(clock).trim_start_matches([',', ' ']);
        let days = sign * f64::from(days.parse::<u32>().ok()?);
        let (clock_sign, clock): (f64, _) = match clock.strip_prefix('-') {
            Some(clock) => (-1.0, clock),
            None => (1.0, clock.strip_prefix('+').unwrap_or(clock)),
        };
        let within = if clock.is_empty() { 0.0 } else { self::clock(clock)? };
        return Some(clock_sign.mul_add(within, days * 86_400.0));
    }
    clock(text).map(|s| sign * s)
}

/// `H:MM:SS[.fff]`, `H:MM:SS:fff` or `M:SS.fff`. Two parts without a fraction may be hours and minutes, and are no duration.
fn clock(text: &str) -> Option<f64> {
    if let Some((clock, millis)) = text.rsplit_once(':').filter(|(clock, millis)| millis.len() == 3 && clock.matches(':').count() == 2) {
        return self::clock(&format!("{clock}.{millis}"));
    }
    for (half, is_afternoon) in [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)] {
        let before = text.len().checked_sub(half.len()).filter(|at| text.get(*at..).is_some_and(|end| end.eq_ignore_ascii_case(half)));
        if let Some(before) = before {
            return half_day_clock(text[..before].trim_end(), is_afternoon);
        }
    }
    let (rest, seconds) = text.rsplit_once(':')?;
    let (whole, fraction) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
    let digits = |text: &str, most: usize| text.len() <= most && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 2) || !(fraction.is_empty() || digits(fraction, 18)) || seconds.ends_with(['.', ',']) {
        return None;
    }
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if fraction.is_empty() => return None,
        None => ("0", rest),
    };
    let most_minutes = if rest.contains(':') { 60 } else { 100_000 };
    if !digits(hours, 6) || !digits(minutes, 5) {
        return None;
    }
    let (hours, minutes) = (hours.parse::<u32>().ok()?, minutes.parse::<u32>().ok().filter(|m| *m < most_minutes)?);
    let seconds: f64 = format!("{whole}.{fraction}0").parse().ok().filter(|s| *s < 61.0)?;
    Some(f64::from(hours).mul_add(3_600.0, f64::from(minutes) * 60.0) + seconds)
}

/// `9:00:00.5` or `9:00` of a morning or an afternoon.
fn half_day_clock(text: &str, is_afternoon: bool) -> Option<f64> {
    let seconds = clock(text).or_else(|| clock(&format!("{text}:00")))?;
    let of_half = (3_600.0..46_800.0).contains(&seconds).then_some(seconds % 43_200.0)?;
    Some(if is_afternoon { of_half + 43_200.0 } else { of_half })
}

fn iso_duration(text: &str) -> Option<f64> {
    let (mut seconds, mut rest, mut in_time, mut any) = (0.0, text, false, false);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (rest, in_time) = (after, true);
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
        let number: f64 = rest[..end].replace(',', ".").parse().ok()?;
        let unit = match (&rest[end..=end], in_time) {
            ("D", false) => 86_400.0,
            ("H", true) => 3_600.0,
            ("M", true) => 60.0,
            ("S", true) => 1.0,
            // Months and years have no one length.
            _ => return None,
        };
        seconds += number * unit;
        any = true;
        rest = &rest[end + 1..];
    }
    any.then_some(seconds)
}

#[cfg(test)]
mod tests;
