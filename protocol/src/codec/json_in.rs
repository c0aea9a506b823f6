//! JSON text -> client frames.

use std::{borrow::Cow, fmt};

use base64::Engine as _;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::{bare_words::BareWords, flatten::flatten, flatten::json_error, intern::Interner};
use crate::{
    channel::Channel,
    client::{ClientFrame, DecodeError, Delivery, OnSlow, Refusal, RequestId, Since, SubscribeRequest, TelemetryFrame, VideoUpload},
    error::{ErrorCode, ProtocolError},
    limits::Limits,
    sample::Sample,
    signal::Quality,
    storable,
    time::Timestamp,
};

/// Text borrowed from the frame unless it has escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> de::Visitor<'de> for Visit {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visit)
    }
}

/// Every field a client frame or a sample in a batch can have.
#[derive(Deserialize)]
struct RawFrame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    #[serde(borrow)]
    since: Option<&'a RawValue>,
    #[serde(borrow)]
    delivery: Option<&'a RawValue>,
    #[serde(borrow)]
    on_slow: Option<&'a RawValue>,
    #[serde(borrow, rename = "driverId", alias = "vehicleId")]
    vehicle: Option<Text<'a>>,
    #[serde(borrow, rename = "sessionId")]
    session: Option<Text<'a>>,
    #[serde(borrow, rename = "fleetId")]
    fleet: Option<Text<'a>>,
    seq: Option<u64>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    batch: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "frameData")]
    frame_data: Option<Text<'a>>,
}

/// Only what can still be read of a frame whose other fields are wrong.
#[derive(Deserialize)]
struct Salvage<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    seq: Option<&'a RawValue>,
}

fn invalid(message: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::ValidationError, message)
}

fn request_id(raw: Option<&RawValue>) -> Option<RequestId> {
    raw.and_then(|r| RequestId::from_json(r.get()))
}

pub(super) fn decode(payload: &Bytes, now: Timestamp, limits: &Limits, interner: &mut Interner) -> Result<ClientFrame, DecodeError> {
    let text = utf8(payload)?;
    let refused = match decode_text(text, payload, now, limits, interner, &BareWords::default(), true) {
        Err(refused) if refused.error.code == ErrorCode::InvalidJson => refused,
        decided => return decided,
    };
    // It costs no more than the samples it is about, where the rest can be read.
    let Some((text, words)) = BareWords::replace(text) else { return Err(refused) };
    let payload = Bytes::from(text);
    match decode_text(utf8(&payload)?, &payload, now, limits, interner, &words, true) {
        Ok(ClientFrame::Telemetry(frame)) => Ok(ClientFrame::Telemetry(frame)),
        Ok(_) => Err(refused),
        // The request's id may be readable now.
        Err(again) => Err(DecodeError { id: refused.id.or(again.id), error: refused.error }),
    }
}

fn utf8(payload: &[u8]) -> Result<&str, ProtocolError> {
    std::str::from_utf8(payload).map_err(|e| ProtocolError::new(ErrorCode::InvalidUtf8, format!("not UTF-8 from byte {}", e.valid_up_to())))
}

fn decode_text(
    text: &str,
    payload: &Bytes,
    now: Timestamp,
    limits: &Limits,
    interner: &mut Interner,
    words: &BareWords,
    may_wrap: bool,
) -> Result<ClientFrame, DecodeError> {
    let raw: RawFrame<'_> = serde_json::from_str(text).map_err(|error| DecodeError {
        id: serde_json::from_str::<Salvage<'_>>(text).ok().and_then(|s| request_id(s.id)),
        error: json_error(&error),
    })?;
    let id = request_id(raw.id);
    let Some(kind) = &raw.kind else {
        return Err(DecodeError { id, error: invalid("'type' is missing") });
    };
    let outcome = match &*kind.0 {
        "telemetry" => telemetry(&raw, text, payload, now, limits, interner, words).map(ClientFrame::Telemetry),
        "subscribe" => subscribe(&raw, id.clone()).map(ClientFrame::Subscribe),
        "unsubscribe" => channel(&raw).map(|channel| ClientFrame::Unsubscribe { channel, id: id.clone() }),
        "video" => video(&raw, now, limits, interner).map(ClientFrame::Video),
        "ping" => Ok(ClientFrame::Ping { id: id.clone() }),
        "rl" => super::rl_in::command(text).map(|(agent, command)| ClientFrame::Rl { agent, command, id: id.clone() }),
        "config" => Ok(ClientFrame::Config(text.to_owned())),
        "message" if may_wrap => match raw.data {
            Some(inner) => return decode_text(inner.get(), payload, now, limits, interner, words, false),
            None => Err(invalid("'data' is missing: a message carries another frame there")),
        },
        other => {
            let shown: String = other.chars().take(40).collect();
            Err(ProtocolError::new(
                ErrorCode::UnknownType,
                format!("'{shown}' is no frame type; subscribe, unsubscribe, telemetry, video, ping, config, rl and message are"),
            ))
        }
    };
    outcome.map_err(|error| DecodeError { id, error })
}

