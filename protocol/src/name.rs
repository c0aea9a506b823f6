//! Names people give to vehicles, sessions and fleets, and the identifiers derived from them.
//!
//! An identifier travels in channel names, addresses, tags and file names, so its alphabet is small. What fleets are
//! called is not: `18/693`, `B-MW 123`, `Ä 12`. A name that is no identifier is escaped into one, each character
//! outside the alphabet as `_x`, its code point in hexadecimal digits, and `_`:
//!
//! ```text
//! 18/693    <->  18_x2F_693
//! B-MW 123  <->  B-MW_x20_123
//! Ä 12      <->  _xC4__x20_12
//! ```
//!
//! A name that is an identifier already is its own. The way back is exact: [`name_of`] gives the name that [`id_of`]
//! was given. `_x` itself is escaped (`_x5F_x`) in a name that needs escapes, so that it is never taken for one.

use std::{borrow::Cow, fmt::Write as _};

use crate::id::{MAX_ID_LEN, is_valid_id};

/// Why a name has no identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameFlaw {
    /// Nothing, or white space alone.
    Blank,
    /// A character that cannot be seen or that changes how others are shown.
    Unprintable,
    /// The identifier would be longer than [`MAX_ID_LEN`].
    TooLong {
        /// Its length.
        length: usize,
    },
}

/// The identifier of `name`.
pub(crate) fn id_of(name: &str) -> Result<Cow<'_, str>, NameFlaw> {
    if is_valid_id(name) {
        return Ok(Cow::Borrowed(name));
    }
    if name.trim().is_empty() {
        return Err(NameFlaw::Blank);
    }
    if name.chars().any(is_unprintable) {
        return Err(NameFlaw::Unprintable);
    }
    let mut id = String::with_capacity(name.len() + 16);
    let mut rest = name.chars().peekable();
    while let Some(character) = rest.next() {
        let plain = character.is_ascii_alphanumeric() || matches!(character, '.' | '-') || (character == '_' && rest.peek() != Some(&'x'));
        if plain {
            id.push(character);
        } else {
            // Writing into a string cannot fail.
            let _ = write!(id, "_x{:X}_", u32::from(character));
        }
    }
    if id.len() > MAX_ID_LEN {
        return Err(NameFlaw::TooLong { length: id.len() });
    }
    Ok(Cow::Owned(id))
}

/// The name that `id` was derived from; `id` itself where it was not derived.
pub(crate) fn name_of(id: &str) -> Cow<'_, str> {
    if !id.contains("_x") {
        return Cow::Borrowed(id);
    }
    let mut name = String::with_capacity(id.len());
    let mut rest = id;
    while let Some(start) = rest.find("_x") {
        let (before, escape) = rest.split_at(start);
        name.push_str(before);
        if let Some((character, after)) = unescape(&escape[2..]) {
            name.push(character);
            rest = after;
        } else {
            name.push_str("_x");
            rest = &escape[2..];
        }
    }
    name.push_str(rest);
    // Somebody may have chosen an identifier that merely looks derived.
    if id_of(&name).is_ok_and(|derived| derived == id) { Cow::Owned(name) } else { Cow::Borrowed(id) }
}

/// The character of `2F_...` and what follows it.
fn unescape(text: &str) -> Option<(char, &str)> {
    let (digits, rest) = text.split_once('_')?;
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    Some((character, rest))
}

/// Control characters, line and paragraph separators, and what turns the direction of text round.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(character, '\u{FEFF}' | '\u{FFF9}'..='\u{FFFD}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_real_fleets_have_readable_identifiers() {
        for (name, id) in [
            ("18/693", "18_x2F_693"),
            ("B-MW 123", "B-MW_x20_123"),
            ("Ä 12", "_xC4__x20_12"),
            ("Bus #7", "Bus_x20__x23_7"),
            ("a_x b", "a_x5F_x_x20_b"),
            ("VIN:1", "VIN_x3A_1"),
            ("🚌", "_x1F68C_"),
            ("already.an_id-1", "already.an_id-1"),
        ] {
            assert_eq!(id_of(name).unwrap(), id, "{name}");
            assert_eq!(name_of(id), name, "{id}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_too_long_has_none() {
        for (name, flaw) in
            [("", NameFlaw::Blank), (" \u{a0}", NameFlaw::Blank), ("a\0b", NameFlaw::Unprintable), ("a\nb", NameFlaw::Unprintable)]
        {
            assert_eq!(id_of(name), Err(flaw), "{name:?}");
        }
        assert_eq!(id_of("a\u{202e}b"), Err(NameFlaw::Unprintable));
        assert_eq!(id_of(&" a".repeat(60)), Err(NameFlaw::TooLong { length: 360 }));
    }

    #[test]
    fn an_identifier_that_merely_looks_derived_is_its_own_name() {
        for id in ["a_x41_b", "_xZZ_", "_x", "a_x2f_b", "_x110000_", "_x2F"] {
            assert_eq!(name_of(id), id);
        }
    }

    proptest! {
        #[test]
        fn names_come_back_and_no_two_share_an_identifier(a in "[ -~äß/_x]{1,20}", b in "[ -~äß/_x]{1,20}") {
            if let (Ok(x), Ok(y)) = (id_of(&a), id_of(&b)) {
                prop_assert!(is_valid_id(&x));
                // An identifier is its own; it may look like another name's.
                if !is_valid_id(&a) {
                    prop_assert_eq!(name_of(&x), a.as_str());
                }
                prop_assert!(a == b || x != y || is_valid_id(&a) || is_valid_id(&b));
            }
        }
    }
}
