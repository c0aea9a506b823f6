//! What must hold of every decoder here, whatever bytes it is given.
//!
//! One function a decoder, called by the fuzz targets in `fuzz/` and, with the corpus kept there, by
//! this crate's tests. Built for them alone. A property that does not hold is a panic.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a property says that it does not hold")]

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Limits, Sample, SampleBatch, SignalValue, Timestamp, WireFormat,
    client::{ClientFrame, DecodeError, Delivery, TelemetryFrame},
    codec::{Decoder, RecordDecoder, decode_server, encode_record, encode_telemetry},
};

/// When the door receives everything: 2026-09-21.
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A sample that is good whatever stands beside it.
const GOOD: &str = r#"{"driverId":"good","seq":7,"data":{"v":1}}"#;

/// A text frame, and the bodies of `POST /api/telemetry` and `POST /api/video`.
pub fn json_frames(data: &[u8]) {
    let payload = Bytes::copy_from_slice(data);
    let mut decoder = Decoder::new(Limits::default());
    check(&mut decoder, decode_as(WireFormat::Json, &payload));
    if let Ok(frame) = decoder.decode_telemetry_body(&payload, NOW) {
        check_telemetry(&mut decoder, &frame);
    }
    let _ = decoder.decode_video_body(&payload, NOW);
    let _ = decode_server(WireFormat::Json, data);
    // Deeper values than the reader follows spoil the frame as a whole.
    let nesting = data.iter().filter(|b| matches!(b, b'[' | b'{')).count();
    if nesting < 64
        && let Ok(text) = std::str::from_utf8(data)
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    {
        good_ones_survive(&mut decoder, text);
    }
}

/// A binary frame of a client, and one of the server.
pub fn rkyv_frames(data: &[u8]) {
    let payload = Bytes::copy_from_slice(data);
    let mut decoder = Decoder::new(Limits::default());
    check(&mut decoder, decode_as(WireFormat::Rkyv, &payload));
    if let Ok(message) = decode_server(WireFormat::Rkyv, data) {
        assert!(message.to_string().len() <= 64 + data.len() * 64, "an answer is not much larger than its frame");
    }
}

/// A journal record.
pub fn journal_records(data: &[u8]) {
    let mut decoder = RecordDecoder::default();
    let head = decoder.head(data);
    let Ok(batch) = decoder.decode(data) else { return };
    let head = head.expect("what can be read has a head that can be read");
    assert_eq!((&head.publisher, head.samples), (&batch.publisher, batch.samples.len()));
    let again = decoder.decode(&encode_record(&batch)).expect("what was read can be written and read again");
    assert_eq!(again, batch);
}

/// A decoder without a past, as on a new connection.
fn decode_as(format: WireFormat, payload: &Bytes) -> Result<ClientFrame, DecodeError> {
    Decoder::new(Limits::default()).decode(format, payload, NOW)
}

fn check(decoder: &mut Decoder, decoded: Result<ClientFrame, DecodeError>) {
    let id = match decoded {
        Err(DecodeError { id, error, .. }) => {
            assert!(!error.message.is_empty(), "{:?} says nothing", error.code);
            id
        }
        Ok(ClientFrame::Telemetry(frame)) => {
            check_telemetry(decoder, &frame);
            None
        }
        Ok(ClientFrame::Subscribe(request)) => {
            assert_eq!(request.channel.to_string().parse(), Ok(request.channel));
            if let Delivery::MaxRate(hz) = request.delivery {
                let every = Duration::try_from_secs_f64(1.0 / hz).expect("the interval of a rate is a duration");
                assert!(every < Duration::from_secs(1 << 30), "nobody waits for {every:?}");
            }
            request.id
        }
        Ok(ClientFrame::Unsubscribe { channel, id }) => {
            assert_eq!(channel.to_string().parse(), Ok(channel));
            id
        }
        Ok(ClientFrame::Ping { id } | ClientFrame::Rl { id, .. }) => id,
        Ok(ClientFrame::Video(_) | ClientFrame::Config(_)) => None,
    };
    if let Some(id) = id {
        // It is echoed as it is within a JSON answer.
        assert!(serde_json::from_str::<serde_json::Value>(id.as_json()).is_ok(), "{}", id.as_json());
    }
}

fn check_telemetry(decoder: &mut Decoder, frame: &TelemetryFrame) {
    let limits = Limits::default();
    assert!(frame.samples.len() + frame.refused.len() <= limits.max_batch);
    assert!(frame.refused.windows(2).all(|w| w[0].index < w[1].index), "refusals are told in order");
    for sample in &frame.samples {
        assert!(sample.signals.len() <= limits.max_signals);
        assert!(sample.source_time <= NOW.plus(limits.max_future));
        assert_eq!(crate::storable::check(sample), Ok(()));
        for signal in &sample.signals {
            assert!(signal.name.len() <= limits.max_name_bytes);
            match &signal.value {
                SignalValue::Number(number) => assert!(number.is_finite()),
                SignalValue::Text(text) => assert!(text.len() <= limits.max_text_bytes),
                SignalValue::Bool(_) => {}
            }
        }
    }
    if !frame.samples.is_empty() {
        reads_back(decoder, &frame.samples);
    }
}

/// What was taken, a relay agent could have sent in either format, and the journal can keep.
fn reads_back(decoder: &mut Decoder, samples: &[Sample]) {
    for format in WireFormat::ALL {
        let payload = Bytes::from(encode_telemetry(format, samples));
        if payload.len() > decoder.limits().max_frame_bytes {
            continue;
        }
        let Ok(ClientFrame::Telemetry(again)) = decoder.decode(format, &payload, NOW) else {
            panic!("{format:?}: no telemetry frame any more")
        };
        assert_eq!(again.refused, []);
        assert_eq!(again.samples.len(), samples.len());
        for (sample, again) in samples.iter().zip(&again.samples) {
            assert_eq!((&again.vehicle, &again.session, &again.fleet), (&sample.vehicle, &sample.session, &sample.fleet));
            assert_eq!((again.seq, &again.signals), (sample.seq, &sample.signals), "{format:?}");
            // The text form has milliseconds.
            assert_eq!(again.source_time.millis(), sample.source_time.millis(), "{format:?}");
        }
    }
    let batch = SampleBatch { publisher: None, samples: samples.to_vec() };
    assert_eq!(RecordDecoder::default().decode(&encode_record(&batch)).as_ref(), Ok(&batch));
}

/// Any JSON value in a batch costs the samples beside it nothing.
fn good_ones_survive(decoder: &mut Decoder, between: &str) {
    let text = format!(r#"{{"type":"telemetry","batch":[{GOOD},{between},{GOOD}]}}"#);
    let Ok(ClientFrame::Telemetry(frame)) = decoder.decode(WireFormat::Json, &Bytes::from(text), NOW) else {
        panic!("one value in a batch spoils the frame")
    };
    assert_eq!(frame.samples.len() + frame.refused.len(), 3);
    for good in [frame.samples.first(), frame.samples.last()] {
        let good = good.expect("there are two good samples at least");
        assert_eq!((good.vehicle.as_str(), good.seq, good.number("v")), ("good", Some(7), Some(1.0)));
    }
}

/// What the fuzzer found worth keeping, and damaged copies of it, keep to the properties.
#[cfg(test)]
mod corpus {
    use slipstream_corpus::replay;

    #[test]
    fn json_frames() {
        replay("json_frames", super::json_frames);
    }

    #[test]
    fn rkyv_frames() {
        replay("rkyv_frames", super::rkyv_frames);
    }

    #[test]
    fn journal_records() {
        replay("journal_records", super::journal_records);
    }
}
