//! `/openapi.json` against a live server: every operation is called, and what comes back is what its contract says.

use std::collections::BTreeSet;

use base64::Engine as _;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use slipstream_protocol::token::Role;
use slipstream_tests::gateway::Gateway;

/// What is wrong with `value` by `schema`; the words of JSON Schema that the document uses.
fn faults(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        return faults(document, resolve(document, reference), value, place, found);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |schema: &&Value| {
            let mut faulty = Vec::new();
            faults(document, schema, value, place, &mut faulty);
            faulty.is_empty()
        };
        if !any.iter().any(|schema| fits(&schema)) {
            found.push(format!("{place}: none of the shapes fits"));
        }
        return;
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        _ => true,
    };
    if !fits {
        return found.push(format!("{place}: {value} is not {}", schema["type"]));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        found.push(format!("{place}: {value} is none of {words:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{place}: {name} is missing"));
        }
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            faults(document, schema, value, &format!("{place}.{name}"), found);
        }
    }
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        faults(document, &schema["items"], value, &format!("{place}[{index}]"), found);
    }
}

fn resolve<'d>(document: &'d Value, reference: &str) -> &'d Value {
    document.pointer(reference.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{reference} is not there"))
}

/// The smallest PNG.
fn image() -> String {
    let mut png = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(2, 2).write_to(&mut png, image::ImageFormat::Png).unwrap();
    base64::engine::general_purpose::STANDARD.encode(png.into_inner())
}