fn channel(raw: &RawFrame<'_>) -> Result<Channel, ProtocolError> {
    raw.channel.as_ref().ok_or_else(|| invalid("'channel' is missing"))?.0.parse()
}

fn subscribe(raw: &RawFrame<'_>, id: Option<RequestId>) -> Result<SubscribeRequest, ProtocolError> {
    let since = match raw.since {
        Some(since) => serde_json::from_str::<Option<Since>>(since.get())
            .map_err(|_| invalid("'since' must be {\"epoch\": number, \"offset\": number}"))?,
        None => None,
    };
    let delivery = raw.delivery.map_or(Ok(Delivery::All), |d| parse_delivery(d.get()))?;
    let on_slow = match raw.on_slow.map(RawValue::get) {
        None | Some("null" | "\"disconnect\"") => OnSlow::Disconnect,
        Some("\"drop_oldest\"") => OnSlow::DropOldest,
        Some(_) => return Err(invalid("'on_slow' must be \"disconnect\" or \"drop_oldest\"")),
    };
    Ok(SubscribeRequest { channel: channel(raw)?, id, since, delivery, on_slow })
}

fn parse_delivery(json: &str) -> Result<Delivery, ProtocolError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rate {
        max_rate: f64,
    }
    match json {
        "null" | "\"all\"" => return Ok(Delivery::All),
        "\"latest\"" => return Ok(Delivery::Latest),
        _ => {}
    }
    match serde_json::from_str::<Rate>(json) {
        Ok(Rate { max_rate }) => Delivery::max_rate(max_rate),
        Err(_) => Err(invalid("'delivery' must be \"all\", \"latest\" or {\"max_rate\": hz} with hz from 0.001 to 10000")),
    }
}

fn telemetry(
    raw: &RawFrame<'_>,
    text: &str,
    payload: &Bytes,
    now: Timestamp,
    limits: &Limits,
    interner: &mut Interner,
    words: &BareWords,
) -> Result<TelemetryFrame, ProtocolError> {
    let mut frame = TelemetryFrame::default();
    let Some(batch) = &raw.batch else {
        match sample(raw, payload, now, limits, interner) {
            Ok(sample) => frame.samples.push(sample),
            Err(error) => frame.refused.push(Refusal { index: 0, seq: raw.seq, error: words.explain(text, error) }),
        }
        return Ok(frame);
    };
    if batch.len() > limits.max_batch {
        return Err(ProtocolError::new(
            ErrorCode::BatchTooLarge,
            format!("{} samples in one batch; at most {} are taken", batch.len(), limits.max_batch),
        ));
    }
    frame.samples.reserve(batch.len());
    for (index, item) in batch.iter().enumerate() {
        let parsed = serde_json::from_str::<RawFrame<'_>>(item.get());
        let (seq, outcome) = match &parsed {
            Ok(raw) => (raw.seq, sample(raw, payload, now, limits, interner)),
            Err(error) => (salvage_seq(item.get()), Err(json_error(error))),
        };
        match outcome {
            Ok(sample) => frame.samples.push(sample),
            Err(error) => frame.refused.push(Refusal { index, seq, error: words.explain(item.get(), error) }),
        }
    }
    Ok(frame)
}

fn salvage_seq(text: &str) -> Option<u64> {
    serde_json::from_str::<Salvage<'_>>(text).ok()?.seq?.get().parse().ok()
}

