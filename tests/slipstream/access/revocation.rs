//! What is revoked ends at once, open connections included.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use slipstream_protocol::{
    WireFormat,
    token::{Claims, Role},
};
use slipstream_tests::gateway::{Gateway, PATIENCE, now_s};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::ask;

async fn revoke(gateway: &Gateway, token: &str, body: Value) -> (u16, Value) {
    ask(gateway, "POST", "/api/tokens/revoke", Some(token), Some(&body)).await
}

fn token_of(gateway: &Gateway, sub: &str, role: Role) -> String {
    gateway.token_of(&Claims { sub: sub.into(), exp: now_s() + 3_600, iat: Some(now_s() - 1), role, channels: None, publish: None })
}

/// A Socket.IO client that has joined with a token; returns when it has been disconnected.
async fn joined(gateway: &Gateway, token: &str) -> impl Future<Output = ()> + use<> {
    let url = format!("{}/socket.io/?EIO=4&transport=websocket", gateway.url("").replacen("http", "ws", 1));
    let (mut socket, _) = connect_async(url).await.unwrap();
    socket.send(Message::text(format!("40{}", json!({ "token": token })))).await.unwrap();
    loop {
        let Some(Ok(Message::Text(text))) = timeout(PATIENCE, socket.next()).await.unwrap() else { panic!("it joins") };
        if text.starts_with("42") && text.contains("connection-status") {
            break;
        }
    }
    async move {
        loop {
            match timeout(PATIENCE, socket.next()).await.expect("it is disconnected in time") {
                Some(Ok(Message::Text(text))) if text.starts_with("41") => return,
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return,
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_key_closes_its_connections() {
    let gateway = Gateway::start().await;
    let admin = gateway.token(Role::Admin);
    let (_, made) = ask(&gateway, "POST", "/api/keys", Some(&admin), Some(&json!({"name": "k", "role": "engineer"}))).await;
    let (id, key) = (made["data"]["id"].as_str().unwrap(), made["data"]["key"].as_str().unwrap());
    let mut client = gateway.client_with(&format!("token={key}"), WireFormat::Json).await;
    client.subscribe("telemetry:*").await;
    let disconnected = joined(&gateway, key).await;
    let mut other = gateway.client(Role::Viewer, WireFormat::Json).await;
    assert_eq!(ask(&gateway, "DELETE", &format!("/api/keys/{id}"), Some(&admin), None).await.0, 200);
    assert_eq!(client.closed().await, Some(4002));
    disconnected.await;
    other.is_well().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_token_is_revoked_by_itself_by_its_id_and_by_its_subject() {
    let gateway = Gateway::start().await;
    let admin = gateway.token(Role::Admin);
    for by in ["token", "jti", "subject"] {
        let token = token_of(&gateway, by, Role::Engineer);
        let other = token_of(&gateway, by, Role::Engineer);
        let id = gateway.services().auth.verify(&token, gateway.services().clock.now()).unwrap().id.to_string();
        let mut client = gateway.client_with(&format!("token={token}"), WireFormat::Json).await;
        client.subscribe("telemetry:*").await;
        let disconnected = joined(&gateway, &token).await;
        let body = match by {
            "token" => json!({ "token": token }),
            "jti" => json!({ "jti": id }),
            _ => json!({ "subject": by }),
        };
        assert_eq!(revoke(&gateway, &token_of(&gateway, "eve", Role::Engineer), body.clone()).await.0, 403, "{by}: only an admin");
        let (status, answer) = revoke(&gateway, &admin, body).await;
        assert_eq!((status, answer["data"]["connectionsClosed"].as_u64()), (200, Some(2)), "{answer}");
        assert_eq!(client.closed().await, Some(4002), "{by}");
        disconnected.await;
        let (status, answer) = ask(&gateway, "GET", "/api/status", Some(&token), None).await;
        assert!(status == 401 && answer["error"]["message"].as_str().unwrap().contains("revoked"), "{answer}");
        let expected = if by == "subject" { 401 } else { 200 };
        assert_eq!(ask(&gateway, "GET", "/api/status", Some(&other), None).await.0, expected, "{by}: another of the subject");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_revocation_outlives_a_restart_and_one_may_revoke_ones_own_token() {
    let mut gateway = Gateway::start().await;
    let (own, kept) = (token_of(&gateway, "bert", Role::Viewer), token_of(&gateway, "bert", Role::Viewer));
    assert_eq!(revoke(&gateway, &own, json!({ "token": own })).await.0, 200);
    for broken in [json!({}), json!({"token": "x"}), json!({"jti": ""}), json!({"jti": "a", "subject": "b"})] {
        assert_eq!(revoke(&gateway, &gateway.token(Role::Admin), broken.clone()).await.0, 400, "{broken}");
    }
    gateway.restart().await;
    // The list is read beside the start.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while ask(&gateway, "GET", "/api/status", Some(&own), None).await.0 != 401 {
        assert!(tokio::time::Instant::now() < deadline, "it is known again");
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&gateway, "GET", "/api/status", Some(&kept), None).await.0, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_revoked_subject_loses_the_keys_it_made_and_a_narrowed_admin_is_refused() {
    let gateway = Gateway::start().await;
    let admin = gateway.token(Role::Admin);
    let engineer = token_of(&gateway, "eee", Role::Engineer);
    let (_, made) = ask(&gateway, "POST", "/api/keys", Some(&engineer), Some(&json!({"name": "k", "role": "engineer"}))).await;
    let key = made["data"]["key"].as_str().unwrap();
    let mut client = gateway.client_with(&format!("token={key}"), WireFormat::Json).await;
    client.subscribe("telemetry:*").await;
    assert_eq!(revoke(&gateway, &admin, json!({"subject": "eee"})).await.0, 200);
    assert_eq!(client.closed().await, Some(4002));
    assert_eq!(ask(&gateway, "GET", "/api/status", Some(key), None).await.0, 401);
    let publish = Some(vec!["ALB".to_owned()]);
    let narrowed = Claims { sub: "a".into(), exp: now_s() + 60, iat: None, role: Role::Admin, channels: None, publish };
    let (status, refusal) = ask(&gateway, "GET", "/api/status", Some(&gateway.token_of(&narrowed)), None).await;
    assert_eq!(status, 401);
    assert!(refusal["error"]["message"].as_str().unwrap().contains("an admin may do everything"), "{refusal}");
    gateway.stop().await;
}
