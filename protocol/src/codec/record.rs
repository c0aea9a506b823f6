//! A [`SampleBatch`] as one journal record and back.
//!
//! The first byte is the version; the rest is an rkyv archive, checked on reading. What came as JSON
//! is kept as it was sent and flattened again on reading; what came as signals is kept as columns,
//! with every id and name once per record.

use std::collections::HashMap;

use bytes::Bytes;
use rkyv::{
    Archive, Deserialize, Serialize,
    rancor::{Error, Failure},
};

use super::{
    flatten::flatten,
    intern::Interner,
    numbering::{self, Numbering},
};
use crate::{
    error::{ErrorCode, ProtocolError},
    id::PublisherId,
    limits::Limits,
    sample::{Sample, SampleBatch},
    signal::{Quality, Signal, SignalName, SignalValue},
    time::Timestamp,
};

/// The version of a record without offsets. A reader refuses versions it does not know.
const VERSION: u8 = 1;

/// Samples of one record mostly share a shape; only so many earlier shapes are compared.
const SHAPES_COMPARED: usize = 8;

const NUMBER: u8 = 0;
const BOOL: u8 = 1;
const TEXT: u8 = 2;

/// Names and kinds of a sample's signals, in order.
#[derive(Archive, Serialize, Deserialize, Default, PartialEq)]
struct Shape {
    names: Vec<u32>,
    kinds: Vec<u8>,
}

#[derive(Archive, Serialize, Deserialize)]
struct RecordSample {
    vehicle: u32,
    session: Option<u32>,
    fleet: Option<u32>,
    seq: Option<u64>,
    source_us: i64,
    received_us: i64,
    quality: u8,
    body: Body,
}

#[derive(Archive, Serialize, Deserialize)]
enum Body {
    /// Place in `shapes`; the values are next in `numbers` and `texts`.
    Shape(u32),
    /// Length of the JSON, next in `raw`.
    Raw(u32),
}

#[derive(Archive, Serialize, Deserialize, Default)]
struct Record {
    publisher: Option<String>,
    max_seq: Option<u64>,
    strings: Vec<String>,
    shapes: Vec<Shape>,
    samples: Vec<RecordSample>,
    numbers: Vec<f64>,
    texts: Vec<u32>,
    raw: Vec<u8>,
}

/// What a record says without unpacking its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// Who sent it.
    pub publisher: Option<PublisherId>,
    /// The highest `seq` in it.
    pub max_seq: Option<u64>,
    /// How many samples it holds.
    pub samples: usize,
}

/// Packs `batch` as a journal record.
///
/// A sample with `raw` is kept as that JSON alone: its signals must be what the JSON flattens to.
pub fn encode_record(batch: &SampleBatch) -> Vec<u8> {
    encode_numbered_record(batch, &[])
}

/// Packs `batch` with the offsets its samples have on their channels: one entry for each vehicle, in
/// order of first appearance. Without entries it is [`encode_record`].
pub fn encode_numbered_record(batch: &SampleBatch, numbering: &[Numbering]) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.record.publisher = batch.publisher.as_ref().map(ToString::to_string);
    packer.record.max_seq = batch.samples.iter().filter_map(|s| s.seq).max();
    packer.record.samples.reserve(batch.samples.len());
    for sample in &batch.samples {
        packer.push(sample);
    }
    let mut out = Vec::new();
    if numbering.is_empty() {
        out.push(VERSION);
    } else {
        numbering::put(numbering, &mut out);
    }
    // Serialising plain owned data into memory has no way to fail but running out of memory.
    if let Ok(archive) = rkyv::to_bytes::<Error>(&packer.record) {
        out.reserve_exact(archive.len());
        out.extend_from_slice(&archive);
    }
    out
}

