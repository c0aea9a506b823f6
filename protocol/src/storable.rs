//! What every time-series store can keep. Every door refuses the rest with its place, so that an
//! acknowledgement of the level `stored` is true; a store that meets it nonetheless refuses it for good.

use crate::{
    error::{ErrorCode, ProtocolError},
    sample::Sample,
    signal::SignalValue,
    time::Timestamp,
};

/// Earliest time every store can keep: `InfluxDB` counts nanoseconds in 64 bits.
pub const MIN_TIME: Timestamp = Timestamp::from_micros(i64::MIN / 1_000 + 1);
/// Latest time every store can keep.
pub const MAX_TIME: Timestamp = Timestamp::from_micros(i64::MAX / 1_000 - 1);

/// Longest part of a name that a message repeats, in characters.
const MOST_SHOWN: usize = 80;

/// Why no store can keep a point at this time.
pub fn time_flaw(time: Timestamp) -> Option<&'static str> {
    (time < MIN_TIME || time > MAX_TIME).then_some("the time is outside the years 1677 to 2262")
}

/// Why no store can keep a signal of this name: line protocol has no way to write it in a tag.
pub fn name_flaw(name: &str) -> Option<&'static str> {
    let flawed = name.is_empty() || name.ends_with('\\') || name.contains(char::is_control);
    flawed.then_some("a signal's name may not be empty, hold control characters or end with a backslash")
}

/// Why no store can keep this text.
pub fn text_flaw(text: &str) -> Option<&'static str> {
    text.contains('\0').then_some("text may not hold NUL characters")
}

/// Why no store can keep this number.
pub fn number_flaw(number: f64) -> Option<&'static str> {
    (!number.is_finite()).then_some("the value is not a finite number")
}

/// Why no store can keep this value.
pub fn value_flaw(value: &SignalValue) -> Option<&'static str> {
    match value {
        SignalValue::Number(number) => number_flaw(*number),
        SignalValue::Text(text) => text_flaw(text),
        SignalValue::Bool(_) => None,
    }
}

/// Refuses a name that [`name_flaw`] finds fault with.
pub(crate) fn check_name(name: &str) -> Result<(), ProtocolError> {
    name_flaw(name).map_or(Ok(()), |flaw| Err(refusal(ErrorCode::ValidationError, name, flaw)))
}

/// Refuses a text that [`text_flaw`] finds fault with.
pub(crate) fn check_text(name: &str, text: &str) -> Result<(), ProtocolError> {
    text_flaw(text).map_or(Ok(()), |flaw| Err(refusal(ErrorCode::ValidationError, name, flaw)))
}

/// Whether every store can keep all of `sample`: for samples that no [`crate::codec::Decoder`] has read.
///
/// Fails with the code and the message that a decoder refuses the first flaw with.
pub fn check(sample: &Sample) -> Result<(), ProtocolError> {
    if let Some(flaw) = time_flaw(sample.source_time) {
        return Err(ProtocolError::new(ErrorCode::TimestampOutOfRange, flaw));
    }
    for signal in &sample.signals {
        check_name(&signal.name)?;
        match &signal.value {
            SignalValue::Number(number) => {
                if let Some(flaw) = number_flaw(*number) {
                    return Err(refusal(ErrorCode::InvalidNumber, &signal.name, flaw));
                }
            }
            SignalValue::Text(text) => check_text(&signal.name, text)?,
            SignalValue::Bool(_) => {}
        }
    }
    Ok(())
}

fn refusal(code: ErrorCode, name: &str, flaw: &str) -> ProtocolError {
    let shown: String = name.chars().take(MOST_SHOWN).collect();
    ProtocolError::new(code, format!("signal '{}': {flaw}", shown.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_tag_cannot_hold_are_flawed() {
        for name in ["", "x\\", "tab\there", "line\nbreak", "nul\0", "del\u{7f}", "c1\u{85}"] {
            assert!(name_flaw(name).is_some(), "{name:?}");
            assert_eq!(check_name(name).unwrap_err().code, ErrorCode::ValidationError);
        }
        for name in ["x", "a\\b", "with space", "a,b=c", "\"", "ü.0", " "] {
            assert_eq!(name_flaw(name), None, "{name:?}");
        }
    }

    #[test]
    fn times_are_kept_as_far_as_nanoseconds_in_64_bits_reach() {
        assert_eq!(time_flaw(MIN_TIME).or(time_flaw(MAX_TIME)), None);
        assert!(time_flaw(Timestamp::from_micros(MIN_TIME.micros() - 1)).is_some());
        assert!(time_flaw(Timestamp::from_micros(MAX_TIME.micros() + 1)).is_some());
    }
}
