//! The fields of a client's JSON frame: each read on its own, every broken one named with what is expected in its place.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::flatten::json_error;
use crate::{
    error::{ErrorCode, ProtocolError},
    near,
    time::Timestamp,
};

/// Unknown names that are remembered of one object, to find misspelt ones among them.
const MAX_UNKNOWN: usize = 16;

/// The fields a sample can have, and those that stand beside a batch of them.
const SAMPLE: [&str; 7] = ["driverId", "vehicleId", "sessionId", "fleetId", "seq", "timestamp", "data"];
const SUBSCRIBE: [&str; 5] = ["channel", "id", "since", "delivery", "on_slow"];
const UNSUBSCRIBE: [&str; 2] = ["channel", "id"];
const VIDEO: [&str; 5] = ["driverId", "vehicleId", "sessionId", "timestamp", "frameData"];
/// What others call the source time.
const TIME: [&str; 6] = ["time", "ts", "datetime", "date_time", "utc", "epoch"];
/// What stands inside a field of a subscription, not beside it.
const INSIDE: [(&str, &str); 4] = [("max_rate", "delivery"), ("rate", "delivery"), ("epoch", "since"), ("offset", "since")];

const TIME_EXPECTED: &str = "RFC 3339 text (2026-07-17T12:34:56.789Z) or the time since 1970 in s, ms, µs or ns is expected";

/// Every field a client frame or a sample in a batch can have. Null counts as absent.
#[derive(Default)]
pub(super) struct RawFrame<'a> {
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) channel: Option<Cow<'a, str>>,
    pub(super) since: Option<&'a RawValue>,
    pub(super) delivery: Option<&'a RawValue>,
    pub(super) on_slow: Option<&'a RawValue>,
    pub(super) vehicle: Option<Cow<'a, str>>,
    pub(super) session: Option<Cow<'a, str>>,
    pub(super) fleet: Option<Cow<'a, str>>,
    pub(super) seq: Option<u64>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) data: Option<&'a RawValue>,
    pub(super) batch: Option<Vec<&'a RawValue>>,
    pub(super) frame_data: Option<Cow<'a, str>>,
    /// What is wrong with fields, in words.
    faults: Vec<ProtocolError>,
    /// Names that are no fields: a misspelt field may be among them.
    unknown: Vec<Unknown<'a>>,
}

struct Unknown<'a> {
    name: Cow<'a, str>,
    /// Its value is an object, as no field of a sample but `data` is: what clients add of their own.
    is_object: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawFrame<'a> {
    /// Fails only where the text is no JSON object; whatever else is wrong is in the faults.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> de::Visitor<'de> for Visit<'a> {
            type Value = RawFrame<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<RawFrame<'a>, A::Error> {
                let mut frame = RawFrame::default();
                while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
                    frame.take(name, map.next_value::<&'de RawValue>()?);
                }
                Ok(frame)
            }
        }
        // Not as a struct: a list of values in the order of the fields would be one, which nobody means.
        deserializer.deserialize_map(Visit(PhantomData))
    }
}

/// A name, borrowed from the frame unless it has escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> de::Visitor<'de> for Visit {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visit)
    }
}

impl<'a> RawFrame<'a> {
    fn take(&mut self, name: Cow<'a, str>, raw: &'a RawValue) {
        if raw.get() == "null" {
            return;
        }
        let faults = &mut self.faults;
        match &*name {
            "type" => put(&mut self.kind, &name, text(&name, raw), faults),
            "id" => put(&mut self.id, &name, Ok(raw), faults),
            "channel" => put(&mut self.channel, &name, text(&name, raw), faults),
            "since" => put(&mut self.since, &name, Ok(raw), faults),
            "delivery" => put(&mut self.delivery, &name, Ok(raw), faults),
            "on_slow" => put(&mut self.on_slow, &name, Ok(raw), faults),
            "driverId" | "vehicleId" => put(&mut self.vehicle, &name, text(&name, raw), faults),
            "sessionId" => put(&mut self.session, &name, text(&name, raw), faults),
            "fleetId" => put(&mut self.fleet, &name, text(&name, raw), faults),
            "seq" => {
                put(&mut self.seq, &name, raw.get().parse().map_err(|_| expected(&name, "a whole number from 0 is expected", raw)), faults);
            }
            "timestamp" => put(&mut self.timestamp, &name, moment(&name, raw), faults),
            "data" => put(&mut self.data, &name, Ok(raw), faults),
            "batch" => {
                let list = serde_json::from_str(raw.get()).map_err(|_| expected(&name, "a list of samples is expected", raw));
                put(&mut self.batch, &name, list, faults);
            }
            "frameData" => put(&mut self.frame_data, &name, text(&name, raw), faults),
            _ if self.unknown.len() < MAX_UNKNOWN => self.unknown.push(Unknown { name, is_object: raw.get().starts_with('{') }),
            _ => {}
        }
    }