fn sample(raw: &RawFrame<'_>, payload: &Bytes, now: Timestamp, limits: &Limits, interner: &mut Interner) -> Result<Sample, ProtocolError> {
    let vehicle = interner.vehicle(&raw.vehicle.as_ref().ok_or_else(|| invalid("'driverId' is missing"))?.0)?;
    let session = raw.session.as_ref().map(|s| interner.session(&s.0)).transpose()?;
    let fleet = raw.fleet.as_ref().map(|f| interner.fleet(&f.0)).transpose()?;
    let data = raw.data.ok_or_else(|| invalid("'data' is missing"))?.get();
    let source_time = source_time(raw, now, limits)?;
    let signals = flatten(data, limits, interner)?;
    Ok(Sample {
        vehicle,
        session,
        fleet,
        seq: raw.seq,
        source_time,
        received_at: now,
        quality: Quality::Good,
        signals,
        raw: Some(payload.slice_ref(data.as_bytes())),
    })
}

fn source_time(raw: &RawFrame<'_>, now: Timestamp, limits: &Limits) -> Result<Timestamp, ProtocolError> {
    let Some(text) = &raw.timestamp else { return Ok(now) };
    let time: Timestamp = text.0.parse()?;
    check_source_time(time, now, limits)?;
    Ok(time)
}

/// Whether a source time is one the engine takes at the moment `now`.
///
/// Fails with [`ErrorCode::TimestampOutOfRange`].
pub fn check_source_time(time: Timestamp, now: Timestamp, limits: &Limits) -> Result<(), ProtocolError> {
    if time.micros() < limits.min_source_micros {
        let least = Timestamp::from_micros(limits.min_source_micros);
        return Err(ProtocolError::new(ErrorCode::TimestampOutOfRange, format!("{time} is too far in the past; from {least} on is taken")));
    }
    if let Some(flaw) = storable::time_flaw(time) {
        return Err(ProtocolError::new(ErrorCode::TimestampOutOfRange, flaw));
    }
    if time > now.plus(limits.max_future) {
        let ahead = limits.max_future.as_secs();
        return Err(ProtocolError::new(
            ErrorCode::TimestampOutOfRange,
            format!("{time} is in the future; at most {ahead} s ahead of the server's {now} is taken"),
        ));
    }
    Ok(())
}

fn video(raw: &RawFrame<'_>, now: Timestamp, limits: &Limits, interner: &mut Interner) -> Result<VideoUpload, ProtocolError> {
    let vehicle = interner.vehicle(&raw.vehicle.as_ref().ok_or_else(|| invalid("'driverId' is missing"))?.0)?;
    let session = raw.session.as_ref().map(|s| interner.session(&s.0)).transpose()?;
    let timestamp = source_time(raw, now, limits)?;
    let text = &raw.frame_data.as_ref().ok_or_else(|| invalid("'frameData' is missing"))?.0;
    Ok(VideoUpload { vehicle, session, timestamp, image: image_bytes(text)? })
}

/// Undoes base64, with or without a `data:image/...;base64,` prefix.
///
/// Fails with [`ErrorCode::InvalidBase64`].
pub fn image_bytes(text: &str) -> Result<Vec<u8>, ProtocolError> {
    let encoded = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,").map(|(_, b)| b),
        None => Some(text),
    };
    encoded
        .and_then(|b| base64::engine::general_purpose::STANDARD.decode(b.trim()).ok())
        .ok_or_else(|| ProtocolError::new(ErrorCode::InvalidBase64, "'frameData' is not base64 (a data: prefix must end in ;base64,)"))
}

pub(super) fn decode_telemetry_body(
    body: &Bytes,
    now: Timestamp,
    limits: &Limits,
    interner: &mut Interner,
) -> Result<TelemetryFrame, ProtocolError> {
    let text = utf8(body)?;
    let error = match serde_json::from_str::<RawFrame<'_>>(text) {
        Ok(raw) => return telemetry(&raw, text, body, now, limits, interner, &BareWords::default()),
        Err(error) => json_error(&error),
    };
    let Some((text, words)) = BareWords::replace(text).filter(|_| error.code == ErrorCode::InvalidJson) else { return Err(error) };
    let body = Bytes::from(text);
    let text = utf8(&body)?;
    match serde_json::from_str::<RawFrame<'_>>(text) {
        Ok(raw) => telemetry(&raw, text, &body, now, limits, interner, &words),
        Err(_) => Err(error),
    }
}

pub(super) fn decode_video_body(
    body: &Bytes,
    now: Timestamp,
    limits: &Limits,
    interner: &mut Interner,
) -> Result<VideoUpload, ProtocolError> {
    let raw: RawFrame<'_> = serde_json::from_str(utf8(body)?).map_err(|e| json_error(&e))?;
    video(&raw, now, limits, interner)
}
