//! Who may what: origins of pages, how people are let in, keys, revocations, narrowed tokens.

mod files;
mod keys;
mod narrowed;
mod origins;
mod registration;
mod revocation;

use serde_json::Value;
use slipstream_protocol::token::{Claims, Role};
use slipstream_tests::gateway::{Gateway, now_s};

const PASSWORD: &str = "correct horse battery";

/// An answer's status and body.
async fn ask(gateway: &Gateway, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> (u16, Value) {
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), gateway.url(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

/// A token for ALB alone: it hears `telemetry:ALB` and publishes for ALB.
fn narrowed(gateway: &Gateway, role: Role) -> String {
    let claims = Claims {
        sub: "narrow".into(),
        exp: now_s() + 3_600,
        iat: None,
        role,
        channels: Some(vec!["telemetry:ALB".parse().unwrap()]),
        publish: Some(vec!["ALB".into()]),
    };
    gateway.token_of(&claims)
}