#[derive(Default)]
struct Packer<'a> {
    record: Record,
    places: HashMap<&'a str, u32>,
    /// Signals of the sample that last had a shape, and that shape.
    last: Option<(&'a [Signal], u32)>,
    /// The sample before, and the places of its vehicle, session and fleet: mostly the same again.
    before: Option<(&'a Sample, Ids)>,
}

/// Places of a sample's vehicle, session and fleet.
type Ids = (u32, Option<u32>, Option<u32>);

impl<'a> Packer<'a> {
    fn place(&mut self, text: &'a str) -> u32 {
        *self.places.entry(text).or_insert_with(|| {
            self.record.strings.push(text.to_owned());
            (self.record.strings.len() - 1) as u32
        })
    }

    fn ids(&mut self, sample: &'a Sample) -> Ids {
        if let Some((before, ids)) = self.before
            && (&before.vehicle, &before.session, &before.fleet) == (&sample.vehicle, &sample.session, &sample.fleet)
        {
            return ids;
        }
        let vehicle = self.place(&sample.vehicle);
        let session = sample.session.as_deref().map(|s| self.place(s));
        let fleet = sample.fleet.as_deref().map(|s| self.place(s));
        self.before = Some((sample, (vehicle, session, fleet)));
        (vehicle, session, fleet)
    }

    fn push(&mut self, sample: &'a Sample) {
        let (vehicle, session, fleet) = self.ids(sample);
        let body = if let Some(raw) = &sample.raw {
            self.record.raw.extend_from_slice(raw);
            Body::Raw(raw.len() as u32)
        } else {
            let shape = self.shape(&sample.signals);
            for signal in &sample.signals {
                match &signal.value {
                    SignalValue::Number(n) => self.record.numbers.push(*n),
                    SignalValue::Bool(b) => self.record.numbers.push(f64::from(u8::from(*b))),
                    SignalValue::Text(t) => {
                        let place = self.place(t);
                        self.record.texts.push(place);
                    }
                }
            }
            Body::Shape(shape)
        };
        self.record.samples.push(RecordSample {
            vehicle,
            session,
            fleet,
            seq: sample.seq,
            source_us: sample.source_time.micros(),
            received_us: sample.received_at.micros(),
            quality: sample.quality as u8,
            body,
        });
    }

    fn shape(&mut self, signals: &'a [Signal]) -> u32 {
        // Decoders share names, so the usual next sample is recognised by pointers alone.
        if let Some((last, shape)) = self.last
            && last.len() == signals.len()
            && last.iter().zip(signals).all(|(a, b)| SignalName::ptr_eq(&a.name, &b.name) && kind(a) == kind(b))
        {
            self.last = Some((signals, shape));
            return shape;
        }
        let shape = Shape { names: signals.iter().map(|s| self.place(&s.name)).collect(), kinds: signals.iter().map(kind).collect() };
        let shapes = &mut self.record.shapes;
        let from = shapes.len().saturating_sub(SHAPES_COMPARED);
        let known = shapes[from..].iter().position(|s| *s == shape).map(|at| from + at);
        let index = known.unwrap_or_else(|| {
            shapes.push(shape);
            shapes.len() - 1
        }) as u32;
        self.last = Some((signals, index));
        index
    }
}

const fn kind(signal: &Signal) -> u8 {
    match signal.value {
        SignalValue::Number(_) => NUMBER,
        SignalValue::Bool(_) => BOOL,
        SignalValue::Text(_) => TEXT,
    }
}

/// Reads records. Keeps the names it has seen, so a long read allocates little.
#[derive(Debug)]
pub struct RecordDecoder {
    interner: Interner,
    aligned: rkyv::util::AlignedVec,
    /// What was taken once is read back whatever today's limits are.
    limits: Limits,
}

impl Default for RecordDecoder {
    fn default() -> Self {
        let limits =
            Limits { max_depth: 128, max_signals: usize::MAX, max_name_bytes: usize::MAX, max_text_bytes: usize::MAX, ..Limits::default() };
        Self { interner: Interner::default(), aligned: rkyv::util::AlignedVec::new(), limits }
    }
}

pub(super) fn broken(why: impl std::fmt::Display) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidArchive, format!("not a journal record: {why}"))
}

