//! Binary frames: rkyv archives of [`WireClient`] and [`WireServer`], checked on arrival.

use rkyv::{
    Archive, Deserialize, Serialize,
    rancor::{Error, Failure},
};
use serde_json::{Value, json};

use super::{intern::Interner, json_in::check_source_time, json_out};
use crate::{
    client::{ClientFrame, Delivery, OnSlow, Refusal, RequestId, Since, SubscribeRequest, TelemetryFrame, VideoUpload},
    error::{ErrorCode, ProtocolError},
    limits::Limits,
    sample::Sample,
    server::{Event, Reply},
    signal::{Quality, Signal, SignalName, SignalValue},
    storable,
    time::Timestamp,
};

/// A value in an archive.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum WireValue {
    /// A number.
    Number(f64),
    /// A switch.
    Bool(bool),
    /// Text.
    Text(String),
}

/// A signal in an archive; its name is a place in the frame's `strings`.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct WireSignal {
    /// Place of the flattened name in `strings`.
    pub name: u32,
    /// The value.
    pub value: WireValue,
}

/// A sample in an archive; its ids are places in the frame's `strings`.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct WireSample {
    /// Place of the vehicle id.
    pub vehicle: u32,
    /// Place of the session id.
    pub session: Option<u32>,
    /// Place of the fleet id.
    pub fleet: Option<u32>,
    /// The publisher's number.
    pub seq: Option<u64>,
    /// Source time, microseconds since the Unix epoch.
    pub timestamp_us: Option<i64>,
    /// Flattened values.
    pub signals: Vec<WireSignal>,
}

/// What a client sends in a binary frame.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum WireClient {
    /// Hear a channel.
    Subscribe {
        /// `kind:id` or `kind:*`.
        channel: String,
        /// Echoed.
        id: Option<u64>,
        /// Epoch and offset last heard.
        since: Option<(u64, u64)>,
        /// Only the newest.
        latest: bool,
        /// At most so many a second.
        max_rate: Option<f64>,
        /// Drop the oldest instead of the connection when slow.
        drop_oldest: bool,
    },
    /// Stop hearing a channel.
    Unsubscribe {
        /// Which.
        channel: String,
        /// Echoed.
        id: Option<u64>,
    },
    /// Samples.
    Telemetry {
        /// Ids and signal names, each once.
        strings: Vec<String>,
        /// The samples.
        samples: Vec<WireSample>,
    },
    /// A video frame.
    Video {
        /// Whose camera.
        vehicle: String,
        /// In which session.
        session: Option<String>,
        /// When it was taken, microseconds since the Unix epoch.
        timestamp_us: Option<i64>,
        /// The image file's bytes.
        image: Vec<u8>,
    },
    /// Are you there?
    Ping {
        /// Echoed.
        id: Option<u64>,
    },
    /// Self-description, JSON text.
    Config(String),
    /// A command to an agent: the JSON text it would be in a text frame.
    Rl {
        /// The text.
        command: String,
        /// Echoed.
        id: Option<u64>,
    },
}

/// What the server sends in a binary frame.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum WireServer {
    /// A sample.
    Telemetry {
        /// Channel.
        channel: String,
        /// Offset.
        offset: u64,
        /// Vehicle id.
        vehicle: String,
        /// Session id.
        session: Option<String>,
        /// Source time, microseconds since the Unix epoch.
        timestamp_us: i64,
        /// Receive time, microseconds since the Unix epoch.
        server_timestamp_us: i64,
        /// Flattened values.
        signals: Vec<(String, WireValue)>,
    },
    /// Any other message: the JSON text it would be in a text frame.
    Json(String),
}

fn put<T>(out: &mut Vec<u8>, value: &T)
where
    T: for<'a> Serialize<rkyv::api::high::HighSerializer<rkyv::util::AlignedVec, rkyv::ser::allocator::ArenaHandle<'a>, Error>>,
{
    // Serialising plain owned data into memory has no way to fail but running out of memory.
    if let Ok(bytes) = rkyv::to_bytes::<Error>(value) {
        out.extend_from_slice(&bytes);
    }
}

