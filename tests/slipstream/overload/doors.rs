//! Strangers at the doors: silence, floods of bodies, oversized messages, many connections. `/health` answers meanwhile.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use serde_json::json;
use slipstream_protocol::token::Role;
use slipstream_tests::gateway::{Gateway, PATIENCE};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::process::Process;
use crate::raw_socket::{RawSocket, masked};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

async fn connect(gateway: &Gateway, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.server().addr).await.unwrap();
    stream.write_all(first).await.unwrap();
    stream
}

/// Everything that is sent until the server closes.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is an end, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the server closes in time");
    all
}

async fn status(gateway: &Gateway, path: &str) -> u16 {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    timeout(PATIENCE, client.get(gateway.url(path)).send()).await.expect("an answer in time").unwrap().status().as_u16()
}

pub(super) async fn metric(gateway: &Gateway, name: &str) -> f64 {
    let asked = reqwest::Client::new().get(gateway.url("/metrics")).bearer_auth(gateway.token(Role::Viewer)).send().await;
    let text = asked.unwrap().text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn a_connection_that_sends_no_whole_request_is_closed_whatever_it_began() {
    let gateway = Gateway::start_with(|config| config.limits.head_timeout = Duration::from_millis(300)).await;
    let half_frame: Vec<u8> = [PREFACE, SETTINGS, &[0, 0, 9, 1, 0]].concat();
    // A header block that never ends: no END_HEADERS.
    let half_headers: Vec<u8> = [PREFACE, SETTINGS, &[0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82]].concat();
    let beginnings: [&[u8]; 9] = [
        b"",
        b"P",
        &PREFACE[..16],
        PREFACE,
        &half_frame,
        &half_headers,
        b"GET / HTTP/1.1\r\nhost: x\r\n",
        b"GET /ws HTTP/1.1\r\nupgrade: websocket\r\n",
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n",
    ];
    let mut streams = Vec::new();
    for first in beginnings {
        streams.push(connect(&gateway, first).await);
    }
    for (stream, first) in streams.iter_mut().zip(beginnings) {
        until_closed(stream).await;
        println!("closed after {:?}", String::from_utf8_lossy(first));
    }
    assert_eq!(status(&gateway, "/health").await, 200);
    assert!(metric(&gateway, "slipstream_tcp_ended_total{reason=\"no_head\"}").await >= 6.0);
    gateway.stop().await;
}

#[tokio::test]
async fn an_http2_connection_on_which_nothing_happens_is_closed() {
    let gateway = Gateway::start_with(|config| config.limits.idle_timeout = Duration::from_millis(300)).await;
    // GET http://x/health in HPACK's words.
    let block = [&[0x82, 0x86, 0x44, 7][..], b"/health", &[0x41, 1, b'x']].concat();
    let head = [0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1];
    let mut stream = connect(&gateway, &[PREFACE, SETTINGS, &head, &block].concat()).await;
    let answered = until_closed(&mut stream).await;
    assert!(String::from_utf8_lossy(&answered).contains("\"uptimeS\""), "it was served before");
    assert_eq!(metric(&gateway, "slipstream_tcp_ended_total{reason=\"idle\"}").await, 1.0);
    gateway.stop().await;
}

#[tokio::test]
async fn silent_connections_give_way_and_health_answers_when_all_others_are_at_work() {
    let gateway = Gateway::start_with(|config| config.limits.max_connections = 8).await;
    let mut silent = Vec::new();
    for n in 0..100 {
        silent.push(TcpStream::connect(gateway.server().addr).await.unwrap());
        if n % 10 == 0 {
            assert_eq!(status(&gateway, "/health").await, 200, "beside {n} silent connections");
        }
    }
    until_closed(&mut silent[0]).await;
    let mut at_work = Vec::new();
    for _ in 0..8 {
        at_work.push(RawSocket::open(&gateway).await);
    }
    // The silent ones that were left had to go.
    for stream in &mut silent {
        until_closed(stream).await;
    }
    assert_eq!(status(&gateway, "/health").await, 200);
    assert_eq!(status(&gateway, "/api/status").await, 503);
    drop(at_work);
    let again = async {
        while status(&gateway, "/api/status").await != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("there is a place again");
    gateway.stop().await;
}

#[tokio::test]
async fn connections_kept_open_after_a_whole_request_do_not_keep_health_from_answering() {
    let gateway = Gateway::start_with(|config| config.limits.max_connections = 8).await;
    let mut kept = Vec::new();
    for n in 0..200 {
        let path = ["/api/status", "/health"][n % 2];
        kept.push(connect(&gateway, format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await);
        if n % 10 == 0 {
            assert_eq!(status(&gateway, "/health").await, 200, "beside {n} connections that are kept open");
        }
    }
    // Of the quiet ones one goes for each newcomer, so that other routes are open, too.
    let again = async {
        while status(&gateway, "/api/status").await != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("a quiet connection gives way");
    // To be asked, the metrics need a quiet connection that gives way, too.
    let counted = async {
        while metric(&gateway, "slipstream_tcp_ended_total{reason=\"gave_way\"}").await < 1.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, counted).await.expect("it is counted");
    gateway.stop().await;
}

#[tokio::test]
async fn strangers_bodies_are_small_and_take_nothing_from_callers_with_a_token() {
    let gateway = Gateway::start_with(|config| config.limits.max_buffered_bytes = 300_000).await;
    let head = |length: usize| format!("POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    let mut large = connect(&gateway, head(17 << 10).as_bytes()).await;
    let mut answer = [0; 12];
    large.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let mut stalled = Vec::new();
    for _ in 0..40 {
        stalled.push(connect(&gateway, &[head(16_000).as_bytes(), &[b' '; 15_999]].concat()).await);
    }
    let full = async {
        while metric(&gateway, "slipstream_http_bodies_refused_total{reason=\"no_space\"}").await < 10.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, full).await.expect("the strangers' share is full");
    assert!(metric(&gateway, "slipstream_http_open_buffered_bytes").await > 200_000.0);
    let post = || {
        let body = json!({"driverId": "ALB", "data": {"note": "x".repeat(3_000)}});
        reqwest::Client::new().post(gateway.url("/api/telemetry")).bearer_auth(gateway.token(Role::Relay)).json(&body).send()
    };
    for _ in 0..20 {
        assert_eq!(post().await.unwrap().status(), StatusCode::CREATED);
    }
    assert_eq!(status(&gateway, "/health").await, 200);
    drop(stalled);
    gateway.stop().await;
}

#[tokio::test]
async fn a_socketio_client_that_has_not_shown_a_token_sends_no_more_than_the_payload_it_was_told() {
    let gateway = Gateway::start().await;
    let large = vec![b'4'; 70_000];
    let fragments = |count: usize| {
        let firsts = std::iter::once(0x01).chain(std::iter::repeat_n(0x00, count - 1));
        firsts.flat_map(|first| masked(first, &[b'4'; 9_000])).collect::<Vec<_>>()
    };
    for (what, frames) in [
        ("the head of a frame of 60 MiB", vec![0x01, 0xFF, 0, 0, 0, 0, 3, 0xC0, 0, 0, 1, 2, 3, 4]),
        ("a whole message", masked(0x81, &large)),
        ("a message that ends no more", masked(0x01, &large)),
        ("fragments", fragments(8)),
        ("an attachment", masked(0x82, b"x")),
    ] {
        let mut stream = upgraded(&gateway).await;
        // It may be closed while more is sent.
        let _ = stream.write_all(&frames).await;
        until_closed(&mut stream).await;
        println!("closed after {what}");
    }
    // In one go with the request: whatever the server has read ahead counts, too.
    let mut stream = connect(&gateway, &[UPGRADE, &masked(0x81, &large)[..]].concat()).await;
    until_closed(&mut stream).await;
    // Attachments of polls would be collected, too.
    let client = reqwest::Client::new();
    let opened = client.get(gateway.url("/socket.io/?EIO=4&transport=polling")).send().await.unwrap().text().await.unwrap();
    let sid = opened.split('"').nth(3).unwrap().to_owned();
    let poll = |body: String| client.post(gateway.url(&format!("/socket.io/?EIO=4&transport=polling&sid={sid}"))).body(body).send();
    assert_eq!(poll("451-[\"step\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAAAA".to_owned()).await.unwrap().status(), 400);
    assert_eq!(poll("4".repeat(70_000)).await.unwrap().status(), 413);
    gateway.stop().await;
}

const UPGRADE: &[u8] = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A Socket.IO connection over WebSocket that has not joined.
async fn upgraded(gateway: &Gateway) -> TcpStream {
    let mut stream = connect(gateway, UPGRADE).await;
    let head = head_of(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// The head of an answer.
async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8_lossy(&head).into_owned()
}

#[tokio::test]
async fn socketio_commands_of_any_lawful_size_pass_and_the_session_lives_on() {
    let gateway = Gateway::start_with(|config| config.rl.open = true).await;
    let url = gateway.url("/socket.io/?EIO=4&transport=websocket").replace("http://", "ws://");
    let (mut client, _) = connect_async(url).await.unwrap();
    client.send(Message::text("40")).await.unwrap();
    // An event before the session has joined would end it.
    while !client.next().await.unwrap().unwrap().to_text().unwrap().starts_with("42[\"connection-status\"") {}
    let note = "x".repeat(60_000);
    for _ in 0..20 {
        client.send(Message::text(format!("42[\"step\",{{\"action\":9,\"note\":\"{note}\"}}]"))).await.unwrap();
    }
    let mut errors = 0;
    while errors < 20 {
        let message = timeout(PATIENCE, client.next()).await.expect("an answer in time").unwrap().unwrap();
        errors += usize::from(message.to_text().unwrap().starts_with("42[\"error\""));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn socketio_sessions_that_never_join_are_bounded_and_end() {
    let gateway = Gateway::start().await;
    let client = reqwest::Client::new();
    let open = || async { client.get(gateway.url("/socket.io/?EIO=4&transport=polling")).send().await.unwrap().status() };
    let mut opened = 0;
    while open().await == StatusCode::OK {
        opened += 1;
        assert!(opened <= 1_024, "there is no bound");
    }
    assert_eq!(open().await, StatusCode::TOO_MANY_REQUESTS);
    let ended = async {
        while metric(&gateway, "slipstream_socketio_joining").await > 0.0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(6 * PATIENCE, ended).await.expect("they end");
    assert_eq!(open().await, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_and_does_not_read_is_closed_as_slow_with_no_answer_missing() {
    let gateway = Gateway::start_with(|config| config.ws.outbox_bytes = 64 << 10).await;
    let socket = TcpSocket::new_v4().unwrap();
    // The kernel takes answers for a reader, too: few.
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stream = socket.connect(gateway.server().addr).await.unwrap();
    let token = gateway.token(Role::Viewer);
    stream.write_all(String::from_utf8_lossy(UPGRADE).replace("/socket.io/?", &format!("/ws?token={token}&")).as_bytes()).await.unwrap();
    let head = head_of(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let stream = stream.into_std().unwrap();
    let mut asks = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
    let mut socket = RawSocket(TcpStream::from_std(stream).unwrap());
    let asking = tokio::spawn(async move {
        for n in 0_u64.. {
            let kind = if n % 2 == 0 { "subscribe" } else { "unsubscribe" };
            let frame = masked(0x81, format!(r#"{{"type":"{kind}","channel":"telemetry:ALB","id":{n}}}"#).as_bytes());
            if asks.write_all(&frame).await.is_err() {
                return;
            }
        }
    });
    let slow = async {
        while metric(&gateway, "slipstream_ws_closed_total{code=\"slow_consumer\"}").await < 1.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(6 * PATIENCE, slow).await.expect("it is closed as slow");
    let mut next = 0;
    let code = loop {
        let (opcode, payload) = socket.frame().await.expect("a close frame comes before the end");
        if opcode == 0x8 {
            break u16::from_be_bytes([payload[0], payload[1]]);
        }
        let answer: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(answer["id"], next, "none is left out: {answer}");
        next += 1;
    };
    assert!(next > 0 && code == 4_001, "{code} after {next} answers");
    asking.abort();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_of_log_ins_is_used_again() {
    let process = Process::start(&["rate.failures_per_address=0"]).await;
    let client = reqwest::Client::new();
    let guess = || {
        let body = json!({"email": "nobody@example.com", "password": "wrong horse"});
        client.post(process.url("/api/auth/login")).json(&body).send()
    };
    for _ in 0..15 {
        let answers = futures_util::future::join_all((0..4).map(|_| guess())).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap().status() == StatusCode::UNAUTHORIZED));
    }
    let most = process.memory("VmHWM");
    assert!(most < 160 << 20, "two hashes of 19 MiB at a time: {} MiB", most >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_every_owner_while_the_server_drains_does_not_keep_it_and_a_second_signal_ends_it() {
    let mut process = Process::start(&["drain_timeout=3s"]).await;
    let token = Process::token("viewer", Role::Viewer);
    let channels = ["session:q1", "telemetry:ALB", "cell:x", "pipeline:x", "rl:bus-1", "system:health"];
    let (mut listener, _) = connect_async(process.ws_url(&format!("token={token}"))).await.unwrap();
    for channel in channels {
        listener.send(Message::text(format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#))).await.unwrap();
        assert!(listener.next().await.unwrap().unwrap().to_text().unwrap().contains("subscribed"));
    }
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..60 {
        let mut stream = TcpStream::connect(process.addr()).await.unwrap();
        let channel = channels[n % channels.len()];
        // One request is answered, so that the connection is one at work; the next comes while the server drains.
        let request = format!("GET /api/channels/{channel}/history HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
        stream.write_all(format!("{request}\r\n{request}").as_bytes()).await.unwrap();
        asking.spawn(async move {
            tokio::time::sleep(Duration::from_millis(50 * n as u64)).await;
            // The server may have closed it.
            let _ = stream.write_all(b"\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
    }
    let (status, took) = process.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", process.log());
    assert!(process.log().contains("stopped"), "{}", process.log());
    assert!(took < Duration::from_secs(3 + 7), "{took:?} with drain_timeout=3s");
    asking.shutdown().await;

    // A drain that waits for a body is ended by a second signal.
    let mut process = Process::start(&["drain_timeout=60s"]).await;
    let mut half = TcpStream::connect(process.addr()).await.unwrap();
    let head = format!("POST /api/telemetry HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", Process::token("relay", Role::Relay));
    half.write_all(format!("{head}content-length: 100\r\n\r\n{{").as_bytes()).await.unwrap();
    process.until_metric("slipstream_http_buffered_bytes", 1.0).await;
    process.signal();
    while !process.log().contains("draining") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (status, _) = process.terminate().await;
    assert_eq!(status.code(), Some(130), "{}", process.log());
}
