use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    Quality, SessionId, Signal, SignalValue, VehicleId,
    client::{Delivery, OnSlow, RequestId},
    server::Event,
};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn decode(text: &str) -> Result<ClientFrame, DecodeError> {
    Decoder::new(Limits::default()).decode(WireFormat::Json, &Bytes::copy_from_slice(text.as_bytes()), NOW)
}

fn code(text: &str) -> ErrorCode {
    decode(text).unwrap_err().error.code
}

fn telemetry(text: &str) -> crate::client::TelemetryFrame {
    match decode(text).unwrap() {
        ClientFrame::Telemetry(frame) => frame,
        other => panic!("not telemetry: {other:?}"),
    }
}

fn sample() -> Sample {
    Sample {
        vehicle: VehicleId::new("ALB").unwrap(),
        session: Some(SessionId::new("q1").unwrap()),
        fleet: None,
        seq: Some(7),
        source_time: Timestamp::from_millis(1_789_999_999_123),
        received_at: NOW,
        quality: Quality::Good,
        signals: vec![
            Signal { name: "speed_mps".into(), value: SignalValue::Number(78.25) },
            Signal { name: "drs".into(), value: SignalValue::Bool(true) },
            Signal { name: "flag".into(), value: SignalValue::Text("\"green\"\n".into()) },
        ],
        raw: None,
    }
}

#[test]
fn a_subscription_is_read_with_all_its_fields() {
    let text = r#"{"type":"subscribe","channel":"telemetry:ALB","id":"r1","since":{"epoch":3,"offset":9},"delivery":{"max_rate":5},"on_slow":"drop_oldest"}"#;
    let ClientFrame::Subscribe(request) = decode(text).unwrap() else { panic!() };
    assert_eq!(request.channel.to_string(), "telemetry:ALB");
    assert_eq!(request.id.unwrap().as_json(), "\"r1\"");
    assert_eq!(request.since.map(|s| (s.epoch, s.offset)), Some((3, 9)));
    assert_eq!((request.delivery, request.on_slow), (Delivery::MaxRate(5.0), OnSlow::DropOldest));
}

