//! Moments as people write them: `2026-02-18T09:00:00Z`, `2026-02-18`, `now`, `-15m`.

use slipstream_protocol::Timestamp;

use super::duration;

/// What [`parse`] takes, for messages.
pub const EXPECTS: &str = "a time: RFC 3339 with its zone, a date (its midnight in UTC), a number since 1970 in s, ms, µs or ns, now, or relative to now as in -15m";

/// Reads RFC 3339 and its relatives, a date, a time since 1970, `now`, or a length of time before (`-15m`) or after (`+1h`) `now`.
pub fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text.as_bytes().first()? {
        b'-' => duration::parse(&text[1..]).map(|d| now.minus(d)),
        b'+' => duration::parse(&text[1..]).map(|d| now.plus(d)),
        _ if text == "now" => Some(now),
        // The length of a date, and of seconds since 1970.
        _ if text.len() == 10 && text.contains(['-', '/']) => Timestamp::from_text_in_utc(text),
        _ => text.parse().ok().or_else(|| Timestamp::from_epoch(text)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_form_people_write_is_read_and_nothing_else() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        assert_eq!(parse("-15m", now), Some(now.minus(Duration::from_secs(900))));
        assert_eq!(parse("+1h", now), Some(now.plus(Duration::from_secs(3_600))));
        assert_eq!(parse("now", now), Some(now));
        assert_eq!(parse("2026-02-18", now), "2026-02-18T00:00:00Z".parse().ok());
        assert_eq!(parse("2026-02-18T09:00:00+01:00", now), "2026-02-18T08:00:00Z".parse().ok());
        for text in ["2026-02-18T09:00:00+01", "2026-02-18 09:00:00+0100", "1771401600", "1771401600.0", "1771401600000"] {
            assert_eq!(parse(text, now), "2026-02-18T08:00:00Z".parse().ok(), "{text}");
        }
        for bad in ["", "-", "yesterday", "2026-02-30", "2026-2-18", "18.02.2026", "-15", "éééééé"] {
            assert_eq!(parse(bad, now), None, "{bad}");
        }
    }
}