fn wire_value(value: &SignalValue) -> WireValue {
    match value {
        SignalValue::Number(n) => WireValue::Number(*n),
        SignalValue::Bool(b) => WireValue::Bool(*b),
        SignalValue::Text(t) => WireValue::Text(t.to_string()),
    }
}

pub(super) fn telemetry(out: &mut Vec<u8>, channel: &str, offset: u64, sample: &Sample) {
    let message = WireServer::Telemetry {
        channel: channel.to_owned(),
        offset,
        vehicle: sample.vehicle.to_string(),
        session: sample.session.as_ref().map(ToString::to_string),
        timestamp_us: sample.source_time.micros(),
        server_timestamp_us: sample.received_at.micros(),
        signals: sample.signals.iter().map(|s| (s.name.to_string(), wire_value(&s.value))).collect(),
    };
    put(out, &message);
}

pub(super) fn event(out: &mut Vec<u8>, channel: &str, offset: u64, event: &Event) {
    let mut text = Vec::with_capacity(256);
    json_out::event(&mut text, channel, offset, event);
    put_json(out, text);
}

pub(super) fn reply(out: &mut Vec<u8>, reply: &Reply) {
    let mut text = Vec::with_capacity(128);
    json_out::reply(&mut text, reply);
    put_json(out, text);
}

fn put_json(out: &mut Vec<u8>, text: Vec<u8>) {
    put(out, &WireServer::Json(String::from_utf8(text).unwrap_or_default()));
}

/// Places of strings, each stored once.
#[derive(Default)]
struct Dictionary<'a> {
    strings: Vec<String>,
    places: std::collections::HashMap<&'a str, u32>,
}

impl<'a> Dictionary<'a> {
    fn place(&mut self, text: &'a str) -> u32 {
        *self.places.entry(text).or_insert_with(|| {
            self.strings.push(text.to_owned());
            (self.strings.len() - 1) as u32
        })
    }
}

pub(super) fn encode_client_telemetry(samples: &[Sample]) -> Vec<u8> {
    let mut dictionary = Dictionary::default();
    let mut wire: Vec<WireSample> = Vec::with_capacity(samples.len());
    let mut before: Option<&Sample> = None;
    for sample in samples {
        // The next sample is mostly the same vehicle's, with the same signals in the same order.
        let known = before.zip(wire.last());
        let ids = match known {
            Some((b, w)) if (&b.vehicle, &b.session, &b.fleet) == (&sample.vehicle, &sample.session, &sample.fleet) => {
                (w.vehicle, w.session, w.fleet)
            }
            _ => (
                dictionary.place(&sample.vehicle),
                sample.session.as_deref().map(|s| dictionary.place(s)),
                sample.fleet.as_deref().map(|s| dictionary.place(s)),
            ),
        };
        let mut signals = Vec::with_capacity(sample.signals.len());
        for (at, signal) in sample.signals.iter().enumerate() {
            let same =
                known.and_then(|(b, w)| b.signals.get(at).filter(|s| SignalName::ptr_eq(&s.name, &signal.name)).zip(w.signals.get(at)));
            let name = same.map_or_else(|| dictionary.place(&signal.name), |(_, w)| w.name);
            signals.push(WireSignal { name, value: wire_value(&signal.value) });
        }
        let (vehicle, session, fleet) = ids;
        wire.push(WireSample { vehicle, session, fleet, seq: sample.seq, timestamp_us: Some(sample.source_time.micros()), signals });
        before = Some(sample);
    }
    let mut out = Vec::new();
    put(&mut out, &WireClient::Telemetry { strings: dictionary.strings, samples: wire });
    out
}

impl WireClient {
    /// The payload of a binary frame.
    pub fn to_payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self);
        out
    }
}

fn invalid(message: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::ValidationError, message)
}

fn not_an_archive() -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidArchive, "a binary frame must hold an rkyv archive of a client message")
}

