//! Pages of other origins change nothing and open no connection.

use serde_json::{Value, json};
use slipstream_protocol::token::Role;
use slipstream_tests::gateway::Gateway;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest},
};

use super::{PASSWORD, ask};

const EVIL: &str = "http://evil.example";

/// The status of a request as a page sends it.
async fn page(gateway: &Gateway, origin: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), gateway.url(path)).header("origin", origin);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_owned()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

/// The status with which a WebSocket is opened or refused.
async fn open(gateway: &Gateway, path: &str, origin: Option<&str>) -> u16 {
    let mut request = gateway.url(path).replacen("http", "ws", 1).into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, answer)) => answer.status().as_u16(),
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_page_of_another_origin_makes_no_admin_however_it_sends_its_body() {
    let gateway = Gateway::start().await;
    let body = json!({"email": "evil@example.org", "password": PASSWORD}).to_string();
    for content_type in ["text/plain", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        for origin in [EVIL, "null", "http://127.0.0.1:1", "http://localhost", "file://"] {
            let (status, answer) = page(&gateway, origin, "POST", "/api/auth/register", &[("content-type", content_type)], &body).await;
            assert_eq!((status, answer["error"]["code"].as_str()), (403, Some("FORBIDDEN")), "{content_type} {origin}: {answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains("CORS_ORIGINS"), "{answer}");
        }
    }
    // A browser that leaves `Origin` out says at least that the request crosses sites.
    let unsaid = reqwest::Client::new().post(gateway.url("/api/auth/register")).header("sec-fetch-site", "cross-site").body(body);
    assert_eq!(unsaid.send().await.unwrap().status(), 403);
    let (_, users) = ask(&gateway, "GET", "/api/users", Some(&gateway.token(Role::Admin)), None).await;
    assert_eq!(users["data"], json!([]));
    gateway.stop().await;
}

#[tokio::test]
async fn other_origins_change_nothing_even_with_a_token_and_may_read_what_they_cannot_see() {
    let gateway = Gateway::start_with(|config| config.rl.open = true).await;
    let auth = format!("Bearer {}", gateway.token(Role::Admin));
    let (auth, own) = ([("authorization", auth.as_str())], gateway.url(""));
    for (method, path) in [
        ("POST", "/api/telemetry"),
        ("POST", "/api/step"),
        ("POST", "/api/reset"),
        ("POST", "/api/auth/login"),
        ("POST", "/api/auth/setup"),
        ("POST", "/api/keys"),
        ("PUT", "/api/drivers/ALB"),
        ("DELETE", "/api/keys/x"),
        ("PATCH", "/api/drivers/ALB"),
    ] {
        assert_eq!(page(&gateway, EVIL, method, path, &auth, "{}").await.0, 403, "{method} {path}");
        assert_ne!(page(&gateway, &own, method, path, &auth, "{}").await.0, 403, "{method} {path} of the page itself");
    }
    let read = reqwest::Client::new().get(gateway.url("/api/status")).header("origin", EVIL).header(auth[0].0, auth[0].1);
    let read = read.send().await.unwrap();
    assert_eq!(read.status(), 200);
    assert!(!read.headers().contains_key("access-control-allow-origin"), "its page is not let see the answer");
    gateway.stop().await;
}

#[tokio::test]
async fn websockets_and_socketio_open_for_this_server_and_listed_origins_alone() {
    let gateway = Gateway::start_with(|config| {
        config.rl.open = true;
        config.cors_origins = vec!["https://pit.example".into()];
    })
    .await;
    let own = gateway.url("");
    let ws = format!("/ws?token={}", gateway.token(Role::Viewer));
    let socketio = "/socket.io/?EIO=4&transport=websocket";
    for path in [ws.as_str(), socketio] {
        for origin in [None, Some(own.as_str()), Some("https://pit.example"), Some("https://PIT.example:443")] {
            assert_eq!(open(&gateway, path, origin).await, 101, "{path} {origin:?}");
        }
        for origin in [EVIL, "null", "http://pit.example", "https://pit.example.evil.example"] {
            assert_eq!(open(&gateway, path, Some(origin)).await, 403, "{path} {origin}");
        }
    }
    let polling = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(page(&gateway, EVIL, "GET", polling, &[], "").await.0, 403);
    assert_eq!(page(&gateway, EVIL, "POST", polling, &[], "40").await.0, 403);
    assert_eq!(page(&gateway, &own, "GET", polling, &[], "").await.0, 200);
    let (_, metrics) = (0, reqwest::Client::new().get(gateway.url("/metrics")).bearer_auth(gateway.token(Role::Viewer)));
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(metrics.lines().any(|line| line.starts_with("slipstream_origins_refused_total ") && !line.ends_with(" 0")), "{metrics}");
    gateway.stop().await;
}
