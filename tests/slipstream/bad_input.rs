//! What must not come in: each gets the error the contract names, while everybody else goes on.

use serde_json::{Value, json};
use slipstream_protocol::{
    WireFormat,
    codec::{WireClient, WireSample, WireSignal, WireValue},
    token::{Claims, Role},
};
use slipstream_tests::gateway::{Client, Gateway, now_s};
use tokio_tungstenite::tungstenite::Message;

use crate::raw_socket::{RawSocket, masked};

/// A second client that listens to everything, and a publisher that keeps it busy.
struct Bystanders {
    viewer: Client,
    relay: Client,
    sent: u64,
}

impl Bystanders {
    async fn of(gateway: &Gateway) -> Self {
        let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
        viewer.subscribe("telemetry:BYSTANDER").await;
        Self { viewer, relay: gateway.client(Role::Relay, WireFormat::Json).await, sent: 0 }
    }

    async fn go_on(&mut self) {
        self.sent += 1;
        self.relay.send(json!({"type": "telemetry", "driverId": "BYSTANDER", "seq": self.sent, "data": {"n": self.sent}})).await;
        assert_eq!(self.viewer.message_of("telemetry").await["data"]["n"], self.sent);
    }
}

fn one(fields: &Value) -> Value {
    let mut frame = json!({"type": "telemetry", "driverId": "ALB", "data": {"rpm": 1}});
    frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    frame
}