impl RecordDecoder {
    /// Unpacks a record.
    ///
    /// Fails with [`ErrorCode::InvalidArchive`] where the version is unknown or the bytes are no record.
    pub fn decode(&mut self, record: &[u8]) -> Result<SampleBatch, ProtocolError> {
        let Self { interner, aligned, limits } = self;
        let archived = access(aligned, record)?;
        let publisher = publisher(archived)?;
        let mut samples = Vec::with_capacity(archived.samples.len());
        let mut unpacker = Unpacker::new(archived, interner, limits);
        for sample in archived.samples.iter() {
            samples.push(unpacker.sample(sample)?);
        }
        Ok(SampleBatch { publisher, samples })
    }

    /// Unpacks a record with the offsets it tells; none where it was written without. Fails as
    /// [`RecordDecoder::decode`].
    pub fn decode_numbered(&mut self, record: &[u8]) -> Result<(SampleBatch, Vec<Numbering>), ProtocolError> {
        let numbering = numbering::read(split(record)?.0);
        Ok((self.decode(record)?, numbering))
    }

    /// Reads who sent a record and up to which number. Fails as [`RecordDecoder::decode`].
    pub fn head(&mut self, record: &[u8]) -> Result<RecordHead, ProtocolError> {
        let archived = access(&mut self.aligned, record)?;
        Ok(RecordHead {
            publisher: publisher(archived)?,
            max_seq: archived.max_seq.as_ref().map(|s| s.to_native()),
            samples: archived.samples.len(),
        })
    }
}

/// Splits a record into its offsets and its archive.
fn split(record: &[u8]) -> Result<(&[u8], &[u8]), ProtocolError> {
    match record.split_first().ok_or_else(|| broken("it is empty"))? {
        (&VERSION, archive) => Ok((&[], archive)),
        (&numbering::VERSION, rest) => numbering::take(rest),
        (version, _) => Err(broken(format_args!("version {version} is unknown, {VERSION} and {} are read", numbering::VERSION))),
    }
}

fn access<'a>(aligned: &'a mut rkyv::util::AlignedVec, record: &[u8]) -> Result<&'a ArchivedRecord, ProtocolError> {
    let (_, archive) = split(record)?;
    aligned.clear();
    aligned.extend_from_slice(archive);
    rkyv::access::<ArchivedRecord, Failure>(aligned).map_err(|_| broken("the archive is damaged"))
}

fn publisher(archived: &ArchivedRecord) -> Result<Option<PublisherId>, ProtocolError> {
    archived.publisher.as_ref().map(|p| PublisherId::new(p)).transpose()
}

struct Unpacker<'a> {
    record: &'a ArchivedRecord,
    interner: &'a mut Interner,
    limits: &'a Limits,
    /// Names already interned, by place.
    names: Vec<Option<SignalName>>,
    numbers: usize,
    texts: usize,
    raw: usize,
}

impl<'a> Unpacker<'a> {
    fn new(record: &'a ArchivedRecord, interner: &'a mut Interner, limits: &'a Limits) -> Self {
        Self { record, interner, limits, names: vec![None; record.strings.len()], numbers: 0, texts: 0, raw: 0 }
    }