/// Decodes an aligned archive.
pub(super) fn decode(aligned: &[u8], now: Timestamp, limits: &Limits, interner: &mut Interner) -> Result<ClientFrame, ProtocolError> {
    let message = rkyv::access::<ArchivedWireClient, Failure>(aligned).map_err(|_| not_an_archive())?;
    Ok(match message {
        ArchivedWireClient::Telemetry { strings, samples } => ClientFrame::Telemetry(samples_in(strings, samples, now, limits, interner)?),
        ArchivedWireClient::Subscribe { channel, id, since, latest, max_rate, drop_oldest } => {
            let delivery = match max_rate.as_ref().map(|r| r.to_native()) {
                None if *latest => Delivery::Latest,
                None => Delivery::All,
                Some(hz) => Delivery::max_rate(hz)?,
            };
            ClientFrame::Subscribe(SubscribeRequest {
                channel: channel.parse()?,
                id: request_id(id.as_ref()),
                since: since.as_ref().map(|s| Since { epoch: s.0.to_native(), offset: s.1.to_native() }),
                delivery,
                on_slow: if *drop_oldest { OnSlow::DropOldest } else { OnSlow::Disconnect },
            })
        }
        ArchivedWireClient::Unsubscribe { channel, id } => {
            ClientFrame::Unsubscribe { channel: channel.parse()?, id: request_id(id.as_ref()) }
        }
        ArchivedWireClient::Video { vehicle, session, timestamp_us, image } => {
            let timestamp = timestamp_us.as_ref().map_or(now, |t| Timestamp::from_micros(t.to_native()));
            check_source_time(timestamp, now, limits)?;
            ClientFrame::Video(VideoUpload {
                vehicle: interner.vehicle(vehicle)?,
                session: session.as_ref().map(|s| interner.session(s)).transpose()?,
                timestamp,
                image: image.to_vec(),
            })
        }
        ArchivedWireClient::Ping { id } => ClientFrame::Ping { id: request_id(id.as_ref()) },
        ArchivedWireClient::Config(text) => ClientFrame::Config(text.to_string()),
        ArchivedWireClient::Rl { command, id } => {
            let (agent, command) = super::rl_in::command(command)?;
            ClientFrame::Rl { agent, command, id: request_id(id.as_ref()) }
        }
    })
}

fn request_id(id: Option<&rkyv::rend::u64_le>) -> Option<RequestId> {
    id.map(|id| RequestId::from_number(id.to_native()))
}

type ArchivedStrings = rkyv::vec::ArchivedVec<rkyv::string::ArchivedString>;

fn samples_in(
    strings: &ArchivedStrings,
    samples: &rkyv::vec::ArchivedVec<ArchivedWireSample>,
    now: Timestamp,
    limits: &Limits,
    interner: &mut Interner,
) -> Result<TelemetryFrame, ProtocolError> {
    if samples.len() > limits.max_batch {
        return Err(ProtocolError::new(
            ErrorCode::BatchTooLarge,
            format!("{} samples in one batch; at most {} are taken", samples.len(), limits.max_batch),
        ));
    }
    let mut reader = SampleReader { strings, names: vec![None; strings.len()], now, limits, interner };
    let mut frame = TelemetryFrame { samples: Vec::with_capacity(samples.len()), refused: Vec::new() };
    for (index, archived) in samples.iter().enumerate() {
        let seq = archived.seq.as_ref().map(|s| s.to_native());
        match reader.sample(archived, seq) {
            Ok(sample) => frame.samples.push(sample),
            Err(error) => frame.refused.push(Refusal { index, seq, error }),
        }
    }
    Ok(frame)
}

struct SampleReader<'a> {
    strings: &'a ArchivedStrings,
    /// Names already interned, by place.
    names: Vec<Option<crate::SignalName>>,
    now: Timestamp,
    limits: &'a Limits,
    interner: &'a mut Interner,
}