#[tokio::test]
async fn bad_text_frames_get_their_named_error_and_the_connection_stays() {
    let gateway = Gateway::start_with(|c| c.limits.max_batch = 10).await;
    let mut bystanders = Bystanders::of(&gateway).await;
    let mut bad = gateway.client(Role::Relay, WireFormat::Json).await;
    let deep = (0..20).fold(json!(1), |inner, _| json!({ "a": inner }));
    let wide: serde_json::Map<_, _> = (0..1_000).map(|n| (format!("s{n}"), json!(n))).collect();
    let cases: Vec<(String, &str)> = vec![
        ("{".into(), "INVALID_JSON"),
        ("not json".into(), "INVALID_JSON"),
        ("[]".into(), "VALIDATION_ERROR"),
        ("{}".into(), "VALIDATION_ERROR"),
        (json!({"type": "dance"}).to_string(), "UNKNOWN_TYPE"),
        (json!({"type": 7}).to_string(), "VALIDATION_ERROR"),
        (json!({"type": "subscribe", "channel": "weather:1"}).to_string(), "UNKNOWN_CHANNEL"),
        (json!({"type": "subscribe", "channel": 1}).to_string(), "VALIDATION_ERROR"),
        (json!({"type": "subscribe"}).to_string(), "VALIDATION_ERROR"),
        (json!({"type": "unsubscribe", "channel": "telemetry:NOBODY"}).to_string(), "NOT_SUBSCRIBED"),
        (one(&json!({"driverId": "a\u{7}b"})).to_string(), "VALIDATION_ERROR"),
        (one(&json!({"driverId": 5})).to_string(), "VALIDATION_ERROR"),
        (one(&json!({"data": "fast"})).to_string(), "VALIDATION_ERROR"),
        (one(&json!({"data": deep})).to_string(), "TOO_DEEP"),
        (one(&json!({"data": wide})).to_string(), "TOO_MANY_SIGNALS"),
        (one(&json!({"timestamp": "yesterday"})).to_string(), "VALIDATION_ERROR"),
        (one(&json!({"timestamp": "1970-01-01T00:00:00Z"})).to_string(), "TIMESTAMP_OUT_OF_RANGE"),
        (one(&json!({"timestamp": "2999-01-01T00:00:00Z"})).to_string(), "TIMESTAMP_OUT_OF_RANGE"),
        (r#"{"type":"telemetry","driverId":"ALB","data":{"rpm":1e999}}"#.into(), "INVALID_NUMBER"),
        (r#"{"type":"telemetry","driverId":"ALB","data":{"rpm":NaN}}"#.into(), "INVALID_NUMBER"),
        (r#"{"type":"telemetry","driverId":"ALB","data":{"rpm":[-Infinity]}}"#.into(), "INVALID_NUMBER"),
        (r#"{"type":"telemetry","driverId":"ALB","data":{"rpm":undefined}}"#.into(), "INVALID_JSON"),
        (one(&json!({"data": {"": 1}})).to_string(), "VALIDATION_ERROR"),
        (one(&json!({"data": {"x\\": 1}})).to_string(), "VALIDATION_ERROR"),
        (one(&json!({"data": {"tab\there": 1}})).to_string(), "VALIDATION_ERROR"),
        (one(&json!({"data": {"note": "a\u{0}b"}})).to_string(), "VALIDATION_ERROR"),
        (json!({"type": "telemetry", "batch": vec![json!({}); 11]}).to_string(), "BATCH_TOO_LARGE"),
        (json!({"type": "video", "driverId": "ALB", "frameData": "***"}).to_string(), "INVALID_BASE64"),
        (json!({"type": "video", "driverId": "ALB", "frameData": "bm90IGFuIGltYWdl"}).to_string(), "INVALID_IMAGE"),
        (json!({"type": "config", "ack": "yes"}).to_string(), "VALIDATION_ERROR"),
    ];
    for (frame, code) in cases {
        bad.send_raw(Message::text(frame.clone())).await;
        let error = bad.message().await;
        assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("error"), Some(code)), "{frame:.80}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        bad.is_well().await;
    }
    bystanders.go_on().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_bad_sample_costs_the_good_ones_of_its_batch_nothing() {
    let gateway = Gateway::start().await;
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.subscribe("telemetry:ALB").await;
    let query = format!("token={}&publisher=g", gateway.token(Role::Relay));
    let mut relay = gateway.client_with(&query, WireFormat::Json).await;
    let batch = json!({"type": "telemetry", "batch": [
        {"driverId": "ALB", "seq": 1, "data": {"n": 1}},
        {"driverId": "ALB", "seq": 2, "data": {"n": {"deep": []}}, "timestamp": "never"},
        {"driverId": "ALB", "seq": 3, "data": {"n": 3}},
    ]});
    relay.send(batch).await;
    let error = relay.message().await;
    assert_eq!((error["type"].as_str(), error["seq"].as_u64()), (Some("error"), Some(2)), "{error}");
    assert_eq!(relay.message_of("ack").await["seq"], 3, "acks move past what was refused");
    assert_eq!(viewer.message_of("telemetry").await["data"]["n"], 1);
    assert_eq!(viewer.message_of("telemetry").await["data"]["n"], 3);
    gateway.stop().await;
}

#[tokio::test]
async fn not_a_number_and_infinity_in_archives_are_refused_by_name() {
    let gateway = Gateway::start().await;
    let mut relay = gateway.client(Role::Relay, WireFormat::Rkyv).await;
    let sample = |seq, n| WireSample {
        vehicle: 0,
        session: None,
        fleet: None,
        seq: Some(seq),
        timestamp_us: None,
        signals: vec![WireSignal { name: 1, value: WireValue::Number(n) }],
    };
    let samples = vec![sample(1, f64::NAN), sample(2, f64::INFINITY), sample(3, 1.0)];
    let frame = WireClient::Telemetry { strings: vec!["ALB".into(), "rpm".into()], samples };
    relay.send_raw(Message::binary(frame.to_payload())).await;
    for seq in [1, 2] {
        let error = relay.message().await;
        assert_eq!((error["code"].as_str(), error["seq"].as_u64()), (Some("INVALID_NUMBER"), Some(seq)), "{error}");
    }
    assert_eq!(relay.message_of("ack").await["seq"], 3);
    for garbage in [vec![], vec![0; 3], vec![0xFF; 100]] {
        relay.send_raw(Message::binary(garbage)).await;
        assert_eq!(relay.message().await["code"], "INVALID_ARCHIVE");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn rights_are_checked_per_channel_and_per_sample() {
    let gateway = Gateway::start().await;
    let narrow = Claims {
        sub: "ALB".into(),
        exp: now_s() + 60,
        iat: None,
        role: Role::Driver,
        channels: Some(vec!["telemetry:ALB".parse().unwrap()]),
        publish: None,
    };
    let mut driver = gateway.client_with(&format!("token={}", gateway.token_of(&narrow)), WireFormat::Json).await;
    for channel in ["telemetry:HAM", "telemetry:*", "session:q1"] {
        driver.send(json!({"type": "subscribe", "channel": channel, "id": channel})).await;
        let error = driver.message().await;
        assert_eq!((error["code"].as_str(), error["id"].as_str()), (Some("FORBIDDEN"), Some(channel)));
    }
    driver.subscribe("telemetry:ALB").await;
    let batch = json!([{"driverId": "HAM", "seq": 1, "data": {"n": 1}}, {"driverId": "ALB", "seq": 2, "data": {"n": 2}}]);
    driver.send(json!({"type": "telemetry", "batch": batch})).await;
    let error = driver.message_of("error").await;
    assert_eq!((error["code"].as_str(), error["seq"].as_u64()), (Some("FORBIDDEN"), Some(1)));
    assert_eq!(driver.message_of("telemetry").await["data"]["n"], 2);
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.send(one(&json!({}))).await;
    assert_eq!(viewer.message().await["code"], "FORBIDDEN");
    viewer.is_well().await;
    gateway.stop().await;
}

#[tokio::test]
async fn broken_utf8_is_an_error_frame_and_the_connection_stays() {
    let gateway = Gateway::start().await;
    let mut socket = RawSocket::open(&gateway).await;
    socket.send(&masked(0x81, b"{\"type\":\"ping\xFF\"}")).await;
    let (_, payload) = socket.frame().await.unwrap();
    assert!(String::from_utf8_lossy(&payload).contains("INVALID_UTF8"));
    socket.send(&masked(0x81, b"{\"type\":\"ping\"}")).await;
    let (_, payload) = socket.frame().await.unwrap();
    assert_eq!(payload, b"{\"type\":\"pong\"}");
    gateway.stop().await;
}

#[tokio::test]
async fn breaking_the_protocol_itself_closes_with_1002_and_oversize_with_1009() {
    let gateway = Gateway::start_with(|c| c.limits.max_frame_bytes = 1_000).await;
    let mut bystanders = Bystanders::of(&gateway).await;
    let mut unmasked = masked(0x81, b"");
    unmasked[1] = 0;
    unmasked.truncate(2);
    let cases = [
        ("unmasked", unmasked, 1002),
        ("reserved bit", masked(0xF1, b"x"), 1002),
        ("reserved opcode", masked(0x85, b"x"), 1002),
        ("continuation of nothing", masked(0x80, b"x"), 1002),
        ("fragmented ping", masked(0x09, b"x"), 1002),
        ("oversized", masked(0x81, &[b' '; 1_001]), 1009),
    ];
    for (what, bytes, code) in cases {
        let mut socket = RawSocket::open(&gateway).await;
        socket.send(&bytes).await;
        assert_eq!(socket.close_code().await, Some(code), "{what}");
    }
    bystanders.go_on().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_close_is_answered_by_the_rules_of_the_rfc() {
    let gateway = Gateway::start().await;
    let close = |code: u16, reason: &[u8]| masked(0x88, &[&code.to_be_bytes()[..], reason].concat());
    let mut long = masked(0x81, b"x");
    // One byte of payload, its length in two.
    long.splice(1..2, [0xFE, 0, 1]);
    for (what, bytes, code) in [
        ("a code of its own", close(4321, b"so long"), 4321),
        ("going away", close(1001, b""), 1001),
        ("half a code", masked(0x88, b"\x03"), 1002),
        ("no such code", close(999, b""), 1002),
        ("a code that is never sent", close(1005, b""), 1002),
        ("a reason that is not UTF-8", close(1000, b"\xff\xfe"), 1007),
        ("a length in more bytes than needed", long, 1002),
    ] {
        let mut socket = RawSocket::open(&gateway).await;
        socket.send(&bytes).await;
        assert_eq!(socket.close_code().await, Some(code), "{what}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_handshake_in_another_version_is_told_which_there_is() {
    let gateway = Gateway::start().await;
    let ask = |version: &'static str, key: &'static str| {
        let request = reqwest::Client::new().get(gateway.url("/ws")).bearer_auth(gateway.token(Role::Viewer));
        let request = request.header("connection", "Upgrade").header("upgrade", "websocket");
        request.header("sec-websocket-version", version).header("sec-websocket-key", key).send()
    };
    let old = ask("8", "dGhlIHNhbXBsZSBub25jZQ==").await.unwrap();
    assert_eq!((old.status().as_u16(), old.headers()["sec-websocket-version"].to_str().unwrap()), (426, "13"));
    for key in ["!!!", "AAAAAAAAAAA=", "dGhlIHNhbXBsZSBub25jZQ"] {
        assert_eq!(ask("13", key).await.unwrap().status().as_u16(), 400, "{key}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn fragments_with_a_ping_between_are_one_message() {
    let gateway = Gateway::start().await;
    let mut socket = RawSocket::open(&gateway).await;
    socket.send(&masked(0x01, b"{\"type\":")).await;
    socket.send(&masked(0x89, b"hi")).await;
    socket.send(&masked(0x80, b"\"ping\"}")).await;
    assert_eq!(socket.frame().await.unwrap(), (0xA, b"hi".to_vec()));
    assert_eq!(socket.frame().await.unwrap().1, b"{\"type\":\"pong\"}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_errs_over_and_over_is_closed_with_4000() {
    let gateway = Gateway::start_with(|c| c.ws.max_refusals = 20).await;
    let mut bad = gateway.client(Role::Relay, WireFormat::Json).await;
    for _ in 0..19 {
        bad.send_raw(Message::text("{")).await;
    }
    for _ in 0..19 {
        assert_eq!(bad.message().await["code"], "INVALID_JSON");
    }
    // A good frame in between forgives.
    bad.is_well().await;
    for _ in 0..20 {
        bad.try_send_raw(Message::text("{")).await;
    }
    assert_eq!(bad.closed().await, Some(4000));
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_frame_harms_nobody() {
    let gateway = Gateway::start().await;
    let mut bystanders = Bystanders::of(&gateway).await;
    for cut in [1, 3, 7, 20] {
        let mut socket = RawSocket::open(&gateway).await;
        socket.send(&masked(0x81, b"{\"type\":\"ping\",\"id\":1}")[..cut]).await;
        drop(socket);
        bystanders.go_on().await;
    }
    gateway.stop().await;
}

/// One `NaN` costs its sample, and each refused sample is named by its place in what the sender sent.
#[tokio::test]
async fn refused_samples_are_named_by_their_place_whatever_else_is_refused() {
    let gateway = Gateway::start().await;
    let claims = Claims {
        sub: "garage".into(),
        exp: now_s() + 3_600,
        iat: None,
        role: Role::Relay,
        channels: None,
        publish: Some(vec!["ALB".into()]),
    };
    let token = gateway.token_of(&claims);
    let old = r#"{"driverId":"ALB","timestamp":"1970-01-01T00:00:00Z","data":{"rpm":1}}"#;
    let (good, foreign) = (r#"{"driverId":"ALB","data":{"rpm":1}}"#, r#"{"driverId":"HAM","data":{"rpm":1}}"#);
    let (nan, nul) = (r#"{"driverId":"ALB","data":{"rpm":NaN}}"#, r#"{"driverId":"ALB","data":{"note":"a\u0000b"}}"#);
    let batch = format!("[{old},{good},{foreign},{nan},{good},{nul},{foreign}]");
    let expected = [(0, "TIMESTAMP_OUT_OF_RANGE"), (2, "FORBIDDEN"), (3, "INVALID_NUMBER"), (5, "VALIDATION_ERROR"), (6, "FORBIDDEN")];
    let posting = reqwest::Client::new().post(gateway.url("/api/telemetry")).bearer_auth(&token);
    let answer: Value = posting.body(format!(r#"{{"batch":{batch}}}"#)).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["accepted"], 2, "{answer}");
    let refused: Vec<_> =
        answer["data"]["refused"].as_array().unwrap().iter().map(|r| (r["index"].as_u64().unwrap(), r["code"].as_str().unwrap())).collect();
    assert_eq!(refused, expected);

    let mut client = gateway.client_with(&format!("token={token}"), WireFormat::Json).await;
    client.send_raw(Message::text(format!(r#"{{"type":"telemetry","batch":{batch}}}"#))).await;
    for (place, code) in expected {
        let error = client.message_of("error").await;
        let message = error["message"].as_str().unwrap();
        assert!(error["code"] == code && message.starts_with(&format!("batch[{place}]: ")), "{error}");
        assert_eq!(error["index"], place, "{error}");
    }
    // Where they have numbers, those name them.
    let numbered = batch.replace(r#"{"driverId""#, r#"{"seq":0,"driverId""#);
    let numbered: String = numbered
        .split("\"seq\":0")
        .enumerate()
        .map(|(n, part)| if n == 0 { part.to_owned() } else { format!("\"seq\":{n}{part}") })
        .collect();
    client.send_raw(Message::text(format!(r#"{{"type":"telemetry","batch":{numbered}}}"#))).await;
    for (place, code) in expected {
        let error = client.message_of("error").await;
        assert!(error["code"] == code && error["seq"] == place + 1, "{error}");
    }
    assert_eq!(client.message_of("ack").await["seq"], 7);
}