    fn string(&self, place: rkyv::rend::u32_le) -> Result<&'a str, ProtocolError> {
        let text = self.record.strings.get(place.to_native() as usize);
        text.map(rkyv::string::ArchivedString::as_str).ok_or_else(|| broken("a string is missing"))
    }

    fn sample(&mut self, sample: &ArchivedRecordSample) -> Result<Sample, ProtocolError> {
        let vehicle = self.string(sample.vehicle)?;
        let vehicle = self.interner.vehicle(vehicle)?;
        let session = match sample.session.as_ref() {
            Some(place) => Some(self.interner.session(self.string(*place)?)?),
            None => None,
        };
        let fleet = match sample.fleet.as_ref() {
            Some(place) => Some(self.interner.fleet(self.string(*place)?)?),
            None => None,
        };
        let (signals, raw) = match &sample.body {
            ArchivedBody::Shape(shape) => (self.signals(shape.to_native() as usize)?, None),
            ArchivedBody::Raw(len) => self.json(len.to_native() as usize)?,
        };
        Ok(Sample {
            vehicle,
            session,
            fleet,
            seq: sample.seq.as_ref().map(|s| s.to_native()),
            source_time: Timestamp::from_micros(sample.source_us.to_native()),
            received_at: Timestamp::from_micros(sample.received_us.to_native()),
            quality: quality(sample.quality),
            signals,
            raw,
        })
    }

    fn json(&mut self, len: usize) -> Result<(Vec<Signal>, Option<Bytes>), ProtocolError> {
        let end = self.raw.checked_add(len).filter(|end| *end <= self.record.raw.len());
        let bytes = &self.record.raw[self.raw..end.ok_or_else(|| broken("JSON is missing"))?];
        self.raw += len;
        let text = std::str::from_utf8(bytes).map_err(|_| broken("JSON is not UTF-8"))?;
        Ok((flatten(text, self.limits, self.interner)?, Some(Bytes::copy_from_slice(bytes))))
    }

    fn signals(&mut self, shape: usize) -> Result<Vec<Signal>, ProtocolError> {
        let shape = self.record.shapes.get(shape).ok_or_else(|| broken("a shape is missing"))?;
        if shape.names.len() != shape.kinds.len() {
            return Err(broken("a shape is uneven"));
        }
        let mut signals = Vec::with_capacity(shape.names.len());
        for (place, kind) in shape.names.iter().zip(shape.kinds.iter()) {
            let name = self.name(*place)?;
            let value = match *kind {
                NUMBER => SignalValue::Number(self.number()?),
                BOOL => SignalValue::Bool(self.number()? != 0.0),
                TEXT => SignalValue::Text(self.text()?.into()),
                other => return Err(broken(format_args!("value kind {other} is unknown"))),
            };
            signals.push(Signal { name, value });
        }
        Ok(signals)
    }

    fn name(&mut self, place: rkyv::rend::u32_le) -> Result<SignalName, ProtocolError> {
        let text = self.string(place)?;
        let slot = &mut self.names[place.to_native() as usize];
        Ok(slot.get_or_insert_with(|| self.interner.name(text)).clone())
    }

    fn number(&mut self) -> Result<f64, ProtocolError> {
        let number = self.record.numbers.get(self.numbers).ok_or_else(|| broken("a number is missing"))?.to_native();
        self.numbers += 1;
        if number.is_finite() { Ok(number) } else { Err(broken("a number is not finite")) }
    }

    fn text(&mut self) -> Result<&'a str, ProtocolError> {
        let place = *self.record.texts.get(self.texts).ok_or_else(|| broken("a text is missing"))?;
        self.texts += 1;
        self.string(place)
    }
}

