//! Times by a pattern the user gives, for dates that can be read in two ways.

use std::str::FromStr;

use slipstream_protocol::{Timestamp, time::year_of_two_digits};

/// A pattern as of `strftime`: `%d/%m/%Y %H:%M:%S%.f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// This character; a blank stands for any number of blanks.
    Literal(char),
    /// `%Y %m %d %H %I %M %S %y %j`
    Number(char),
    /// `%f`, and `%.f` with its mark.
    Fraction { mark: bool },
    /// `%b`
    Month,
    /// `%p`
    Half,
    /// `%z`
    Offset,
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                parts.push(Part::Literal(c));
                continue;
            }
            match chars.next() {
                Some('T') => {
                    parts.extend([Part::Number('H'), Part::Literal(':'), Part::Number('M'), Part::Literal(':'), Part::Number('S')]);
                }
                Some('F') => {
                    parts.extend([Part::Number('Y'), Part::Literal('-'), Part::Number('m'), Part::Literal('-'), Part::Number('d')]);
                }
                Some(c @ ('Y' | 'm' | 'd' | 'H' | 'I' | 'M' | 'S' | 'y' | 'j')) => parts.push(Part::Number(c)),
                Some('f') => parts.push(Part::Fraction { mark: false }),
                Some('.') if chars.next() == Some('f') => parts.push(Part::Fraction { mark: true }),
                Some('b') => parts.push(Part::Month),
                Some('p') => parts.push(Part::Half),
                Some('z') => parts.push(Part::Offset),
                Some('%') => parts.push(Part::Literal('%')),
                _ => return Err("the pattern takes %Y %y %m %b %d %j %H %I %p %M %S %f %.f %z %F %T, as in %d/%m/%Y %H:%M:%S%.f".into()),
            }
        }
        let has = |wanted: &[char]| parts.iter().any(|p| matches!(p, Part::Number(c) if wanted.contains(c)));
        let month = has(&['m', 'j']) || parts.contains(&Part::Month);
        if !has(&['Y', 'y']) || !month || !has(&['d', 'j']) {
            return Err("a pattern needs year, month and day, as in %d/%m/%Y %H:%M:%S%.f".into());
        }
        Ok(Self(parts))
    }
}

#[derive(Default)]
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    micros: i64,
    offset_s: i64,
}

impl TimeFormat {
    /// The moment a text writes by this pattern; without an offset it is meant as UTC.
    pub(crate) fn parse(&self, text: &str) -> Option<Timestamp> {
        let (mut rest, mut fields) = (text.trim(), Fields::default());
        for part in &self.0 {
            rest = part.take(rest, &mut fields)?;
        }
        if rest.is_empty() { fields.moment() } else { None }
    }
}

/// Up to `most` digits.
fn digits(text: &str, most: usize) -> Option<(i64, &str)> {
    let end = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    Some((text[..end].parse().ok()?, &text[end..]))
}

impl Part {
    fn take<'a>(self, text: &'a str, fields: &mut Fields) -> Option<&'a str> {
        match self {
            Self::Literal(c) if c.is_whitespace() => Some(text.trim_start()),
            Self::Literal(c) => text.strip_prefix(c),
            Self::Number(kind) => {
                let (number, rest) = digits(
                    text,
                    match kind {
                        'Y' => 4,
                        'j' => 3,
                        _ => 2,
                    },
                )?;
                match kind {
                    'Y' => fields.year = number,
                    'y' => fields.year = year_of_two_digits(number),
                    'm' => fields.month = number,
                    'd' => fields.day = number,
                    'j' => fields.day_of_year = Some(number),
                    'M' => fields.minute = number,
                    'S' => fields.second = number,
                    _ => fields.hour = number,
                }
                Some(rest)
            }
            Self::Fraction { mark } => {
                let text = match text.strip_prefix(['.', ',']) {
                    Some(text) if mark => text,
                    // A whole second may come without its fraction.
                    None if mark => return Some(text),
                    _ => text,
                };
                let end = text.bytes().take_while(u8::is_ascii_digit).count();
                let kept = end.min(6);
                fields.micros = text[..kept].parse::<i64>().ok()? * 10_i64.pow(6 - kept as u32);
                Some(&text[end..])
            }
            Self::Month => {
                fields.month = Timestamp::month_named(text)?;
                Some(&text[3..])
            }
            Self::Half => {
                let half = text.get(..2)?;
                fields.afternoon = Some(half.eq_ignore_ascii_case("pm"));
                (half.eq_ignore_ascii_case("am") || fields.afternoon == Some(true)).then(|| &text[2..])
            }
            Self::Offset => {
                let (seconds, rest) = Timestamp::offset_seconds(text)?;
                fields.offset_s = seconds;
                Some(rest)
            }
        }
    }
}

impl Fields {
    fn moment(&self) -> Option<Timestamp> {
        let hour = match self.afternoon {
            Some(afternoon) if (1..=12).contains(&self.hour) => self.hour % 12 + if afternoon { 12 } else { 0 },
            Some(_) => return None,
            None => self.hour,
        };
        let (month, day) = if self.day_of_year.is_some() { (1, 1) } else { (self.month, self.day) };
        let (year, minute, second) = (self.year, self.minute, self.second);
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        let days = match self.day_of_year {
            Some(day @ 1..=366) => day - 1,
            Some(_) => return None,
            None => 0,
        };
        let time: Timestamp = text.parse().ok()?;
        Some(Timestamp::from_micros(time.micros() + (days * 86_400 - self.offset_s) * 1_000_000 + self.micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_dates_that_may_be_two() {
        let wanted: Timestamp = "2026-12-01T13:00:01.250Z".parse().unwrap();
        for (pattern, text) in [
            ("%d/%m/%Y %H:%M:%S%.f", "01/12/2026 13:00:01.25"),
            ("%m/%d/%y %I:%M:%S%.f %p", "12/1/26  1:00:01,250 PM"),
            ("%d.%m.%Y %T.%f%z", "1.12.2026 15:00:01.250+0200"),
            ("%d-%b-%Y %H:%M:%S%.f", "01-Dec-2026 13:00:01.250"),
            ("%Y-%j %T%.f", "2026-335 13:00:01.25"),
        ] {
            assert_eq!(pattern.parse::<TimeFormat>().unwrap().parse(text), Some(wanted), "{pattern}");
        }
        let day_first = "%d/%m/%Y %T".parse::<TimeFormat>().unwrap();
        for bad in ["31/02/2026 00:00:00", "01/12/2026", "1/13/2026 00:00:00", "x", "01/12/2026 00:00:00 x", ""] {
            assert_eq!(day_first.parse(bad), None, "{bad}");
        }
        for bad in ["%H:%M", "%d/%m", "%Q", "%"] {
            assert!(bad.parse::<TimeFormat>().is_err(), "{bad}");
        }
    }
}
