//! Words that stand where JSON has values and are none: `NaN` and `Infinity`, which Python and numpy write
//! by default, and others (`undefined`, `.5`, `+1`, `0x1F`). A frame that holds such a word is no JSON as a
//! whole; here each becomes a number that no reader takes, so that the frame can be cut and the word costs
//! the sample it is in only.

use std::fmt::Write as _;

use crate::error::{ErrorCode, ProtocolError};

/// What stands in for a word: a number out of range, with the word's place among [`BareWords::words`] behind it.
const STAND_IN: &str = "1e40000";
/// Digits of the place.
const DIGITS: usize = 2;
/// Most different words told apart; the others are told as the last of them.
const MOST_WORDS: usize = 64;
/// Longest part of a word that a message repeats, in characters.
const MOST_SHOWN: usize = 40;

/// The words of one frame.
#[derive(Debug, Default)]
pub(super) struct BareWords {
    words: Vec<String>,
}

impl BareWords {
    /// `text` with a stand-in for each word that is no JSON value; nothing where it has none.
    pub(super) fn replace(text: &str) -> Option<(String, Self)> {
        let (mut out, mut bare) = (String::with_capacity(text.len() + 64), Self::default());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c == '"' || is_part(c)) {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            let length = if rest.starts_with('"') { string_length(rest) } else { rest.find(|c| !is_part(c)).unwrap_or(rest.len()) };
            let (token, behind) = rest.split_at(length);
            if token.starts_with('"') || is_value(token) {
                out.push_str(token);
            } else {
                // Writing into a String does not fail.
                let _ = write!(out, "{STAND_IN}{:0DIGITS$}", bare.place(token));
            }
            rest = behind;
        }
        out.push_str(rest);
        (!bare.words.is_empty()).then_some((out, bare))
    }

    fn place(&mut self, word: &str) -> usize {
        let shown: String = word.chars().take(MOST_SHOWN).collect();
        if let Some(known) = self.words.iter().position(|w| *w == shown) {
            return known;
        }
        if self.words.len() < MOST_WORDS {
            self.words.push(shown);
        }
        self.words.len() - 1
    }

    /// Why `item`, cut from a text made by [`BareWords::replace`], is refused with `error`: the first word in it,
    /// where there is one.
    pub(super) fn explain(&self, item: &str, error: ProtocolError) -> ProtocolError {
        let Some(word) = self.first_in(item) else { return error };
        let number = word.trim_start_matches(['-', '+']).to_ascii_lowercase();
        if ["nan", "inf", "infinity"].contains(&number.as_str()) {
            ProtocolError::new(ErrorCode::InvalidNumber, format!("{word} is no JSON number; only finite numbers are taken"))
        } else {
            ProtocolError::new(ErrorCode::InvalidJson, format!("{} is no JSON value", word.escape_debug()))
        }
    }

    fn first_in(&self, item: &str) -> Option<&str> {
        if self.words.is_empty() {
            return None;
        }
        let place = item.split(STAND_IN).skip(1).find_map(|behind| behind.get(..DIGITS)?.parse::<usize>().ok())?;
        self.words.get(place).map(String::as_str)
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | '#' | '$')
}

/// Bytes of the string that `text` begins with, both quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether JSON has this word.
fn is_value(word: &str) -> bool {
    matches!(word, "true" | "false" | "null") || is_number(word.as_bytes())
}

/// RFC 8259, section 6.
fn is_number(mut text: &[u8]) -> bool {
    fn digits<'t>(text: &mut &'t [u8]) -> &'t [u8] {
        let (digits, rest) = text.split_at(text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len()));
        *text = rest;
        digits
    }
    text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(&mut text);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    if let Some(fraction) = text.strip_prefix(b".") {
        text = fraction;
        if digits(&mut text).is_empty() {
            return false;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = text {
        text = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        if digits(&mut text).is_empty() {
            return false;
        }
    }
    text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_left_as_it_is() {
        for text in [r#"{"a":[1,-0.5e+3,true,false,null,"NaN \" Infinity"],"NaN":0}"#, "", "[1e400]", "\"open NaN"] {
            assert!(BareWords::replace(text).is_none(), "{text}");
        }
    }

    #[test]
    fn each_word_that_is_no_value_is_told_where_it_stands() {
        let text = r#"[{"x":NaN},{"x":-Infinity},{"x":undefined},{"x":.5},{"x":01}]"#;
        let (replaced, words) = BareWords::replace(text).unwrap();
        let items: Vec<serde_json::Value> = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(&replaced)
            .unwrap()
            .iter()
            .map(|item| words.explain(item.get(), ProtocolError::new(ErrorCode::Internal, "")).message.into())
            .collect();
        let told = |word: &str| format!("{word} is no JSON number; only finite numbers are taken");
        let other = |word: &str| format!("{word} is no JSON value");
        assert_eq!(items, [told("NaN"), told("-Infinity"), other("undefined"), other(".5"), other("01")]);
    }

    #[test]
    fn a_flood_of_different_words_is_bounded() {
        let text: Vec<String> = (0..1_000).map(|n| format!("x{n}")).collect();
        let (replaced, words) = BareWords::replace(&text.join(",")).unwrap();
        assert_eq!(words.words.len(), MOST_WORDS);
        assert_eq!(replaced.split(',').count(), 1_000);
    }
}
