//! JSON text -> client frames.

use base64::Engine as _;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{bare_words::BareWords, fields::RawFrame, flatten::flatten, flatten::json_error, intern::Interner, salvage::Salvaged};
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

/// What is said of a sample without signals.
const NO_DATA: &str =
    "'data' is missing: the signals of a sample are in an object there, as in {\"driverId\": \"A\", \"data\": {\"speed_mps\": 12.5}}";

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
        Err(again) => Err(DecodeError { id: refused.id.or(again.id), seq: refused.seq.or(again.seq), error: refused.error }),
    }
}

/// Reads `text` as one object; where it is JSON of another kind, `expected` says what it should be.
fn object<'a>(text: &'a str, expected: &str) -> Result<RawFrame<'a>, ProtocolError> {
    serde_json::from_str(text).map_err(|error| if error.is_data() { invalid(expected) } else { json_error(&error) })
}

/// The payload as text, without the mark that some editors and libraries put in front of UTF-8 (RFC 8259, 8.1).
fn utf8(payload: &[u8]) -> Result<&str, ProtocolError> {
    let text = std::str::from_utf8(payload)
        .map_err(|e| ProtocolError::new(ErrorCode::InvalidUtf8, format!("not UTF-8 from byte {}", e.valid_up_to())))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
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
    let raw = object(text, "a frame is a JSON object with a 'type'").map_err(|error| Salvaged::of(text).refusal(error))?;
    let id = request_id(raw.id);
    // The faults of samples and video frames are told with their place; other kinds may hold anything.
    if matches!(raw.kind.as_deref(), None | Some("subscribe" | "unsubscribe" | "message"))
        && let Err(error) = raw.check()
    {
        return Err(DecodeError { id, seq: raw.seq, error });
    }
    let Some(kind) = &raw.kind else {
        return Err(DecodeError { id, seq: raw.seq, error: invalid("'type' is missing") });
    };
    let outcome = match &**kind {
        "telemetry" => telemetry(&raw, text, payload, now, limits, interner, words).map(ClientFrame::Telemetry),
        "subscribe" => subscribe(&raw, id.clone()).map(ClientFrame::Subscribe),
        "unsubscribe" => {
            raw.check_unsubscribe_names().and_then(|()| channel(&raw)).map(|channel| ClientFrame::Unsubscribe { channel, id: id.clone() })
        }
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
    outcome.map_err(|error| DecodeError { id, seq: raw.seq, error })
}

fn channel(raw: &RawFrame<'_>) -> Result<Channel, ProtocolError> {
    raw.channel.as_ref().ok_or_else(|| invalid("'channel' is missing"))?.parse()
}

fn subscribe(raw: &RawFrame<'_>, id: Option<RequestId>) -> Result<SubscribeRequest, ProtocolError> {
    raw.check_subscribe_names()?;
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
    let Some(batch) = &raw.batch else {
        let mut frame = TelemetryFrame::default();
        match sample(raw, payload, now, limits, interner) {
            Ok(sample) => frame.samples.push(sample),
            Err(error) => frame.refused.push(Refusal { index: 0, seq: raw.seq, error: words.explain(text, error) }),
        }
        return Ok(frame);
    };
    raw.check()?;
    samples(batch, payload, now, limits, interner, words)
}

/// Each of a list on its own: a bad one costs the others nothing.
fn samples(
    batch: &[&RawValue],
    payload: &Bytes,
    now: Timestamp,
    limits: &Limits,
    interner: &mut Interner,
    words: &BareWords,
) -> Result<TelemetryFrame, ProtocolError> {
    if batch.len() > limits.max_batch {
        return Err(ProtocolError::new(
            ErrorCode::BatchTooLarge,
            format!("{} samples in one batch; at most {} are taken", batch.len(), limits.max_batch),
        ));
    }
    let mut frame = TelemetryFrame::default();
    frame.samples.reserve(batch.len());
    for (index, item) in batch.iter().enumerate() {
        let (seq, outcome) = match object(item.get(), "a sample is a JSON object") {
            Ok(raw) => (raw.seq, sample(&raw, payload, now, limits, interner)),
            Err(error) => (Salvaged::of(item.get()).seq, Err(error)),
        };
        match outcome {
            Ok(sample) => frame.samples.push(sample),
            Err(error) => frame.refused.push(Refusal { index, seq, error: words.explain(item.get(), error) }),
        }
    }
    Ok(frame)
}

fn sample(raw: &RawFrame<'_>, payload: &Bytes, now: Timestamp, limits: &Limits, interner: &mut Interner) -> Result<Sample, ProtocolError> {
    raw.check()?;
    raw.check_sample_names()?;
    let vehicle = interner.vehicle(raw.vehicle.as_ref().ok_or_else(|| invalid("'driverId' is missing"))?)?;
    let session = raw.session.as_ref().map(|s| interner.session(s)).transpose()?;
    let fleet = raw.fleet.as_ref().map(|f| interner.fleet(f)).transpose()?;
    let data = raw.data.ok_or_else(|| invalid(NO_DATA))?.get();
    let source_time = source_time(raw, now, limits)?;
    let signals = flatten(data, limits, interner)?;
    // Sensors that are silent are written as null, which is no mistake.
    if signals.is_empty() && !data.contains("null") {
        return Err(invalid("'data' holds no value: an object with a number, a boolean or a text is expected"));
    }
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
    let Some(time) = raw.timestamp else { return Ok(now) };
    check_source_time(time, now, limits)?;
    Ok(time)
}

/// Whether a source time is one the engine takes at the moment `now`.
///
/// Fails with [`ErrorCode::TimestampOutOfRange`].
pub fn check_source_time(time: Timestamp, now: Timestamp, limits: &Limits) -> Result<(), ProtocolError> {
    check_past_time(time, limits)?;
    if time > now.plus(limits.max_future) {
        let ahead = limits.max_future.as_secs();
        return Err(ProtocolError::new(
            ErrorCode::TimestampOutOfRange,
            format!("{time} is in the future; at most {ahead} s ahead of the server's {now} is taken"),
        ));
    }
    Ok(())
}

/// Whether a source time is one that stores take, however far ahead: what recordings are checked by.
///
/// Fails with [`ErrorCode::TimestampOutOfRange`].
pub fn check_past_time(time: Timestamp, limits: &Limits) -> Result<(), ProtocolError> {
    if time.micros() < limits.min_source_micros {
        let least = Timestamp::from_micros(limits.min_source_micros);
        return Err(ProtocolError::new(ErrorCode::TimestampOutOfRange, format!("{time} is too far in the past; from {least} on is taken")));
    }
    if let Some(flaw) = storable::time_flaw(time) {
        return Err(ProtocolError::new(ErrorCode::TimestampOutOfRange, flaw));
    }
    Ok(())
}

fn video(raw: &RawFrame<'_>, now: Timestamp, limits: &Limits, interner: &mut Interner) -> Result<VideoUpload, ProtocolError> {
    raw.check()?;
    raw.check_video_names()?;
    let vehicle = interner.vehicle(raw.vehicle.as_ref().ok_or_else(|| invalid("'driverId' is missing"))?)?;
    let session = raw.session.as_ref().map(|s| interner.session(s)).transpose()?;
    let timestamp = source_time(raw, now, limits)?;
    let text = &raw.frame_data.as_ref().ok_or_else(|| invalid("'frameData' is missing"))?;
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
    let error = match body_of(text, body, now, limits, interner, &BareWords::default()) {
        Err(error) if error.code == ErrorCode::InvalidJson => error,
        decided => return decided,
    };
    let Some((text, words)) = BareWords::replace(text) else { return Err(error) };
    let body = Bytes::from(text);
    body_of(utf8(&body)?, &body, now, limits, interner, &words).map_err(|_| error)
}

/// A sample, a batch, or a bare list of samples.
fn body_of(
    text: &str,
    payload: &Bytes,
    now: Timestamp,
    limits: &Limits,
    interner: &mut Interner,
    words: &BareWords,
) -> Result<TelemetryFrame, ProtocolError> {
    if text.trim_start().starts_with('[') {
        let list: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| json_error(&e))?;
        return samples(&list, payload, now, limits, interner, words);
    }
    let raw = object(text, "a sample is a JSON object, several are a list of them or {\"batch\": [...]}")?;
    telemetry(&raw, text, payload, now, limits, interner, words)
}

pub(super) fn decode_video_body(
    body: &Bytes,
    now: Timestamp,
    limits: &Limits,
    interner: &mut Interner,
) -> Result<VideoUpload, ProtocolError> {
    let raw = object(utf8(body)?, "a video frame is a JSON object")?;
    video(&raw, now, limits, interner)
}