/// A good request of every operation, in an order in which each finds what it needs: method, path, query, body.
fn requests() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let steps = json!([{"op": "window", "kind": "tumbling", "size": "1s", "of": {"n": ["mean"]}}]);
    let pipeline = |name: &str| json!({"name": name, "steps": steps});
    let none = || Value::Null;
    vec![
        ("GET", "/health", "", none()),
        ("GET", "/api/health", "", none()),
        ("GET", "/api/status", "", none()),
        ("GET", "/metrics", "", none()),
        ("GET", "/openapi.json", "", none()),
        ("GET", "/asyncapi.json", "", none()),
        ("POST", "/api/telemetry", "", json!({"driverId": "ALB", "sessionId": "q1", "data": {"n": 1}})),
        ("GET", "/api/telemetry/ALB", "from=-15m&to=now&signals=n&window=1s&aggregate=max&session=q1&limit=10", none()),
        ("GET", "/api/telemetry/ALB/latest", "", none()),
        ("GET", "/api/vehicles", "", none()),
        ("GET", "/api/channels/telemetry:ALB/history", "limit=10", none()),
        ("GET", "/api/sessions/q1/metrics", "", none()),
        ("POST", "/api/pipelines", "", pipeline("speed")),
        ("GET", "/api/pipelines", "", none()),
        ("GET", "/api/pipelines/speed", "", none()),
        ("PUT", "/api/pipelines/speed", "", pipeline("speed")),
        ("GET", "/api/pipelines/speed/stats", "", none()),
        ("POST", "/api/pipelines/speed/pause", "", none()),
        ("POST", "/api/pipelines/speed/resume", "", none()),
        ("DELETE", "/api/pipelines/speed", "", none()),
        ("GET", "/api/alarms", "open=true&acknowledged=false&vehicle=ALB&severity=info&page=1&per_page=5", none()),
        (
            "POST",
            "/api/video",
            "",
            json!({"driverId": "ALB", "sessionId": "q1", "timestamp": "2026-01-01T00:00:00Z", "frameData": image()}),
        ),
        ("GET", "/api/video", "driverId=ALB&page=1", none()),
        ("POST", "/api/ai/feedback", "", json!({"driverId": "ALB", "sessionId": "q1", "telemetryData": {}})),
        ("GET", "/api/ai/feedback", "driverId=ALB&page=1", none()),
        ("POST", "/api/sessions", "", json!({"driverId": "ALB", "name": "q"})),
        ("GET", "/api/sessions", "driverId=ALB&page=1&per_page=5", none()),
        ("GET", "/api/sessions/ALB", "", none()),
        ("GET", "/api/auth/me", "", none()),
        ("POST", "/api/users", "", json!({"email": "ann@example.org", "password": "a long password", "role": "viewer"})),
        ("GET", "/api/users", "", none()),
        ("POST", "/api/invites", "", json!({"role": "viewer"})),
        ("GET", "/api/invites", "", none()),
        ("POST", "/api/auth/login", "", json!({"email": "ann@example.org", "password": "a long password"})),
        ("POST", "/api/keys", "", json!({"name": "a key", "role": "relay", "publish": ["ALB"]})),
        ("GET", "/api/keys", "", none()),
        ("POST", "/api/replays", "", json!({"speed": 100})),
        ("GET", "/api/replays", "", none()),
        ("GET", "/api/replays/{replay}", "", none()),
        ("DELETE", "/api/replays/{replay}", "", none()),
        ("POST", "/api/what-ifs", "", json!({"pipeline": pipeline("try")})),
        ("GET", "/api/what-ifs/{what-if}", "offset=0&limit=5", none()),
        ("DELETE", "/api/what-ifs/{what-if}", "", none()),
        ("PUT", "/api/drivers/HAM", "", json!({"name": "Lewis"})),
        ("GET", "/api/drivers", "", none()),
        ("GET", "/api/drivers/HAM", "", none()),
        ("PUT", "/api/teams/mer", "", json!({"name": "Mercedes"})),
        ("GET", "/api/teams", "", none()),
        ("PUT", "/api/tracks/spa", "", json!({"name": "Spa", "lengthM": 7004})),
        ("GET", "/api/tracks", "", none()),
        ("GET", "/api/tracks/spa", "", none()),
        ("POST", "/api/load-model", "", json!({"algorithm": "DQN"})),
        ("GET", "/api/models", "", none()),
        ("POST", "/api/reset", "", none()),
        ("POST", "/api/step", "", json!({"action": 0})),
        ("GET", "/api/environment-info", "", none()),
        ("GET", "/api/current-state", "", none()),
        ("GET", "/api/episode-data", "", none()),
        ("GET", "/api/ws-status", "", none()),
        ("POST", "/api/rl/agents", "", json!({"id": "guard", "environment": "avoidance", "seed": 1})),
        ("GET", "/api/rl/agents", "", none()),
        ("GET", "/api/rl/agents/guard", "", none()),
        ("POST", "/api/rl/agents/guard/episodes", "", json!({"seed": 1})),
        ("POST", "/api/rl/agents/guard/steps", "", json!({"action": 0, "count": 1})),
        ("POST", "/api/rl/agents/guard/reset", "", none()),
        ("PUT", "/api/rl/agents/guard/policy", "", json!({"model": "rules"})),
        ("PUT", "/api/rl/agents/guard/shadow", "", none()),
        ("PUT", "/api/rl/agents/guard/shield", "", json!({"rules": []})),
        ("PUT", "/api/rl/agents/guard/play", "", none()),
        ("PUT", "/api/rl/agents/guard/vehicle", "", json!({"vehicle": "ALB", "attention": 0.5})),
        ("POST", "/api/rl/agents/guard/training", "", json!({"steps": 1000, "episodes": 1})),
        ("GET", "/api/rl/agents/guard/training", "", none()),
        ("DELETE", "/api/rl/agents/guard/training", "", none()),
        ("GET", "/api/rl/trainings", "agent=guard", none()),
        ("POST", "/api/rl/evaluations", "", json!({"policies": ["random"], "episodes": 1})),
        ("GET", "/api/rl/evaluations", "", none()),
        ("DELETE", "/api/rl/agents/guard", "", none()),
    ]
}

/// What no good request is made of here: an alarm and a voice engine are not there, registration may be closed, and ids
/// are given by the server.
const NOT_CALLED: [&str; 13] = [
    "get /api/alarms/{id}",
    "post /api/alarms/{id}/acknowledge",
    "post /api/pipelines/{name}/steps/{step}/commands",
    "get /api/video/{id}",
    "post /api/voice/synthesize",
    "post /api/auth/register",
    "post /api/auth/setup",
    "delete /api/invites/{id}",
    "post /api/tokens/revoke",
    "put /api/users/{id}",
    "delete /api/users/{id}",
    "delete /api/keys/{id}",
    "put /api/replays/{id}",
];