impl SampleReader<'_> {
    fn string(&self, place: u32) -> Result<&str, ProtocolError> {
        self.strings
            .get(place as usize)
            .map(rkyv::string::ArchivedString::as_str)
            .ok_or_else(|| invalid(format!("string {place} of {} does not exist", self.strings.len())))
    }

    fn name(&mut self, place: u32) -> Result<crate::SignalName, ProtocolError> {
        if let Some(Some(name)) = self.names.get(place as usize) {
            return Ok(name.clone());
        }
        let text = self.strings.get(place as usize).ok_or_else(|| invalid(format!("string {place} does not exist")))?;
        if text.len() > self.limits.max_name_bytes {
            return Err(invalid(format!("a signal name of more than {} bytes", self.limits.max_name_bytes)));
        }
        let name = self.interner.client_name(text)?;
        self.names[place as usize] = Some(name.clone());
        Ok(name)
    }

    fn sample(&mut self, archived: &ArchivedWireSample, seq: Option<u64>) -> Result<Sample, ProtocolError> {
        let vehicle = self.string(archived.vehicle.to_native())?.to_owned();
        let vehicle = self.interner.vehicle(&vehicle)?;
        let session = match archived.session.as_ref() {
            Some(place) => {
                let text = self.string(place.to_native())?.to_owned();
                Some(self.interner.session(&text)?)
            }
            None => None,
        };
        let fleet = match archived.fleet.as_ref() {
            Some(place) => {
                let text = self.string(place.to_native())?.to_owned();
                Some(self.interner.fleet(&text)?)
            }
            None => None,
        };
        let source_time = match archived.timestamp_us.as_ref() {
            Some(us) => {
                let time = Timestamp::from_micros(us.to_native());
                check_source_time(time, self.now, self.limits)?;
                time
            }
            None => self.now,
        };
        Ok(Sample {
            vehicle,
            session,
            fleet,
            seq,
            source_time,
            received_at: self.now,
            quality: Quality::Good,
            signals: self.signals(archived)?,
            raw: None,
        })
    }

    fn signals(&mut self, archived: &ArchivedWireSample) -> Result<Vec<Signal>, ProtocolError> {
        if archived.signals.len() > self.limits.max_signals {
            let max = self.limits.max_signals;
            return Err(ProtocolError::new(ErrorCode::TooManySignals, format!("more than {max} signals in one sample")));
        }
        let mut signals = Vec::with_capacity(archived.signals.len());
        for signal in archived.signals.iter() {
            let name = self.name(signal.name.to_native())?;
            let value = match &signal.value {
                ArchivedWireValue::Number(n) => {
                    let n = n.to_native();
                    if !n.is_finite() {
                        return Err(ProtocolError::new(
                            ErrorCode::InvalidNumber,
                            format!("'{name}' is {n}; only finite numbers are taken"),
                        ));
                    }
                    SignalValue::Number(n)
                }
                ArchivedWireValue::Bool(b) => SignalValue::Bool(*b),
                ArchivedWireValue::Text(t) if t.len() > self.limits.max_text_bytes => {
                    return Err(invalid(format!("'{name}' is text of more than {} bytes", self.limits.max_text_bytes)));
                }
                ArchivedWireValue::Text(t) => {
                    storable::check_text(&name, t)?;
                    SignalValue::Text(t.as_str().into())
                }
            };
            signals.push(Signal { name, value });
        }
        Ok(signals)
    }
}

/// Decodes a server's binary frame into the JSON value of the same message.
pub(super) fn decode_server(payload: &[u8]) -> Result<Value, ProtocolError> {
    let bad = || ProtocolError::new(ErrorCode::InvalidArchive, "not an rkyv archive of a server message");
    let mut aligned = rkyv::util::AlignedVec::<16>::with_capacity(payload.len());
    aligned.extend_from_slice(payload);
    match rkyv::from_bytes::<WireServer, Error>(&aligned).map_err(|_| bad())? {
        WireServer::Json(text) => serde_json::from_str(&text).map_err(|_| bad()),
        WireServer::Telemetry { channel, offset, vehicle, session, timestamp_us, server_timestamp_us, signals } => {
            let data = signals
                .into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        WireValue::Number(n) => json!(n),
                        WireValue::Bool(b) => json!(b),
                        WireValue::Text(t) => json!(t),
                    };
                    (name, value)
                })
                .collect::<serde_json::Map<_, _>>();
            Ok(json!({
                "type": "telemetry", "channel": channel, "offset": offset, "driverId": vehicle, "sessionId": session,
                "data": data,
                "timestamp": Timestamp::from_micros(timestamp_us).to_string(),
                "serverTimestamp": Timestamp::from_micros(server_timestamp_us).to_string(),
            }))
        }
    }
}
