//! The fields of a JSON body, each taken and checked, every broken one named.
//!
//! A taken field is `None` where it is broken; a handler takes all it needs, and where one is
//! `None` answers with [`Fields::refusal`], which names them all.

use std::str::FromStr;

use serde_json::{Map, Value};
use slipstream_protocol::{ErrorCode, ProtocolError, Timestamp};

use super::reply::ApiError;

/// A body on its way into a handler.
pub(super) struct Fields {
    body: Map<String, Value>,
    broken: Vec<String>,
}

impl Fields {
    /// Reads a body.
    ///
    /// Fails with [`ErrorCode::InvalidJson`] where it is no JSON, and with
    /// [`ErrorCode::ValidationError`] where it is no object.
    pub(super) fn of(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(body)) => Ok(Self { body, broken: Vec::new() }),
            Ok(_) => Err(ApiError::invalid(vec!["the body must be a JSON object".to_owned()])),
            Err(error) => Err(ApiError::new(ErrorCode::InvalidJson, format!("the body is not JSON: {error}"))),
        }
    }

    /// A field that must be there, read by `read`.
    pub(super) fn required<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        let value = self.optional(name, read)?;
        if value.is_none() {
            self.broken.push(format!("Field '{name}' is required"));
        }
        value
    }

    /// A field that may be absent or null: then it is `Some(None)`.
    #[expect(clippy::option_option, reason = "broken, absent and given are three things")]
    pub(super) fn optional<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<Option<T>> {
        match self.body.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => match read(&value) {
                Ok(value) => Some(Some(value)),
                Err(why) => {
                    self.broken.push(format!("Field '{name}': {why}"));
                    None
                }
            },
        }
    }

    /// Says that a field is broken for a reason that only the handler can see.
    pub(super) fn breaks(&mut self, name: &str, why: &str) {
        self.broken.push(format!("Field '{name}': {why}"));
    }

    /// Refuses if any field was broken.
    pub(super) fn whole(self) -> Result<(), ApiError> {
        if self.broken.is_empty() { Ok(()) } else { Err(self.refusal()) }
    }

    /// The refusal that names every broken field.
    pub(super) fn refusal(self) -> ApiError {
        ApiError::invalid(self.broken)
    }
}

/// An id of any kind.
pub(super) fn id<T: FromStr<Err = ProtocolError>>(value: &Value) -> Result<T, String> {
    string(value)?.parse().map_err(|error: ProtocolError| error.message)
}

/// Text of 1 to `max` characters, not blank, without control characters but line breaks and tabs.
pub(super) fn text(max: usize) -> impl FnOnce(&Value) -> Result<String, String> {
    move |value: &Value| {
        let text = string(value)?.trim();
        let length = text.chars().count();
        if length == 0 || length > max {
            return Err(format!("1 to {max} characters are expected, it has {length}"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err("it holds control characters".to_owned());
        }
        Ok(text.to_owned())
    }
}

/// An RFC 3339 time.
pub(super) fn time(value: &Value) -> Result<Timestamp, String> {
    string(value)?.parse().map_err(|error: ProtocolError| error.message)
}

/// A JSON object.
pub(super) fn object(value: &Value) -> Result<Map<String, Value>, String> {
    value.as_object().cloned().ok_or_else(|| "a JSON object is expected".to_owned())
}

/// A number above zero.
pub(super) fn positive(value: &Value) -> Result<f64, String> {
    value.as_f64().filter(|number| *number > 0.0).ok_or_else(|| "a number above 0 is expected".to_owned())
}

/// True or false.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "true or false is expected".to_owned())
}

/// The text of a JSON string.
pub(super) fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "text is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_protocol::{Id, VehicleId};

    #[test]
    fn every_broken_field_is_named_and_good_ones_are_not() {
        let body = br#"{"driverId":"a\u0007b","name":"  ","trackId":7,"at":"yesterday","ok":"fine","length":-1,"data":[]}"#;
        let mut fields = Fields::of(body).unwrap();
        assert!(fields.required("driverId", id::<VehicleId>).is_none());
        assert!(fields.required("name", text(10)).is_none());
        assert!(fields.optional("trackId", id::<Id>).is_none());
        assert!(fields.required("at", time).is_none());
        assert_eq!(fields.required("ok", text(4)).as_deref(), Some("fine"));
        assert!(fields.optional("length", positive).is_none());
        assert!(fields.required("data", object).is_none());
        assert!(fields.required("missing", time).is_none());
        assert_eq!(fields.optional("absent", time), Some(None));
        let details = fields.refusal().details;
        let named: Vec<_> = details.iter().map(|detail| detail.split('\'').nth(1).unwrap()).collect();
        assert_eq!(named, ["driverId", "name", "trackId", "at", "length", "data", "missing"]);
        assert_eq!(details.last().unwrap(), "Field 'missing' is required");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(Fields::of(b"{").err().unwrap().code, ErrorCode::InvalidJson);
        assert_eq!(Fields::of(b"[1]").err().unwrap().code, ErrorCode::ValidationError);
        assert_eq!(Fields::of(b"").err().unwrap().code, ErrorCode::InvalidJson);
    }

    #[test]
    fn text_is_bounded_in_characters_and_free_of_control_characters() {
        assert!(text(3)(&Value::from("äöü")).is_ok());
        assert!(text(3)(&Value::from("äöüß")).is_err());
        assert!(text(9)(&Value::from("a\u{0}b")).is_err());
        assert!(text(9)(&Value::from("a\nb")).is_ok());
    }
}