const fn quality(code: u8) -> Quality {
    match code {
        0..64 => Quality::Bad,
        64..192 => Quality::Uncertain,
        192.. => Quality::Good,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{FleetId, SessionId, VehicleId, client::ClientFrame, codec::Decoder, codec::WireFormat};

    fn any_value() -> impl Strategy<Value = SignalValue> {
        prop_oneof![
            prop::num::f64::NORMAL.prop_map(SignalValue::Number),
            any::<bool>().prop_map(SignalValue::Bool),
            "\\PC{0,12}".prop_map(|t| SignalValue::Text(t.as_str().into())),
        ]
    }

    fn any_sample() -> impl Strategy<Value = Sample> {
        let ids = ("[A-Za-z0-9._-]{1,20}", prop::option::of("[a-z]{1,3}"), prop::option::of("[a-z]{1,3}"));
        let times = (any::<i64>(), any::<i64>());
        let quality = prop::sample::select(&[Quality::Bad, Quality::Uncertain, Quality::Good][..]);
        let signals = prop::collection::vec(("[a-c]{1,2}", any_value()), 0..8);
        (ids, any::<Option<u64>>(), times, quality, signals).prop_map(
            |((vehicle, session, fleet), seq, (source, received), quality, signals)| Sample {
                vehicle: VehicleId::new(&vehicle).unwrap(),
                session: session.map(|s| SessionId::new(&s).unwrap()),
                fleet: fleet.map(|s| FleetId::new(&s).unwrap()),
                seq,
                source_time: Timestamp::from_micros(source),
                received_at: Timestamp::from_micros(received),
                quality,
                signals: signals.into_iter().map(|(n, value)| Signal { name: n.as_str().into(), value }).collect(),
                raw: None,
            },
        )
    }

    #[test]
    fn json_is_kept_as_sent_and_flattened_again_on_reading() {
        let text = Bytes::from_static(
            br#"{"type":"telemetry","batch":[{"driverId":"a","fleetId":"f","seq":4,"data":{ "t":{"fl":[1,true,"x"]}}},{"driverId":"b","data":{"v":2}}]}"#,
        );
        let frame = Decoder::new(Limits::default()).decode(WireFormat::Json, &text, Timestamp::from_millis(1_790_000_000_000)).unwrap();
        let ClientFrame::Telemetry(frame) = frame else { panic!() };
        let batch = SampleBatch { publisher: Some(PublisherId::new("relay-1").unwrap()), samples: frame.samples };
        let record = encode_record(&batch);
        assert_eq!(RecordDecoder::default().decode(&record).unwrap(), batch);
        let head = RecordDecoder::default().head(&record).unwrap();
        assert_eq!((head.publisher, head.max_seq, head.samples), (batch.publisher, Some(4), 2));
    }

    #[test]
    fn a_steady_stream_costs_less_than_twice_its_numbers() {
        let names: Vec<SignalName> = (0..20).map(|i| SignalName::from(format!("signal_{i}"))).collect();
        let signals = names.iter().map(|n| Signal { name: n.clone(), value: SignalValue::Number(1.5) }).collect();
        let sample = Sample {
            vehicle: VehicleId::new("ALB").unwrap(),
            session: None,
            fleet: None,
            seq: Some(1),
            source_time: Timestamp::from_micros(1),
            received_at: Timestamp::from_micros(2),
            quality: Quality::Good,
            signals,
            raw: None,
        };
        let batch = SampleBatch { publisher: None, samples: vec![sample; 64] };
        let bytes = encode_record(&batch).len();
        assert!(bytes < 64 * 20 * 8 * 2, "{bytes} bytes");
    }

    #[test]
    fn an_unknown_version_is_named() {
        let error = RecordDecoder::default().decode(&[9, 0, 0]).unwrap_err();
        assert!(error.message.contains("version 9"), "{}", error.message);
        assert_eq!(error.code, ErrorCode::InvalidArchive);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(samples in prop::collection::vec(any_sample(), 0..12), publisher in prop::option::of("[a-z]{1,9}")) {
            let batch = SampleBatch { publisher: publisher.map(|p| PublisherId::new(&p).unwrap()), samples };
            prop_assert_eq!(RecordDecoder::default().decode(&encode_record(&batch)).unwrap(), batch);
        }

        #[test]
        fn offsets_travel_with_the_record_and_cut_anywhere_it_is_refused(samples in prop::collection::vec(any_sample(), 0..3), places in prop::collection::vec(any::<(u64, u64, u32)>(), 1..5), cut in any::<prop::sample::Index>()) {
            let batch = SampleBatch { publisher: None, samples };
            let numbering: Vec<_> = places.into_iter().map(|(epoch, first, count)| Numbering { epoch, first, count }).collect();
            let record = encode_numbered_record(&batch, &numbering);
            prop_assert_eq!(RecordDecoder::default().decode_numbered(&record).unwrap(), (batch.clone(), numbering));
            prop_assert_eq!(RecordDecoder::default().decode_numbered(&encode_record(&batch)).unwrap(), (batch, vec![]));
            prop_assert!(RecordDecoder::default().decode_numbered(&record[..cut.index(record.len())]).is_err());
        }

        #[test]
        fn a_damaged_record_is_refused_or_read_but_never_trusted(samples in prop::collection::vec(any_sample(), 1..4), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut record = encode_record(&SampleBatch { publisher: None, samples });
            let at = at.index(record.len());
            record[at] ^= 1_u8 << bit;
            let _ = RecordDecoder::default().decode(&record);
        }
    }
}