    /// Whether every field was well-formed.
    ///
    /// Fails naming all that were not.
    pub(super) fn check(&self) -> Result<(), ProtocolError> {
        match &self.faults[..] {
            [] => Ok(()),
            [one] => Err(one.clone()),
            [first, ..] => {
                let all: Vec<&str> = self.faults.iter().map(|fault| fault.message.as_str()).collect();
                Err(ProtocolError::new(first.code, all.join("; ")))
            }
        }
    }

    /// Whether a sample has no misspelt field: its session or its time would be lost without a word.
    pub(super) fn check_sample_names(&self) -> Result<(), ProtocolError> {
        self.check_names(&SAMPLE)
    }

    /// As [`check_sample_names`](Self::check_sample_names), of a video frame.
    pub(super) fn check_video_names(&self) -> Result<(), ProtocolError> {
        self.check_names(&VIDEO)
    }

    fn check_names(&self, known: &[&'static str]) -> Result<(), ProtocolError> {
        self.refuse_misspelt(|unknown| {
            let name = &*unknown.name;
            if unknown.is_object {
                None
            } else if self.timestamp.is_none() && TIME.contains(&name) {
                Some("timestamp")
            } else {
                near::resembles(name, known)
            }
        })
    }

    /// Whether a subscription has no misspelt field: it would be served otherwise than was asked.
    pub(super) fn check_subscribe_names(&self) -> Result<(), ProtocolError> {
        self.refuse_misspelt(|unknown| {
            let inside = INSIDE.iter().find(|(name, _)| *name == unknown.name).map(|(_, field)| *field);
            inside.or_else(|| near::resembles(&unknown.name, &SUBSCRIBE))
        })
    }

    /// As [`check_subscribe_names`](Self::check_subscribe_names), of the end of one.
    pub(super) fn check_unsubscribe_names(&self) -> Result<(), ProtocolError> {
        self.refuse_misspelt(|unknown| near::resembles(&unknown.name, &UNSUBSCRIBE))
    }

    /// Fails naming every unknown field that `meant` knows a field for, unless that field is there as well: then
    /// nothing is lost.
    fn refuse_misspelt(&self, meant: impl Fn(&Unknown<'_>) -> Option<&'static str>) -> Result<(), ProtocolError> {
        let misspelt: Vec<String> = self
            .unknown
            .iter()
            .filter_map(|unknown| Some((unknown, meant(unknown).filter(|meant| !self.has(meant))?)))
            .map(|(unknown, meant)| format!("unknown field '{}', did you mean '{meant}'?", shown(&unknown.name)))
            .collect();
        if misspelt.is_empty() { Ok(()) } else { Err(ProtocolError::new(ErrorCode::ValidationError, misspelt.join("; "))) }
    }

    fn has(&self, name: &str) -> bool {
        match name {
            "driverId" | "vehicleId" => self.vehicle.is_some(),
            "sessionId" => self.session.is_some(),
            "fleetId" => self.fleet.is_some(),
            "seq" => self.seq.is_some(),
            "timestamp" => self.timestamp.is_some(),
            "data" => self.data.is_some(),
            "frameData" => self.frame_data.is_some(),
            "channel" => self.channel.is_some(),
            "id" => self.id.is_some(),
            "since" => self.since.is_some(),
            "delivery" => self.delivery.is_some(),
            "on_slow" => self.on_slow.is_some(),
            _ => false,
        }
    }
}

fn put<T>(place: &mut Option<T>, name: &str, value: Result<T, ProtocolError>, faults: &mut Vec<ProtocolError>) {
    match value {
        Ok(_) if place.is_some() => {
            let also = if matches!(name, "driverId" | "vehicleId") { " (driverId and vehicleId are one field)" } else { "" };
            faults.push(ProtocolError::new(ErrorCode::ValidationError, format!("'{name}' is given twice{also}")));
        }
        Ok(value) => *place = Some(value),
        Err(fault) => faults.push(fault),
    }
}

fn text<'a>(name: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, ProtocolError> {
    let json = raw.get();
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(|| expected(name, "text is expected", raw))?;
    if inner.contains('\\') {
        return serde_json::from_str::<String>(json).map(Cow::Owned).map_err(|error| {
            let error = json_error(&error);
            ProtocolError::new(error.code, format!("'{name}': {}", error.message))
        });
    }
    Ok(Cow::Borrowed(inner))
}

/// A source time: RFC 3339, or a number of seconds, milli-, micro- or nanoseconds since 1970, told apart by its size.
fn moment(name: &str, raw: &RawValue) -> Result<Timestamp, ProtocolError> {
    let json = raw.get();
    if !json.starts_with('"') {
        return Timestamp::from_epoch(json).ok_or_else(|| expected(name, TIME_EXPECTED, raw));
    }
    let text = text(name, raw)?;
    text.parse().ok().or_else(|| Timestamp::from_epoch(&text)).ok_or_else(|| expected(name, TIME_EXPECTED, raw))
}

fn expected(name: &str, what: &str, raw: &RawValue) -> ProtocolError {
    ProtocolError::new(ErrorCode::ValidationError, format!("'{name}': {what}, it is {}", shown(raw.get())))
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
