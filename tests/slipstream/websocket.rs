//! The WebSocket door, from outside.

use std::time::Duration;

use serde_json::json;
use slipstream_protocol::{
    WireFormat,
    codec::WireClient,
    token::{Claims, Role},
};
use slipstream_tests::gateway::{Gateway, now_s};
use tokio_tungstenite::tungstenite::{Error, Message};

fn sample(vehicle: &str, seq: u64) -> serde_json::Value {
    json!({"type": "telemetry", "driverId": vehicle, "sessionId": "q1", "seq": seq, "data": {"rpm": 4000 + seq, "on": true}})
}

#[tokio::test]
async fn subscribers_hear_what_is_published_in_both_formats_until_they_unsubscribe() {
    let gateway = Gateway::start().await;
    let mut relay = gateway.client(Role::Relay, WireFormat::Json).await;
    for (seq, format) in (1..).zip(WireFormat::ALL) {
        let mut one = gateway.client(Role::Viewer, format).await;
        let mut all = gateway.client(Role::Viewer, format).await;
        let mut room = gateway.client(Role::Viewer, format).await;
        one.subscribe("telemetry:ALB").await;
        all.subscribe("telemetry:*").await;
        room.subscribe("session:q1").await;
        relay.send(sample("ALB", seq)).await;
        for client in [&mut one, &mut all, &mut room] {
            let heard = client.message_of("telemetry").await;
            assert_eq!((heard["driverId"].as_str(), heard["data"]["on"].as_bool()), (Some("ALB"), Some(true)), "{heard}");
        }
        one.send(json!({"type": "unsubscribe", "channel": "telemetry:ALB", "id": "u"})).await;
        assert_eq!(one.message_of("unsubscribed").await["id"], "u");
        relay.send(json!({"type": "telemetry", "driverId": "ALB", "data": {"rpm": 2}})).await;
        all.message_of("telemetry").await;
        one.is_well().await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn acks_are_cumulative_in_order_and_name_their_level() {
    let gateway = Gateway::start().await;
    for level in ["received", "durable"] {
        let query = format!("token={}&publisher=garage-{level}&ack={level}", gateway.token(Role::Relay));
        let mut relay = gateway.client_with(&query, WireFormat::Json).await;
        for seq in 1..=50 {
            relay.send(sample("HAM", seq)).await;
        }
        let mut last = 0;
        while last < 50 {
            let ack = relay.message_of("ack").await;
            assert_eq!(ack["level"], level);
            let seq = ack["seq"].as_u64().unwrap();
            assert!(seq > last, "{seq} after {last}");
            last = seq;
        }
        assert_eq!(last, 50);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_resent_sample_is_acknowledged_but_published_once_also_across_a_restart() {
    let mut gateway = Gateway::start().await;
    let query = format!("token={}&publisher=garage", gateway.token(Role::Relay));
    let mut relay = gateway.client_with(&query, WireFormat::Json).await;
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.subscribe("telemetry:*").await;
    for seq in [1, 2, 1, 2, 3] {
        relay.send(sample("HAM", seq)).await;
    }
    while relay.message_of("ack").await["seq"] != 3 {}
    for seq in 1..=3 {
        assert_eq!(viewer.message_of("telemetry").await["data"]["rpm"], 4000 + seq);
    }
    gateway.restart().await;
    let mut relay = gateway.client_with(&query, WireFormat::Json).await;
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.subscribe("telemetry:*").await;
    for seq in [2, 3, 4] {
        relay.send(sample("HAM", seq)).await;
    }
    while relay.message_of("ack").await["seq"] != 4 {}
    assert_eq!(viewer.message_of("telemetry").await["data"]["rpm"], 4004, "2 and 3 were published before the restart");
    gateway.stop().await;
}

#[tokio::test]
async fn archives_in_binary_frames_do_all_that_text_does() {
    let gateway = Gateway::start().await;
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Rkyv).await;
    let subscribe = WireClient::Subscribe {
        channel: "telemetry:ALB".into(),
        id: Some(7),
        since: None,
        latest: false,
        max_rate: None,
        drop_oldest: false,
    };
    viewer.send_raw(Message::binary(subscribe.to_payload())).await;
    assert_eq!(viewer.message().await["id"], 7);
    gateway.client(Role::Relay, WireFormat::Json).await.send(sample("ALB", 5)).await;
    assert_eq!(viewer.message().await["data"]["rpm"], 4005.0);
    viewer.send_raw(Message::binary(WireClient::Ping { id: Some(8) }.to_payload())).await;
    assert_eq!(viewer.message().await["type"], "pong");
    gateway.stop().await;
}

#[tokio::test]
async fn without_a_good_token_there_is_no_upgrade() {
    let gateway = Gateway::start().await;
    let expired = Claims { sub: "x".into(), exp: now_s() - 1, iat: None, role: Role::Admin, channels: None, publish: None };
    for query in [String::new(), "?token=nonsense".into(), format!("?token={}", gateway.token_of(&expired))] {
        let outcome = tokio_tungstenite::connect_async(format!("ws://{}/ws{query}", gateway.server().addr)).await;
        let Err(Error::Http(response)) = outcome else { panic!("upgraded with '{query}'") };
        assert_eq!(response.status(), 401);
        let body: serde_json::Value = serde_json::from_slice(response.body().as_deref().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], "UNAUTHORIZED");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let gateway = Gateway::start().await;
    let claims = Claims { sub: "x".into(), exp: now_s() + 2, iat: None, role: Role::Viewer, channels: None, publish: None };
    let mut client = gateway.client_with(&format!("token={}", gateway.token_of(&claims)), WireFormat::Json).await;
    client.is_well().await;
    assert_eq!(client.closed().await, Some(4002));
    gateway.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_one_that_does_not_answer_is_closed() {
    let gateway = Gateway::start_with(|c| {
        c.ws.ping_after = Duration::from_millis(100);
        c.ws.idle_timeout = Duration::from_millis(400);
    })
    .await;
    // The library answers pings while it is being read: this one lives on.
    let mut lively = gateway.client(Role::Viewer, WireFormat::Json).await;
    let answering = tokio::spawn(async move {
        let heard = tokio::time::timeout(Duration::from_millis(1_200), lively.hear()).await;
        assert!(heard.is_err(), "{heard:?}");
    });
    let mut silent = crate::raw_socket::RawSocket::open(&gateway).await;
    let (opcode, _) = silent.frame().await.unwrap();
    assert_eq!(opcode, 0x9, "a ping first");
    let (opcode, payload) = silent.frame().await.unwrap();
    assert_eq!((opcode, &payload[..2]), (0x8, &4003_u16.to_be_bytes()[..]));
    answering.await.unwrap();
    gateway.stop().await;
}

#[tokio::test]
async fn draining_closes_every_connection_with_going_away_after_what_waits() {
    let gateway = Gateway::start().await;
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.subscribe("telemetry:*").await;
    let mut relay = gateway.client_with(&format!("token={}&publisher=p", gateway.token(Role::Relay)), WireFormat::Json).await;
    relay.send(sample("ALB", 1)).await;
    relay.message_of("ack").await;
    gateway.stop().await;
    assert_eq!(viewer.message_of("telemetry").await["driverId"], "ALB");
    assert_eq!(viewer.closed().await, Some(1001));
    assert_eq!(relay.closed().await, Some(1001));
}

#[tokio::test]
async fn the_clients_close_is_answered() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    client.send_raw(Message::Close(None)).await;
    assert_eq!(client.closed().await, Some(1000));
    gateway.stop().await;
}
