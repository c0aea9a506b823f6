//! API keys carry at most their maker's rights and life.

use serde_json::json;
use slipstream_protocol::{
    Timestamp,
    token::{Claims, Role},
};
use slipstream_tests::gateway::{Gateway, now_s};

use super::{ask, narrowed};

#[tokio::test]
async fn a_narrowed_engineer_makes_no_key_and_an_engineers_key_ends_with_its_token() {
    let gateway = Gateway::start().await;
    let wide = json!({"name": "mine", "role": "engineer", "publish": ["*"]});
    for role in [Role::Engineer, Role::Driver, Role::Viewer, Role::Relay] {
        let (status, answer) = ask(&gateway, "POST", "/api/keys", Some(&narrowed(&gateway, role)), Some(&wide)).await;
        assert_eq!(status, 403, "{role:?}: {answer}");
    }
    let exp = now_s() + 60;
    let engineer = gateway.token_of(&Claims { sub: "ed".into(), exp, iat: None, role: Role::Engineer, channels: None, publish: None });
    let (status, made) = ask(&gateway, "POST", "/api/keys", Some(&engineer), Some(&wide)).await;
    assert_eq!((status, &made["data"]["expiresAt"]), (201, &json!(Timestamp::from_millis(exp * 1_000))), "{made}");
    for beyond in [
        json!({"name": "k", "role": "admin"}),
        json!({"name": "k", "role": "viewer", "expiresAt": Timestamp::from_millis((exp + 1) * 1_000)}),
    ] {
        let (status, answer) = ask(&gateway, "POST", "/api/keys", Some(&engineer), Some(&beyond)).await;
        assert_eq!((status, answer["error"]["details"].as_array().map(Vec::len)), (403, Some(1)), "{answer}");
    }
    let (_, endless) = ask(&gateway, "POST", "/api/keys", Some(&gateway.token(Role::Admin)), Some(&wide)).await;
    assert_eq!(endless["data"]["expiresAt"], json!(null), "{endless}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_can_be_narrowed_and_can_have_an_end() {
    let gateway = Gateway::start().await;
    let admin = gateway.token(Role::Admin);
    let body = json!({"name": "alb", "role": "engineer", "channels": ["telemetry:ALB"], "publish": ["ALB"]});
    let (_, made) = ask(&gateway, "POST", "/api/keys", Some(&admin), Some(&body)).await;
    let key = made["data"]["key"].as_str().unwrap();
    let sample = |vehicle: &str| json!({"driverId": vehicle, "data": {"n": 1}});
    assert_eq!(ask(&gateway, "POST", "/api/telemetry", Some(key), Some(&sample("ALB"))).await.0, 201);
    assert_eq!(ask(&gateway, "POST", "/api/telemetry", Some(key), Some(&sample("HAM"))).await.0, 403);
    assert_eq!(ask(&gateway, "GET", "/api/telemetry/HAM/latest", Some(key), None).await.0, 403);
    assert_eq!(ask(&gateway, "GET", "/api/replays", Some(key), None).await.0, 403);
    for (broken, value) in [("channels", json!(["weather:1"])), ("expiresAt", json!("2001-01-01T00:00:00Z")), ("expiresAt", json!(7))] {
        let mut body = json!({"name": "k", "role": "viewer"});
        body[broken] = value;
        assert_eq!(ask(&gateway, "POST", "/api/keys", Some(&admin), Some(&body)).await.0, 400, "{body}");
    }
    let soon = json!({"name": "k", "role": "viewer", "expiresAt": Timestamp::from_millis((now_s() + 1) * 1_000 + 500)});
    let (_, made) = ask(&gateway, "POST", "/api/keys", Some(&admin), Some(&soon)).await;
    let key = made["data"]["key"].as_str().unwrap();
    let mut client = gateway.client_with(&format!("token={key}"), slipstream_protocol::WireFormat::Json).await;
    assert_eq!(client.closed().await, Some(4002), "at its end");
    assert_eq!(ask(&gateway, "GET", "/api/status", Some(key), None).await.0, 401);
    gateway.stop().await;
}