/// The template of the document that a path fits.
fn template<'d>(document: &'d Value, path: &str) -> &'d str {
    let fits = |template: &str| {
        let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len() && template.iter().zip(&path).all(|(t, p)| t == p || t.starts_with('{'))
    };
    let paths = document["paths"].as_object().unwrap();
    // The most literal one.
    let found = paths.keys().filter(|template| fits(template)).min_by_key(|template| template.matches('{').count());
    found.unwrap_or_else(|| panic!("{path} is not in the document"))
}

#[tokio::test]
async fn every_operation_answers_as_its_contract_says() {
    let gateway = Gateway::start().await;
    let client = Client::new();
    let document: Value = client.get(gateway.url("/openapi.json")).send().await.unwrap().json().await.unwrap();
    let token = gateway.token(Role::Admin);
    let (mut called, mut wrong) = (BTreeSet::new(), Vec::new());
    let (mut replay, mut what_if) = (String::new(), String::new());
    for (method, path, query, body) in requests() {
        let path = path.replace("{replay}", &replay).replace("{what-if}", &what_if);
        let template = template(&document, &path);
        let operation = &document["paths"][template][method.to_lowercase()];
        let which = format!("{} {template}", method.to_lowercase());
        let request =
            client.request(Method::from_bytes(method.as_bytes()).unwrap(), gateway.url(&format!("{path}?{query}"))).bearer_auth(&token);
        let request = if body.is_null() { request } else { request.json(&body) };
        if !body.is_null() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let mut found = Vec::new();
            faults(&document, schema, &body, "body", &mut found);
            wrong.extend(found.into_iter().map(|fault| format!("{which}: {fault}")));
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").map_or(String::new(), |kind| kind.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        let Some(declared) = operation["responses"].get(status.to_string()) else {
            wrong.push(format!("{which}: {status} is not declared: {text}"));
            continue;
        };
        let declared = declared["$ref"].as_str().map_or(declared, |reference| resolve(&document, reference));
        let media = kind.split(';').next().unwrap();
        let Some(content) = declared["content"].get(media) else {
            wrong.push(format!("{which}: {media} is not declared"));
            continue;
        };
        called.insert(which.clone());
        if media != "application/json" {
            continue;
        }
        let value: Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        faults(&document, &content["schema"], &value, "answer", &mut found);
        wrong.extend(found.into_iter().map(|fault| format!("{which}: {fault}")));
        match (method, template) {
            ("POST", "/api/replays") => value["data"]["id"].as_str().unwrap_or_default().clone_into(&mut replay),
            ("POST", "/api/what-ifs") => value["data"]["id"].as_str().unwrap_or_default().clone_into(&mut what_if),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let all = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")).collect::<Vec<_>>());
    let left: Vec<_> = all.filter(|which| !called.contains(which) && !NOT_CALLED.contains(&which.as_str())).collect();
    assert!(left.is_empty(), "never called: {left:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn every_refusal_has_the_shape_that_is_declared() {
    let gateway = Gateway::start().await;
    let client = Client::new();
    let document: Value = client.get(gateway.url("/openapi.json")).send().await.unwrap().json().await.unwrap();
    let token = gateway.token(Role::Admin);
    let schema = &document["components"]["schemas"]["Failure"];
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let real = path.split('/').map(|part| if part.starts_with('{') { "%01" } else { part }).collect::<Vec<_>>().join("/");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let body = if method == Method::GET { String::new() } else { "[7]".to_owned() };
            // One too large for every bound, unknown everywhere.
            let query = if method == Method::GET { "?no_such_parameter=1" } else { "" };
            let answer =
                client.request(method.clone(), gateway.url(&format!("{real}{query}"))).bearer_auth(&token).body(body).send().await.unwrap();
            if answer.status().is_success() {
                continue;
            }
            assert!(answer.status().is_client_error(), "{method} {path}: {}", answer.status());
            assert!(operation["responses"]["4XX"].is_object());
            let value: Value = answer.json().await.unwrap();
            let mut found = Vec::new();
            faults(&document, schema, &value, "refusal", &mut found);
            assert!(found.is_empty(), "{method} {path}: {found:?}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
    gateway.stop().await;
}
