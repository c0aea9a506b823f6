//! What names a frame that could not be read: its `id` and its `seq`, so that the answer can be matched to it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::{DecodeError, RequestId};
use crate::error::ProtocolError;

/// The names of a frame that can still be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Salvaged {
    pub(super) id: Option<RequestId>,
    pub(super) seq: Option<u64>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    seq: Option<&'a RawValue>,
}

impl Salvaged {
    /// Reads the names of the frame in `text`, which may be no JSON at all.
    ///
    /// In broken JSON a name counts only where it is written once: of several nobody knows which is the frame's own.
    pub(super) fn of(text: &str) -> Self {
        // A list of values in the order of the fields would be read as an object.
        if !text.trim_start().starts_with('{') {
            return Self::default();
        }
        match serde_json::from_str::<Named<'_>>(text) {
            Ok(named) => {
                Self { id: named.id.and_then(|id| RequestId::from_json(id.get())), seq: named.seq.and_then(|seq| seq.get().parse().ok()) }
            }
            Err(_) => Self {
                id: only_value(text, "\"id\"").and_then(RequestId::from_json),
                seq: only_value(text, "\"seq\"").and_then(|seq| seq.parse().ok()),
            },
        }
    }

    /// The refusal of the frame for `error`.
    pub(super) fn refusal(self, error: ProtocolError) -> DecodeError {
        DecodeError { id: self.id, seq: self.seq, error }
    }
}

/// The text or number behind `key`, where the key is written once.
fn only_value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut places = text.match_indices(key).filter_map(|(at, _)| text[at + key.len()..].trim_start().strip_prefix(':'));
    let value = places.next()?.trim_start();
    if places.next().is_some() {
        return None;
    }
    let end = match value.strip_prefix('"') {
        Some(inside) => inside.find('"')? + 2,
        None => value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()),
    };
    Some(&value[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> (Option<String>, Option<u64>) {
        let salvaged = Salvaged::of(text);
        (salvaged.id.map(|id| id.as_json().to_owned()), salvaged.seq)
    }

    #[test]
    fn a_frame_that_is_no_json_is_still_named_where_its_names_are_clear() {
        let seven = (Some("7".to_owned()), Some(41));
        assert_eq!(names(r#"{"type":"telemetry","id":7,"seq": 41,"data":{"v":}}"#), seven);
        assert_eq!(names(r#"{"id":7,"seq":41,"data":{"v":1}"#), seven, "cut short");
        assert_eq!(names(r#"{'type':'x',"id" : "a b", "data":oops}"#).0.as_deref(), Some("\"a b\""));
        assert_eq!(names(r#"{"batch":[{"seq":1,"data":},{"seq":2}]}"#), (None, None), "of two numbers neither is the frame's");
        assert_eq!(names(r#"{"id":"half"#), (None, None));
        assert_eq!(names(r#"{"seq":99999999999999999999999,"data":}"#), (None, None));
        assert_eq!(names(r#"{"seq":-1,"data":}"#), (None, None));
    }

    #[test]
    fn what_is_no_object_has_no_names() {
        for text in ["[5]", " [5, 6]", "5", "\"id\":5", ""] {
            assert_eq!(names(text), (None, None), "{text}");
        }
    }
}
