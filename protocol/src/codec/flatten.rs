//! A JSON object, read once, as flat signals: `{"tires":{"fl":{"temp":90}},"g":[0.1,2]}` becomes
//! `tires.fl.temp`, `g.0`, `g.1`. Nulls carry no signal.

use std::{cell::RefCell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::intern::Interner;
use crate::{
    error::{ErrorCode, ProtocolError},
    limits::Limits,
    signal::{Signal, SignalValue},
    storable,
};

struct State<'a> {
    limits: &'a Limits,
    interner: &'a mut Interner,
    path: String,
    signals: Vec<Signal>,
    fault: Option<ProtocolError>,
}

impl State<'_> {
    fn fail<E: de::Error>(&mut self, code: ErrorCode, message: String) -> E {
        self.refuse(ProtocolError::new(code, message))
    }

    fn refuse<E: de::Error>(&mut self, fault: ProtocolError) -> E {
        self.fault = Some(fault);
        E::custom("refused")
    }

    fn push<E: de::Error>(&mut self, value: SignalValue) -> Result<(), E> {
        if self.signals.len() >= self.limits.max_signals {
            let max = self.limits.max_signals;
            return Err(self.fail(ErrorCode::TooManySignals, format!("more than {max} signals in one sample")));
        }
        match self.interner.client_name(&self.path) {
            Ok(name) => self.signals.push(Signal { name, value }),
            Err(fault) => return Err(self.refuse(fault)),
        }
        Ok(())
    }

    fn enter<E: de::Error>(&mut self, part: &str) -> Result<usize, E> {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(part);
        if self.path.len() > self.limits.max_name_bytes {
            let max = self.limits.max_name_bytes;
            self.path.truncate(before);
            return Err(self.fail(ErrorCode::ValidationError, format!("a signal name of more than {max} bytes")));
        }
        Ok(before)
    }
}

/// Reads `json` (one object) as signals.
pub(super) fn flatten(json: &str, limits: &Limits, interner: &mut Interner) -> Result<Vec<Signal>, ProtocolError> {
    let state = RefCell::new(State { limits, interner, path: String::with_capacity(64), signals: Vec::with_capacity(16), fault: None });
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let outcome = Node { state: &state, depth: 0 }.deserialize(&mut deserializer);
    let state = state.into_inner();
    match (outcome, state.fault) {
        (Ok(()), _) => Ok(state.signals),
        (Err(_), Some(fault)) => Err(fault),
        (Err(error), None) => Err(json_error(&error)),
    }
}

/// The JSON reader's error as ours: a number too large for a float is told apart.
pub(super) fn json_error(error: &serde_json::Error) -> ProtocolError {
    let message = error.to_string();
    let code = if message.starts_with("number out of range") {
        ErrorCode::InvalidNumber
    } else if error.is_data() {
        ErrorCode::ValidationError
    } else {
        ErrorCode::InvalidJson
    };
    ProtocolError::new(code, message)
}

#[derive(Clone, Copy)]
struct Node<'s, 'a> {
    state: &'s RefCell<State<'a>>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Node<'_, '_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let mut state = self.state.borrow_mut();
        if self.depth >= state.limits.max_depth {
            let max = state.limits.max_depth;
            return Err(state.fail(ErrorCode::TooDeep, format!("data nests deeper than {max} levels")));
        }
        Ok(Self { state: self.state, depth: self.depth + 1 })
    }

    fn value<E: de::Error>(self, value: SignalValue) -> Result<(), E> {
        let mut state = self.state.borrow_mut();
        if self.depth == 0 {
            return Err(state.fail(ErrorCode::ValidationError, "'data' must be an object".into()));
        }
        state.push(value)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.value(SignalValue::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.value(SignalValue::Number(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.value(SignalValue::Number(value as f64))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.value(SignalValue::Number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        {
            let mut state = self.state.borrow_mut();
            if value.len() > state.limits.max_text_bytes {
                let max = state.limits.max_text_bytes;
                let name = state.path.clone();
                return Err(state.fail(ErrorCode::ValidationError, format!("'{name}' is text of more than {max} bytes")));
            }
            if let Err(fault) = storable::check_text(&state.path, value) {
                return Err(state.refuse(fault));
            }
        }
        self.value(SignalValue::Text(value.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        if self.depth == 0 {
            return self.value(SignalValue::Bool(false));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if self.depth == 0 {
            return self.value(SignalValue::Bool(false));
        }
        let child = self.deeper()?;
        let mut digits = itoa::Buffer::new();
        let mut index = 0_u64;
        loop {
            let before = self.state.borrow_mut().enter(digits.format(index))?;
            let more = seq.next_element_seed(child)?;
            self.state.borrow_mut().path.truncate(before);
            if more.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let child = self.deeper()?;
        while let Some(before) = map.next_key_seed(Key { state: self.state })? {
            map.next_value_seed(child)?;
            self.state.borrow_mut().path.truncate(before);
        }
        Ok(())
    }
}

/// Appends a key to the path; yields the path's length before.
struct Key<'s, 'a> {
    state: &'s RefCell<State<'a>>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<usize, E> {
        self.state.borrow_mut().enter(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(json: &str) -> Result<Vec<(String, SignalValue)>, ErrorCode> {
        let limits = Limits { max_depth: 3, max_signals: 4, max_name_bytes: 20, max_text_bytes: 5, ..Limits::default() };
        flatten(json, &limits, &mut Interner::default())
            .map(|signals| signals.into_iter().map(|s| (s.name.to_string(), s.value)).collect())
            .map_err(|e| e.code)
    }

    #[test]
    fn nested_objects_and_arrays_become_dotted_names() {
        let flat = names(r#"{"speed":1,"on":true,"tires":{"fl":{"temp":9.5}},"g":[null,2]}"#).unwrap();
        let expected = [
            ("speed", SignalValue::Number(1.0)),
            ("on", SignalValue::Bool(true)),
            ("tires.fl.temp", SignalValue::Number(9.5)),
            ("g.1", SignalValue::Number(2.0)),
        ];
        assert_eq!(flat, expected.map(|(n, v)| (n.to_string(), v)));
    }

    #[test]
    fn each_bound_is_kept_and_named() {
        assert_eq!(names(r#"{"a":{"b":{"c":{"d":1}}}}"#), Err(ErrorCode::TooDeep));
        assert_eq!(names(r#"{"a":1,"b":1,"c":1,"d":1,"e":1}"#), Err(ErrorCode::TooManySignals));
        assert_eq!(names(r#"{"aaaaaaaaaaaaaaaaaaaaaaaaa":1}"#), Err(ErrorCode::ValidationError));
        assert_eq!(names(r#"{"a":"123456"}"#), Err(ErrorCode::ValidationError));
        assert_eq!(names(r#"{"a":1e999}"#), Err(ErrorCode::InvalidNumber));
        for not_an_object in ["1", "[1]", "null", "\"x\""] {
            assert_eq!(names(not_an_object), Err(ErrorCode::ValidationError), "{not_an_object}");
        }
        assert_eq!(names(r#"{"a":NaN}"#), Err(ErrorCode::InvalidJson));
    }
}
