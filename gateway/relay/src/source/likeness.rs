//! What a text looks like that its writer may not have meant as text.

use super::{numbers, time};

/// What a cell of text may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// A number in one style of writing them or another.
    Number,
    /// A number with its unit: `1500ms`, `12 km/h`.
    WithUnit,
    /// `12:30`, which may be a time of day, or minutes and seconds.
    Clock,
    /// `1:23.456`.
    Duration,
}

/// Units, in small letters.
const UNITS: [&str; 83] = [
    "%", "°", "°c", "°f", "1/min", "a", "ah", "bar", "bhp", "c", "cm", "db", "dbm", "deg", "degc", "degf", "f", "ft", "g", "gb", "h", "hp",
    "hpa", "hr", "hz", "in", "k", "kb", "kg", "kg/h", "khz", "km", "km/h", "kmh", "kn", "kpa", "kph", "kt", "kts", "kv", "kw", "kwh", "l",
    "l/100km", "l/h", "lb", "lbs", "lux", "lx", "m", "m/s", "m/s2", "m/s^2", "m/s²", "ma", "mb", "mbar", "mhz", "mi", "min", "mm", "mpa",
    "mph", "ms", "mv", "mw", "n", "nm", "ns", "pa", "ppm", "ps", "psi", "rad", "rad/s", "rpm", "s", "sec", "us", "v", "w", "wh", "µs",
];

/// What the text looks like; `None` where it is text and nothing else.
pub(super) fn of(text: &str) -> Option<Likeness> {
    let text = text.trim();
    if numbers::is_numeric(text) {
        Some(Likeness::Number)
    } else if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',' | '\u{2212}' | 'P')) {
        None
    } else if is_clock(text) {
        Some(Likeness::Clock)
    } else if time::duration(text).is_some() {
        Some(Likeness::Duration)
    } else {
        is_with_unit(text).then_some(Likeness::WithUnit)
    }
}

/// One or two digits, a colon and two digits.
fn is_clock(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    text.split_once(':').is_some_and(|(h, m)| matches!(h.len(), 1 | 2) && m.len() == 2 && digits(h) && digits(m))
}

fn is_with_unit(text: &str) -> bool {
    let Some(end) = text.find(|c: char| c.is_alphabetic() || matches!(c, '%' | '°')) else { return false };
    // `1/min` begins with a digit.
    let end = text[..end].strip_suffix(" 1/").map_or(end, str::len);
    let (number, unit) = text.split_at(end);
    let is_parted = number.ends_with(char::is_whitespace);
    let unit = unit.trim().to_lowercase();
    // `12A` may be a gate.
    let is_told = is_parted || unit.chars().count() > 1 || matches!(unit.as_str(), "%" | "°" | "s" | "m" | "h" | "v" | "w" | "g");
    is_told && numbers::is_numeric(number.trim()) && UNITS.contains(&unit.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_clocks_and_durations_are_seen_and_text_is_not() {
        for text in ["1500ms", "12 km/h", "-3.5 °C", "1,5 bar", "80%", "7 500 1/min", "9.81 m/s²", "12 V", "5s"] {
            assert_eq!(of(text), Some(Likeness::WithUnit), "{text}");
        }
        assert_eq!(
            (of("12:30"), of("1:23.456"), of("PT1M23.456S")),
            (Some(Likeness::Clock), Some(Likeness::Duration), Some(Likeness::Duration))
        );
        assert_eq!((of("1,5"), of("-583.206.639")), (Some(Likeness::Number), Some(Likeness::Number)));
        for text in ["", "fast", "3002P", "12A", "1st", "P1", "10.0.0.1:80", "2026-01-01", "m/s", "5 laps", "v1.2", "1.2.3"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
