//! Refusals that are sent before their body has arrived reach the sender all the same.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use slipstream_tests::gateway::{Gateway, PATIENCE};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::doors::metric;

const BODY: usize = 4 << 20;

#[tokio::test]
async fn a_large_body_that_is_refused_unread_has_its_answer_read() {
    let gateway = Gateway::start().await;
    for (path, expected) in [
        ("/api/telemetry", StatusCode::UNAUTHORIZED),
        ("/api/auth/login", StatusCode::PAYLOAD_TOO_LARGE),
        ("/api/sessions", StatusCode::UNAUTHORIZED),
        ("/nowhere", StatusCode::NOT_FOUND),
    ] {
        for round in 0..5 {
            let post = reqwest::Client::new().post(gateway.url(path)).body(vec![b'x'; BODY]).send();
            let answer = timeout(PATIENCE, post).await.expect("in time").unwrap_or_else(|e| panic!("{path}, {round}: {e:?}"));
            let accepted = [expected, StatusCode::PAYLOAD_TOO_LARGE];
            assert!(accepted.contains(&answer.status()), "{path}: {}", answer.status());
            assert!(answer.text().await.unwrap().contains("\"success\":false"), "{path}");
        }
        // One that sends everything before it reads anything.
        let mut stream = TcpStream::connect(gateway.server().addr).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY}\r\n\r\n");
        let sent = async {
            stream.write_all(head.as_bytes()).await.unwrap();
            for piece in vec![b'x'; BODY].chunks(64 << 10) {
                stream.write_all(piece).await.unwrap_or_else(|e| panic!("{path}: {e}"));
            }
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let answer = timeout(PATIENCE, sent).await.expect("in time");
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{path}: {:?}", String::from_utf8_lossy(&answer));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_sender_that_never_ends_is_cut_off_and_counted() {
    let gateway = Gateway::start().await;
    let mut stream = TcpStream::connect(gateway.server().addr).await.unwrap();
    stream.write_all(b"POST /api/telemetry HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n").await.unwrap();
    let piece = vec![b'x'; 256 << 10];
    let mut sent = 0;
    let began = Instant::now();
    while timeout(PATIENCE, stream.write_all(&piece)).await.expect("it is read or reset").is_ok() {
        sent += piece.len();
        assert!(sent < 200 << 20 && began.elapsed() < Duration::from_secs(40), "{sent} bytes");
    }
    assert_eq!(metric(&gateway, "slipstream_tcp_ended_total{reason=\"unread\"}").await, 1.0);
    assert!(metric(&gateway, "slipstream_tcp_discarded_bytes_total").await > 1e6);
    gateway.stop().await;
}
