//! Slow readers, from outside: what they do not get is told, what waits for them is bounded, and
//! nobody else notices.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use slipstream_protocol::{WireFormat, token::Role};
use slipstream_tests::gateway::{Client, Gateway, PATIENCE};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// Far more than sockets hold between the two of them.
const PUBLISHED: u64 = 12_000;
const OUTBOX_BYTES: usize = 256 << 10;

/// A client that reads when it is told to, with as little room in its socket as the system gives.
struct Stalling(WebSocketStream<TcpStream>);

impl Stalling {
    async fn connect(gateway: &Gateway) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let stream = socket.connect(gateway.server().addr).await.unwrap();
        let url = format!("ws://{}/ws?token={}", gateway.server().addr, gateway.token(Role::Viewer));
        Self(tokio_tungstenite::client_async(url, stream).await.unwrap().0)
    }

    async fn subscribe(gateway: &Gateway, delivery: Value, on_slow: &str) -> Self {
        let mut client = Self::connect(gateway).await;
        let frame = json!({"type": "subscribe", "channel": "telemetry:car", "delivery": delivery, "on_slow": on_slow});
        client.0.send(Message::text(frame.to_string())).await.unwrap();
        assert_eq!(client.next().await.unwrap()["type"], "subscribed");
        client
    }

    /// The next message; the close code at the end.
    async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something comes in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|f| f.code.into())),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return Err(None),
            }
        }
    }
}

/// Publishes samples `from..=to` of about a kilobyte each, and waits until they are durable.
async fn publish(relay: &mut Client, from: u64, to: u64) {
    let padding = "x".repeat(900);
    for seq in from..=to {
        relay.send(json!({"type": "telemetry", "driverId": "car", "seq": seq, "data": {"n": seq, "padding": padding}})).await;
        if seq % 32 == 0 || seq == to {
            while relay.message_of("ack").await["seq"] != seq {}
        }
    }
}

async fn relay(gateway: &Gateway) -> Client {
    gateway.client_with(&format!("token={}&publisher=garage", gateway.token(Role::Relay)), WireFormat::Json).await
}

/// A reader that keeps up: it must hear everything, whatever the others do.
fn listening(mut client: Client) -> tokio::task::JoinHandle<Vec<u64>> {
    tokio::spawn(async move {
        let mut heard = Vec::new();
        while heard.len() < PUBLISHED as usize {
            heard.push(client.message_of("telemetry").await["offset"].as_u64().unwrap());
        }
        heard
    })
}

async fn gateway() -> Gateway {
    Gateway::start_with(|config| {
        config.ws.outbox_bytes = OUTBOX_BYTES;
        config.ws.stall_timeout = Duration::from_secs(120);
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stalled_reader_misses_adds_up_and_the_others_hear_everything() {
    let gateway = gateway().await;
    let mut stalled = Stalling::subscribe(&gateway, json!("all"), "drop_oldest").await;
    let mut newest = Stalling::subscribe(&gateway, json!("latest"), "disconnect").await;
    let mut cut = Stalling::subscribe(&gateway, json!("all"), "disconnect").await;
    let mut well = gateway.client(Role::Viewer, WireFormat::Json).await;
    well.send(json!({"type": "subscribe", "channel": "telemetry:car", "on_slow": "drop_oldest"})).await;
    well.message_of("subscribed").await;
    let well = listening(well);

    let mut relay = relay(&gateway).await;
    let mut most_waiting = 0;
    for from in (1..=PUBLISHED).step_by(1_000) {
        publish(&mut relay, from, (from + 999).min(PUBLISHED)).await;
        most_waiting = most_waiting.max(gateway.services().router.outbox_depth().max_bytes);
    }
    assert_eq!(well.await.unwrap(), (1..=PUBLISHED).collect::<Vec<_>>(), "nobody else notices");
    assert!(most_waiting <= 2 * OUTBOX_BYTES, "{most_waiting} bytes waited for one reader");
    let stats = gateway.services().router.stats();
    assert_eq!(stats.slow_disconnects.get(), 1, "the one that asked for it");
    assert!(stats.dropped_slow.get() > PUBLISHED / 4, "{}: the reader did stall", stats.dropped_slow.get());

    // It reads again: what it gets and what it is told that it will not get is everything, each once.
    let mut covered = BTreeSet::new();
    let (mut received, mut dropped, mut gaps) = (0, 0, 0);
    while received + dropped < PUBLISHED {
        let message = stalled.next().await.expect("it was promised to stay");
        let number = |name: &str| message[name].as_u64().unwrap();
        let range = if message["type"] == "gap" {
            gaps += 1;
            dropped += number("dropped");
            assert_eq!(number("dropped"), number("to") + 1 - number("from"), "{message}");
            number("from")..=number("to")
        } else {
            received += 1;
            number("offset")..=number("offset")
        };
        for offset in range {
            assert!(covered.insert(offset), "{offset} a second time: {message}");
        }
    }
    assert_eq!(received + dropped, PUBLISHED);
    assert_eq!(covered.iter().copied().collect::<Vec<_>>(), (1..=PUBLISHED).collect::<Vec<_>>());
    assert!(gaps > 0 && dropped == stats.dropped_slow.get(), "{gaps} gaps tell {dropped}, the server counts {}", stats.dropped_slow.get());

    // The newest only: in order, the last one for sure, and far from all.
    let (mut last, mut count) = (0, 0);
    while last < PUBLISHED {
        let offset = newest.next().await.unwrap()["offset"].as_u64().unwrap();
        assert!(offset > last, "{offset} after {last}");
        (last, count) = (offset, count + 1);
    }
    assert!(count < PUBLISHED / 2, "{count} of {PUBLISHED} came");

    // What it had is in order and without holes up to where it was cut, with the code that says why.
    let mut next = 1;
    let code = loop {
        match cut.next().await {
            Ok(message) => assert_eq!(message["offset"].as_u64(), Some(next), "{message}"),
            Err(code) => break code,
        }
        next += 1;
    };
    assert!(next <= PUBLISHED, "it was cut");
    assert!(code.is_none_or(|code| code == 4001), "{code:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_kept_and_the_newest_publication_always_comes() {
    let gateway = gateway().await;
    let mut slow = Stalling::subscribe(&gateway, json!({"max_rate": 10}), "disconnect").await;
    let mut relay = relay(&gateway).await;
    let started = Instant::now();
    let mut publishing = tokio::spawn(async move {
        let mut seq = 0;
        while started.elapsed() < Duration::from_secs(2) {
            publish(&mut relay, seq + 1, seq + 8).await;
            seq += 8;
        }
        seq
    });
    let (mut offsets, mut published) = (vec![0], None);
    // The newest may have come before its publisher hears that it is durable.
    while published.is_none() || offsets.last() != published.as_ref() {
        tokio::select! {
            last = &mut publishing, if published.is_none() => published = Some(last.unwrap()),
            message = slow.next() => offsets.push(message.unwrap()["offset"].as_u64().unwrap()),
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    assert!(offsets.is_sorted_by(|a, b| a < b), "{offsets:?}");
    assert!((offsets.len() - 1) as f64 <= 10.0 * seconds + 2.0, "{} in {seconds} s", offsets.len() - 1);
    gateway.stop().await;
}
