//! Percent-encoding undone: of a path's segments and of a query's names and values (RFC 3986, 2.1; the WHATWG's forms).

use std::{borrow::Cow, collections::HashMap};

/// `text` with its escapes undone; `None` where that gives no UTF-8 or an escape is incomplete.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// A name or a value of a query string: as [`decode`], and a plus sign is a space. Where it is no percent-encoded
/// UTF-8 it is taken as it is, and whatever reads the value refuses it by name.
fn of_query(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(decode(&spaced).map(Cow::into_owned).unwrap_or(spaced));
    }
    decode(text).unwrap_or(Cow::Borrowed(text))
}

/// Every name and value of a query string, in order.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (of_query(name), of_query(value))
    })
}

/// The value of `name` in a query string; the first one where it is given twice.
pub(crate) fn value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    pairs(query).find(|(given, _)| given == name).map(|(_, value)| value)
}

/// Every name of a query string with its value, the last one where a name is given twice.
pub(crate) fn map(query: &str) -> HashMap<String, String> {
    pairs(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_broken_ones_are_no_text() {
        assert_eq!(decode("bus%2D7").unwrap(), "bus-7");
        assert_eq!(decode("a+b").unwrap(), "a+b");
        assert_eq!(decode("%C3%A4%25").unwrap(), "ä%");
        for broken in ["%", "%4", "%+1", "%g0", "%ff", "a%"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    #[test]
    fn queries_are_decoded_by_name_and_value() {
        assert_eq!(value("a=1&drive%72Id=bus%2D7&driverId=x", "driverId").unwrap(), "bus-7");
        assert_eq!(value("a=1", "b"), None);
        let map = map("drive%72Id=bus%2D7&from=2026-01-01T00:00:00+01:00&q=a%2Bb&flag&=x&bad=%zz");
        assert_eq!(map["driverId"], "bus-7");
        assert_eq!(map["from"], "2026-01-01T00:00:00 01:00");
        assert_eq!((map["q"].as_str(), map["flag"].as_str(), map["bad"].as_str()), ("a+b", "", "%zz"));
    }
}