#[test]
fn a_message_frame_is_unwrapped_once_and_only_once() {
    assert!(matches!(decode(r#"{"type":"message","data":{"type":"ping","id":1}}"#), Ok(ClientFrame::Ping { .. })));
    assert_eq!(code(r#"{"type":"message","data":{"type":"message","data":{"type":"ping"}}}"#), ErrorCode::UnknownType);
}

/// Found by fuzzing: half a surrogate pair passes as raw JSON, and the answer that echoed it was not JSON.
#[test]
fn a_request_id_that_no_reader_takes_is_not_echoed() {
    for id in [r#""\ud800""#, "1e999"] {
        let ClientFrame::Ping { id } = decode(&format!(r#"{{"type":"ping","id":{id}}}"#)).unwrap() else { panic!() };
        assert_eq!(id, None);
    }
}

/// An interval longer than time itself made the actor that computed it panic.
#[test]
fn a_rate_so_low_that_nobody_waits_for_it_is_refused() {
    for (hz, taken) in [("1e-300", false), ("0.0009", false), ("0.001", true), ("10000", true), ("10001", false), ("-1", false)] {
        let text = format!(r#"{{"type":"subscribe","channel":"ai:1","delivery":{{"max_rate":{hz}}}}}"#);
        assert_eq!(decode(&text).is_ok(), taken, "{hz}");
        let archive = WireClient::Subscribe {
            channel: "ai:1".into(),
            id: None,
            since: None,
            latest: false,
            max_rate: hz.parse().ok(),
            drop_oldest: false,
        };
        let decoded = Decoder::new(Limits::default()).decode(WireFormat::Rkyv, &archive.to_payload().into(), NOW);
        assert_eq!(decoded.is_ok(), taken, "{hz}");
    }
}

#[test]
fn a_refused_frame_is_named_by_the_number_its_sender_gave_it() {
    for text in [r#"{"type":"teleport","seq":7}"#, r#"{"seq":7,"data":{}}"#, r#"{"type":"subscribe","seq":7}"#] {
        let refused = Decoder::new(Limits::default()).decode(WireFormat::Json, &Bytes::from_static(text.as_bytes()), NOW).unwrap_err();
        assert_eq!(refused.seq, Some(7), "{text}");
    }
}

#[test]
fn each_kind_of_bad_frame_has_its_code_and_keeps_the_request_id() {
    assert_eq!(code("{"), ErrorCode::InvalidJson);
    assert_eq!(code("[]"), ErrorCode::ValidationError);
    assert_eq!(code(r#"{"type":"dance"}"#), ErrorCode::UnknownType);
    assert_eq!(code(r#"{"channel":"x"}"#), ErrorCode::ValidationError);
    assert_eq!(code(r#"{"type":"subscribe","channel":"weather:1"}"#), ErrorCode::UnknownChannel);
    assert_eq!(code(r#"{"type":"video","driverId":"a","frameData":"%%"}"#), ErrorCode::InvalidBase64);
    assert_eq!(code(r#"{"type":"subscribe","channel":"ai:1","delivery":{"max_rate":0}}"#), ErrorCode::ValidationError);
    let error = decode(r#"{"type":"subscribe","channel":7,"id":42}"#).unwrap_err();
    assert_eq!((error.id.unwrap().as_json(), error.error.code), ("42", ErrorCode::ValidationError));
    let mut decoder = Decoder::new(Limits { max_frame_bytes: 10, ..Limits::default() });
    let long = Bytes::from_static(b"{\"type\":\"ping\"}");
    assert_eq!(decoder.decode(WireFormat::Json, &long, NOW).unwrap_err().error.code, ErrorCode::TooLarge);
    let broken = Bytes::from_static(b"\xff\xfe");
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.decode(WireFormat::Json, &broken, NOW).unwrap_err().error.code, ErrorCode::InvalidUtf8);
    assert_eq!(decoder.decode(WireFormat::Rkyv, &broken, NOW).unwrap_err().error.code, ErrorCode::InvalidArchive);
}

#[test]
fn a_bad_sample_in_a_batch_costs_the_good_ones_nothing() {
    let frame = telemetry(
        r#"{"type":"telemetry","batch":[
            {"driverId":"a","seq":1,"data":{"v":1}},
            {"driverId":"a\u0007b","seq":2,"data":{"v":1}},
            {"driverId":"a","seq":3,"data":7},
            {"driverId":"a","seq":4,"timestamp":"1971-01-01T00:00:00Z","data":{"v":1}},
            {"driverId":"a","seq":5,"timestamp":"2999-01-01T00:00:00Z","data":{"v":1}},
            {"driverId":"a","seq":6,"data":{"v":1e999}},
            {"driverId":"a","seq":"x","data":{"v":1}},
            {"vehicleId":"b","seq":8,"timestamp":"2026-07-17T12:34:56.789Z","data":{"v":{"w":[1,null,"t"]}}}
        ]}"#,
    );
    assert_eq!(frame.samples.iter().map(|s| s.seq).collect::<Vec<_>>(), [Some(1), Some(8)]);
    assert_eq!(frame.samples[1].number("v.w.0"), Some(1.0));
    let refused: Vec<_> = frame.refused.iter().map(|r| (r.index, r.seq, r.error.code)).collect();
    assert_eq!(
        refused,
        [
            (1, Some(2), ErrorCode::ValidationError),
            (2, Some(3), ErrorCode::ValidationError),
            (3, Some(4), ErrorCode::TimestampOutOfRange),
            (4, Some(5), ErrorCode::TimestampOutOfRange),
            (5, Some(6), ErrorCode::InvalidNumber),
            (6, None, ErrorCode::ValidationError),
        ]
    );
}

fn body(text: &str) -> Result<crate::client::TelemetryFrame, ProtocolError> {
    Decoder::new(Limits::default()).decode_telemetry_body(&Bytes::copy_from_slice(text.as_bytes()), NOW)
}

/// What is said of the one sample in `text`.
fn refusal(text: &str) -> String {
    let mut refused = body(text).unwrap().refused;
    assert_eq!(refused.len(), 1, "{text}");
    refused.remove(0).error.message
}

#[test]
fn a_misspelt_field_is_named_with_the_one_that_was_meant() {
    for (given, meant) in
        [("sessionID", "sessionId"), ("sesionId", "sessionId"), ("session", "sessionId"), ("fleet", "fleetId"), ("ts", "timestamp")]
    {
        let message = refusal(&format!(r#"{{"driverId":"a","{given}":"q1","data":{{"v":1}}}}"#));
        assert_eq!(message, format!("unknown field '{given}', did you mean '{meant}'?"));
        let batch = format!(
            r#"{{"type":"telemetry","batch":[{{"driverId":"a","{given}":"q1","seq":4,"data":{{"v":1}}}},{{"driverId":"a","data":{{"v":1}}}}]}}"#
        );
        let frame = telemetry(&batch);
        assert_eq!((frame.samples.len(), frame.refused[0].index, frame.refused[0].seq), (1, 0, Some(4)), "{given}");
    }
    assert!(refusal(r#"{"driver":"a","data":{"v":1}}"#).contains("'driverId'"));
}

#[test]
fn other_fields_beside_those_of_a_sample_are_passed_over() {
    for extra in [
        r#""lap":3"#,
        r#""source":"can0""#,
        r#""vehicle":{"make":"x"}"#,
        r#""session_id":"q1","sessionId":"q1""#,
        r#""time":5,"timestamp":1789999999"#,
    ] {
        let frame = body(&format!(r#"{{"driverId":"a",{extra},"data":{{"v":1}}}}"#)).unwrap();
        assert_eq!((frame.samples.len(), frame.refused.len()), (1, 0), "{extra}: {:?}", frame.refused);
    }
}

#[test]
fn a_misspelt_field_of_a_subscription_is_refused_and_one_of_the_clients_own_is_not() {
    for (field, meant) in [
        (r#""delivry":"latest""#, "delivery"),
        (r#""onSlow":"drop_oldest""#, "on_slow"),
        (r#""sinse":{"epoch":1,"offset":2}"#, "since"),
        (r#""max_rate":5"#, "delivery"),
        (r#""epoch":1,"offset":2"#, "since"),
    ] {
        let refused = decode(&format!(r#"{{"type":"subscribe","channel":"telemetry:a","id":3,{field}}}"#)).unwrap_err();
        assert!(refused.error.message.contains(&format!("did you mean '{meant}'?")), "{}", refused.error.message);
        assert_eq!(refused.id, Some(RequestId::from_number(3)));
    }
    assert!(decode(r#"{"type":"unsubscribe","chanel":"telemetry:a"}"#).unwrap_err().error.message.contains("did you mean 'channel'?"));
    decode(r#"{"type":"subscribe","channel":"telemetry:a","panel":4,"session":{"tab":1}}"#).unwrap();
}

#[test]
fn a_frame_that_is_no_json_is_refused_by_its_number() {
    let refused = decode(r#"{"type":"telemetry","seq":9,"driverId":"a","data":{"v":1}"#).unwrap_err();
    assert_eq!((refused.error.code, refused.seq), (ErrorCode::InvalidJson, Some(9)));
    assert_eq!(decode("[5]").unwrap_err().id, None);
}

#[test]
fn of_a_name_given_twice_in_one_sample_both_values_arrive_in_their_order() {
    let frame = body(r#"{"driverId":"a","data":{"a":{"b":1},"v":2,"a.b":3}}"#).unwrap();
    let values: Vec<_> = frame.samples[0].signals.iter().map(|s| (&*s.name, s.value.clone())).collect();
    let number = SignalValue::Number;
    assert_eq!(values, [("a.b", number(1.0)), ("v", number(2.0)), ("a.b", number(3.0))]);
}

#[test]
fn every_broken_field_of_a_sample_is_named_with_what_is_expected() {
    let message = refusal(r#"{"driverId":7,"sessionId":true,"seq":-1,"timestamp":"yesterday","data":{"v":1}}"#);
    for field in ["'driverId': text is expected, it is 7", "'sessionId'", "'seq': a whole number", "'timestamp': RFC 3339"] {
        assert!(message.contains(field), "{field}: {message}");
    }
    assert!(!message.contains("line 1"), "{message}");
    assert!(refusal(r#"{"driverId":"a","vehicleId":"a","data":{"v":1}}"#).contains("twice"));
    assert!(refusal(r#"{"driverId":"a","data":{}}"#).contains("'data' holds no value"));
    assert!(refusal(r#"{"driverId":"a","data":{"g":[],"t":{}}}"#).contains("'data' holds no value"));
    assert_eq!(body(r#"{"driverId":"a","data":{"v":null}}"#).unwrap().samples.len(), 1, "a silent sensor is no mistake");
    assert!(refusal(r#"{"batch":5}"#).contains("'batch': a list of samples is expected, it is 5"));
}

#[test]
fn source_times_may_be_epochs_of_any_unit() {
    for time in [
        "1789999999",
        "1789999999.0",
        "1789999999000",
        "1789999999000000",
        "1789999999000000000",
        "\"1789999999\"",
        "1.789999999e9",
        "\"2026-09-21T14:13:19Z\"",
    ] {
        let frame = body(&format!(r#"{{"driverId":"a","timestamp":{time},"data":{{"v":1}}}}"#)).unwrap();
        assert!(frame.refused.is_empty(), "{time}: {:?}", frame.refused);
        assert_eq!(frame.samples[0].source_time, Timestamp::from_millis(1_789_999_999_000), "{time}");
    }
    let frame = body(r#"{"driverId":"a","timestamp":1789999999.125,"data":{"v":1}}"#).unwrap();
    assert_eq!(frame.samples[0].source_time, Timestamp::from_millis(1_789_999_999_125));
    for bad in ["0", "12.5", "true", "[]", "\"\"", "1e400", "-5"] {
        assert_eq!(body(&format!(r#"{{"driverId":"a","timestamp":{bad},"data":{{"v":1}}}}"#)).unwrap().refused.len(), 1, "{bad}");
    }
}

#[test]
fn a_list_of_samples_is_a_batch_and_a_list_of_values_is_no_sample() {
    let frame = body(r#" [{"driverId":"a","data":{"v":1}}, 7, {"driverId":"b","data":{"v":2}}]"#).unwrap();
    assert_eq!((frame.samples.len(), frame.refused[0].index), (2, 1));
    assert!(frame.refused[0].error.message.contains("JSON object"));
    // Once the values of a sample in the order of its fields were a sample.
    let values = r#"["telemetry",null,null,null,null,null,"a",null,null,null,null,{"v":1},null,null]"#;
    assert_eq!(body(values).unwrap().samples.len(), 0);
    assert_eq!(code(values), ErrorCode::ValidationError);
    assert!(body("7").unwrap_err().message.contains("JSON object"));
}

#[test]
fn a_word_that_is_no_json_costs_its_sample_only() {
    for word in ["NaN", "Infinity", "-Infinity", "nan", "-inf", "undefined", "1.#IND", ".5", "+1"] {
        let code = if word.to_ascii_lowercase().contains(['n', 'f']) && !word.contains(['u', '#']) {
            ErrorCode::InvalidNumber
        } else {
            ErrorCode::InvalidJson
        };
        let batch = format!(
            r#"[{{"driverId":"a","seq":1,"data":{{"v":"NaN"}}}},{{"driverId":"a","seq":2,"data":{{"v":[1,{word}]}}}},{{"driverId":"a","seq":3,"data":{{"v":3}}}}]"#
        );
        let body = Bytes::from(format!(r#"{{"batch":{batch}}}"#));
        let posted = Decoder::new(Limits::default()).decode_telemetry_body(&body, NOW).unwrap();
        for frame in [
            telemetry(&format!(r#"{{"type":"telemetry","batch":{batch}}}"#)),
            telemetry(&format!(r#"{{"type":"message","data":{{"type":"telemetry","batch":{batch}}}}}"#)),
            posted,
        ] {
            assert_eq!(frame.samples.iter().map(|s| s.seq).collect::<Vec<_>>(), [Some(1), Some(3)], "{word}");
            assert_eq!(frame.samples[0].raw.as_deref(), Some(&br#"{"v":"NaN"}"#[..]));
            assert_eq!(frame.places(), [0, 2]);
            let refused = &frame.refused[0];
            assert_eq!((refused.index, refused.seq, refused.error.code), (1, Some(2), code), "{word}: {}", refused.error.message);
            assert!(refused.error.message.contains(word), "{}", refused.error.message);
        }
    }
    let alone = telemetry(r#"{"type":"telemetry","driverId":"a","seq":9,"data":{"v":NaN}}"#);
    assert_eq!((alone.refused[0].index, alone.refused[0].seq, alone.refused[0].error.code), (0, Some(9), ErrorCode::InvalidNumber));
    // Elsewhere it is as bad as it was.
    let error = decode(r#"{"type":"subscribe","channel":"ai:1","id":"r","delivery":{"max_rate":NaN}}"#).unwrap_err();
    assert_eq!((error.id.unwrap().as_json(), error.error.code), ("\"r\"", ErrorCode::InvalidJson));
    assert_eq!(code("NaN"), ErrorCode::InvalidJson);
}

#[test]
fn what_no_store_can_keep_is_refused_in_either_format_with_its_place() {
    let texts = [r#"{"":7}"#, r#"{"note":"a\u0000b"}"#, r#"{"x\\":1}"#, r#"{"tab\there":3}"#, r#"{"a":{"n\u0085l":true}}"#];
    let batch: Vec<String> = texts.iter().map(|data| format!(r#"{{"driverId":"a","data":{data}}}"#)).collect();
    let json = telemetry(&format!(r#"{{"type":"telemetry","batch":[{{"driverId":"a","data":{{"ok":1}}}},{}]}}"#, batch.join(",")));
    let number = |name: &str| Signal { name: name.into(), value: SignalValue::Number(1.0) };
    let bad = [
        number(""),
        Signal { name: "note".into(), value: SignalValue::Text("a\0b".into()) },
        number("x\\"),
        number("tab\there"),
        number("n\u{85}l"),
    ];
    let samples: Vec<Sample> =
        std::iter::once(number("ok")).chain(bad).map(|signal| Sample { signals: vec![signal], ..sample() }).collect();
    let payload = Bytes::from(encode_telemetry(WireFormat::Rkyv, &samples));
    let ClientFrame::Telemetry(rkyv) = Decoder::new(Limits::default()).decode(WireFormat::Rkyv, &payload, NOW).unwrap() else { panic!() };
    for frame in [json, rkyv] {
        assert_eq!(frame.samples.len(), 1);
        let refused: Vec<_> = frame.refused.iter().map(|r| (r.index, r.error.code)).collect();
        assert_eq!(refused, [1, 2, 3, 4, 5].map(|index| (index, ErrorCode::ValidationError)));
    }
    for (sample, flawed) in samples.iter().zip([false, true, true, true, true, true]) {
        assert_eq!(crate::storable::check(sample).is_err(), flawed);
    }
}

#[test]
fn not_a_number_in_an_archive_is_refused_beside_good_samples() {
    let mut bad = sample();
    bad.signals[0].value = SignalValue::Number(f64::NAN);
    let payload = Bytes::from(encode_telemetry(WireFormat::Rkyv, &[bad, sample()]));
    let frame = Decoder::new(Limits::default()).decode(WireFormat::Rkyv, &payload, NOW).unwrap();
    let ClientFrame::Telemetry(frame) = frame else { panic!() };
    assert_eq!(frame.samples, [sample()]);
    assert_eq!((frame.refused[0].seq, frame.refused[0].error.code), (Some(7), ErrorCode::InvalidNumber));
}

#[test]
fn data_is_published_as_it_was_sent() {
    let frame = telemetry(r#"{"type":"telemetry","driverId":"ALB","sessionId":"q1","data":{ "a": [1, {"b": "ü"}], "z": null}}"#);
    let mut out = BytesMut::new();
    Encoder::new(WireFormat::Json).telemetry("telemetry:ALB", 5, &frame.samples[0], &mut out);
    let text = std::str::from_utf8(&out[4..]).unwrap();
    assert!(text.contains(r#""data":{ "a": [1, {"b": "ü"}], "z": null}"#), "{text}");
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(value["offset"], 5);
    assert_eq!(value["timestamp"], NOW.to_string());
}

#[test]
fn both_formats_tell_clients_the_same() {
    let told: Vec<serde_json::Value> = WireFormat::ALL
        .map(|format| {
            let mut out = BytesMut::new();
            Encoder::new(format).telemetry("telemetry:ALB", 9, &sample(), &mut out);
            let head = if out[1] == 126 { 4 } else { 2 };
            decode_server(format, &out[head..]).unwrap()
        })
        .into();
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0]["data"], json!({"speed_mps": 78.25, "drs": true, "flag": "\"green\"\n"}));
}

#[test]
fn every_event_is_valid_json_of_its_type() {
    let vehicle = VehicleId::new("ALB").unwrap();
    let note = crate::server::FeedbackNote { vehicle, session: None, feedback: r#"{"text":"brake later"}"#.into(), timestamp: NOW };
    let mut out = BytesMut::new();
    Encoder::new(WireFormat::Json).event("ai:ALB", 1, &Event::Feedback(note), &mut out);
    let value = decode_server(WireFormat::Json, &out[4..]).unwrap();
    assert_eq!((value["type"].as_str(), value["feedback"]["text"].as_str()), (Some("ai_feedback"), Some("brake later")));
    assert_eq!(value["sessionId"], serde_json::Value::Null);
}

fn any_value() -> impl Strategy<Value = SignalValue> {
    prop_oneof![
        prop::num::f64::NORMAL.prop_map(SignalValue::Number),
        any::<bool>().prop_map(SignalValue::Bool),
        "\\PC{0,12}".prop_map(|t| SignalValue::Text(t.as_str().into())),
    ]
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let signals = prop::collection::vec(("[a-z.]{1,12}", any_value()), 1..12);
    ("[A-Za-z0-9._-]{1,20}", prop::option::of("[a-z]{1,8}"), any::<Option<u64>>(), 400_000_000_000_i64..1_790_000_000_000, signals)
        .prop_map(|(vehicle, session, seq, millis, signals)| Sample {
            vehicle: VehicleId::new(&vehicle).unwrap(),
            session: session.map(|s| SessionId::new(&s).unwrap()),
            fleet: None,
            seq,
            source_time: Timestamp::from_millis(millis),
            received_at: NOW,
            quality: Quality::Good,
            signals: signals.into_iter().map(|(n, value)| Signal { name: n.as_str().into(), value }).collect(),
            raw: None,
        })
}

proptest! {
    #[test]
    fn a_batch_sent_in_either_format_arrives_whole(samples in prop::collection::vec(any_sample(), 1..8)) {
        for format in WireFormat::ALL {
            let payload = Bytes::from(encode_telemetry(format, &samples));
            let ClientFrame::Telemetry(frame) = Decoder::new(Limits::default()).decode(format, &payload, NOW).unwrap() else { panic!() };
            prop_assert!(frame.refused.is_empty(), "{:?}", frame.refused);
            let got: Vec<Sample> = frame.samples.into_iter().map(|s| Sample { raw: None, ..s }).collect();
            prop_assert_eq!(&got, &samples);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[{}\\[\\]\":,a-z0-9e.-]{0,120}") {
        let mut decoder = Decoder::new(Limits::default());
        let _ = decoder.decode(WireFormat::Rkyv, &Bytes::from(bytes.clone()), NOW);
        let _ = decoder.decode(WireFormat::Json, &Bytes::from(bytes), NOW);
        let _ = decoder.decode(WireFormat::Json, &Bytes::from(text), NOW);
    }

    #[test]
    fn a_mutated_archive_is_refused_or_read_but_never_trusted(samples in prop::collection::vec(any_sample(), 1..4), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut payload = encode_telemetry(WireFormat::Rkyv, &samples);
        let at = at.index(payload.len());
        payload[at] ^= 1_u8 << bit;
        let _ = Decoder::new(Limits::default()).decode(WireFormat::Rkyv, &Bytes::from(payload), NOW);
    }
}
