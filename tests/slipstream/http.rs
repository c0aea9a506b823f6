//! REST, from outside.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use slipstream_protocol::{
    WireFormat,
    token::{Claims, Role},
};
use slipstream_tests::gateway::{Gateway, PATIENCE, now_s};
use tokio::time::{Instant, sleep};

async fn call(gateway: &Gateway, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Response {
    let mut request = Client::new().request(method, gateway.url(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}

async fn refusal(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status().as_u16(), status);
    assert!(response.headers().contains_key("x-request-id"));
    let body: Value = response.json().await.unwrap();
    assert_eq!((body["success"].as_bool(), body["error"]["code"].as_str()), (Some(false), Some(code)), "{body}");
    assert!(body["error"]["details"].is_array() && body["timestamp"].is_string(), "{body}");
    body
}

#[tokio::test]
async fn telemetry_is_stored_broadcast_and_read_back() {
    let gateway = Gateway::start().await;
    let relay = gateway.token(Role::Relay);
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.subscribe("telemetry:ALB").await;
    for n in 0..3 {
        let sample = json!({"driverId": "ALB", "sessionId": "q1", "timestamp": format!("2024-05-01T12:00:0{n}Z"), "data": {"rpm": 1000 * n, "gear": "N"}});
        let response = call(&gateway, Method::POST, "/api/telemetry", Some(&relay), Some(sample)).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let body: Value = response.json().await.unwrap();
        assert!(body["data"]["id"].is_string(), "{body}");
        assert_eq!(viewer.message_of("telemetry").await["data"]["rpm"], 1000 * n);
    }
    let latest: Value = call(&gateway, Method::GET, "/api/telemetry/ALB/latest", Some(&relay), None).await.json().await.unwrap();
    assert_eq!((latest["data"]["data"]["rpm"].as_f64(), latest["data"]["data"]["gear"].as_str()), (Some(2000.0), Some("N")), "{latest}");
    let path = "/api/telemetry/ALB?from=2024-05-01T00:00:00Z&to=2024-05-02T00:00:00Z&signals=rpm";
    let deadline = Instant::now() + PATIENCE;
    loop {
        let series: Value = call(&gateway, Method::GET, path, Some(&relay), None).await.json().await.unwrap();
        let points = series["data"]["series"][0]["points"].as_array().map_or(0, Vec::len);
        if points == 3 {
            assert_eq!(series["data"]["series"][0]["points"][2]["value"], 2000.0);
            break;
        }
        assert!(Instant::now() < deadline, "{series}");
        sleep(std::time::Duration::from_millis(50)).await;
    }
    let mean: Value =
        call(&gateway, Method::GET, &format!("{path}&window=1m&aggregate=mean"), Some(&relay), None).await.json().await.unwrap();
    assert_eq!(mean["data"]["series"][0]["points"][0]["value"], 1000.0, "{mean}");
    let vehicles: Value = call(&gateway, Method::GET, "/api/vehicles", Some(&relay), None).await.json().await.unwrap();
    assert_eq!((vehicles["data"][0]["id"].as_str(), vehicles["pagination"]["total"].as_u64()), (Some("ALB"), Some(1)), "{vehicles}");
    let history: Value = call(&gateway, Method::GET, "/api/channels/telemetry:ALB/history", Some(&relay), None).await.json().await.unwrap();
    assert_eq!(history["data"]["publications"].as_array().map(Vec::len), Some(3), "{history}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_batch_takes_its_good_samples_and_names_the_others() {
    let gateway = Gateway::start().await;
    let relay = gateway.token(Role::Relay);
    let batch = json!({"batch": [{"driverId": "A", "data": {"n": 1}}, {"driverId": "a\u{7}b", "data": {"n": 1}}, {"driverId": "B", "data": {"n": 2}}]});
    let response = call(&gateway, Method::POST, "/api/telemetry", Some(&relay), Some(batch)).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let body: Value = response.json().await.unwrap();
    assert_eq!((body["data"]["accepted"].as_u64(), body["data"]["refused"][0]["index"].as_u64()), (Some(2), Some(1)), "{body}");
    gateway.stop().await;
}

#[tokio::test]
async fn every_refusal_is_in_the_envelope_with_its_status() {
    let gateway = Gateway::start_with(|c| c.limits.max_frame_bytes = 10_000).await;
    let (relay, viewer) = (gateway.token(Role::Relay), gateway.token(Role::Viewer));
    let expired =
        gateway.token_of(&Claims { sub: "x".into(), exp: now_s() - 5, iat: None, role: Role::Admin, channels: None, publish: None });
    let good = || Some(json!({"driverId": "ALB", "data": {"n": 1}}));
    let post = |token, body| call(&gateway, Method::POST, "/api/telemetry", token, body);
    let get = |path, token| call(&gateway, Method::GET, path, token, None);
    refusal(post(None, good()).await, 401, "UNAUTHORIZED").await;
    refusal(post(Some("nonsense"), good()).await, 401, "UNAUTHORIZED").await;
    refusal(post(Some(&expired), good()).await, 401, "UNAUTHORIZED").await;
    refusal(post(Some(&viewer), good()).await, 403, "FORBIDDEN").await;
    refusal(post(Some(&relay), Some(json!({"data": {}}))).await, 400, "VALIDATION_ERROR").await;
    refusal(post(Some(&relay), Some(json!({"driverId": "ALB", "data": {"n": "x".repeat(20_000)}}))).await, 413, "TOO_LARGE").await;
    refusal(get("/nothing/here", None).await, 404, "NOT_FOUND").await;
    refusal(get("/api/nothing", Some(&relay)).await, 404, "NOT_FOUND").await;
    refusal(get("/api/nothing", None).await, 404, "NOT_FOUND").await;
    refusal(get("/api/telemetry/NOBODY/latest", Some(&relay)).await, 404, "NOT_FOUND").await;
    refusal(call(&gateway, Method::DELETE, "/api/telemetry", Some(&relay), None).await, 405, "METHOD_NOT_ALLOWED").await;
    refusal(call(&gateway, Method::POST, "/health", None, None).await, 405, "METHOD_NOT_ALLOWED").await;
    let broken = refusal(get("/api/telemetry/ALB?from=noon&window=wide&limit=0", Some(&relay)).await, 400, "VALIDATION_ERROR").await;
    assert_eq!(broken["error"]["details"].as_array().unwrap().len(), 3, "{broken}");
    let raw = Client::new().post(gateway.url("/api/telemetry")).bearer_auth(&relay).body("{").send().await.unwrap();
    refusal(raw, 400, "INVALID_JSON").await;
    // A body of unknown length is bounded, too.
    let stream = reqwest::Body::from(vec![b' '; 20_000]);
    let raw = Client::new().post(gateway.url("/api/telemetry")).bearer_auth(&relay).body(stream).send().await.unwrap();
    refusal(raw, 413, "TOO_LARGE").await;
    assert_eq!(post(Some(&relay), good()).await.status(), StatusCode::CREATED, "and good requests go on");
    gateway.stop().await;
}

#[tokio::test]
async fn origins_that_may_call_are_told_so_and_no_others() {
    let gateway = Gateway::start_with(|c| c.cors_origins = vec!["https://pit.example".into()]).await;
    let preflight = |origin: &'static str| {
        Client::new()
            .request(Method::OPTIONS, gateway.url("/api/telemetry"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
    };
    let good = preflight("https://pit.example").await.unwrap();
    assert_eq!(good.status(), StatusCode::NO_CONTENT);
    assert_eq!(good.headers()["access-control-allow-origin"], "https://pit.example");
    assert!(good.headers()["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    let bad = preflight("https://evil.example").await.unwrap();
    assert_eq!(bad.status(), StatusCode::FORBIDDEN);
    assert!(!bad.headers().contains_key("access-control-allow-origin"));
    // Also a refusal must be readable by the page that called.
    let refused = Client::new().get(gateway.url("/api/status")).header("origin", "https://pit.example").send().await.unwrap();
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://pit.example");
    gateway.stop().await;
}

#[tokio::test]
async fn health_status_and_metrics_tell_how_the_server_is() {
    let gateway = Gateway::start().await;
    let health: Value = call(&gateway, Method::GET, "/health", None, None).await.json().await.unwrap();
    assert_eq!((health["data"]["status"].as_str(), health["data"]["records"]["ok"].as_bool()), (Some("ok"), Some(true)), "{health}");
    let token = gateway.token(Role::Relay);
    let status: Value = call(&gateway, Method::GET, "/api/status", Some(&token), None).await.json().await.unwrap();
    assert_eq!(
        (status["data"]["user"]["id"].as_str(), status["data"]["user"]["role"].as_str()),
        (Some("tester"), Some("relay")),
        "{status}"
    );
    let sample = json!({"driverId": "ALB", "data": {"n": 1}});
    call(&gateway, Method::POST, "/api/telemetry", Some(&token), Some(sample)).await;
    let metrics = call(&gateway, Method::GET, "/metrics", Some(&token), None).await.text().await.unwrap();
    for line in [
        "slipstream_samples_in_total 1",
        "slipstream_journal_appends_total 1",
        "slipstream_http_requests_total{route=\"/api/telemetry\",status=\"201\"} 1",
        "slipstream_mailbox_depth ",
        "slipstream_outbox_bytes ",
        "slipstream_sink_lag_seconds{store=\"sqlite\"}",
        "slipstream_restarts_total 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.send(json!({"type": "subscribe", "channel": "system:health"})).await;
    assert_eq!(viewer.message_of("health").await["health"]["status"], "ok");
    gateway.stop().await;
}

#[tokio::test]
async fn every_documented_operation_exists_and_asks_for_its_token() {
    let gateway = Gateway::start().await;
    let document: Value = call(&gateway, Method::GET, "/openapi.json", None, None).await.json().await.unwrap();
    let token = gateway.token(Role::Admin);
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let real = path.replace("{id}", "no-such").replace("{channel}", "telemetry:no-such");
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let body = (method != Method::GET).then(|| json!({}));
            let closed = !operation["security"].as_array().unwrap().is_empty();
            let bare = call(&gateway, method.clone(), &real, None, body.clone()).await;
            assert_eq!(bare.status() == StatusCode::UNAUTHORIZED, closed, "{method} {path}");
            let answer = call(&gateway, method.clone(), &real, Some(&token), body).await;
            let status = answer.status();
            let text = answer.text().await.unwrap();
            assert!(status != StatusCode::METHOD_NOT_ALLOWED && !status.is_server_error(), "{method} {path}: {status} {text}");
            assert!(!text.contains("there is nothing at this path"), "{method} {path}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} operations");
    let live: Value = call(&gateway, Method::GET, "/asyncapi.json", None, None).await.json().await.unwrap();
    assert_eq!(live["x-close-codes"][4]["code"], 4000);
    let page = call(&gateway, Method::GET, "/docs", None, None).await.text().await.unwrap();
    assert!(page.contains("/api/telemetry/{id}/latest") && !page.contains("<script"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_given_request_id_comes_back_and_a_malformed_one_does_not() {
    let gateway = Gateway::start().await;
    let ask = |id: &'static str| Client::new().get(gateway.url("/health")).header("x-request-id", id).send();
    assert_eq!(ask("lap-7").await.unwrap().headers()["x-request-id"], "lap-7");
    assert_ne!(ask("a b c").await.unwrap().headers()["x-request-id"], "a b c");
    gateway.stop().await;
}

/// A full disk, as the journal sees it: no segment can be made while its folder is elsewhere.
#[tokio::test]
async fn a_disk_that_takes_no_writes_degrades_health_until_it_does_again() {
    let gateway = Gateway::start_with(|c| c.journal.segment_bytes = 1).await;
    let relay = gateway.token(Role::Relay);
    let sample = || Some(json!({"driverId": "ALB", "data": {"rpm": 1}}));
    let health = async || -> Value { call(&gateway, Method::GET, "/health", None, None).await.json().await.unwrap() };
    assert_eq!(call(&gateway, Method::POST, "/api/telemetry", Some(&relay), sample()).await.status(), StatusCode::CREATED);
    assert_eq!(health().await["data"]["status"], "ok");
    let journal = gateway.services().config.data_dir.join("journal");
    let away = journal.with_file_name("away");
    std::fs::rename(&journal, &away).unwrap();
    assert_eq!(call(&gateway, Method::POST, "/api/telemetry", Some(&relay), sample()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let told = health().await;
    assert_eq!(told["data"]["status"], "degraded", "{told}");
    assert!(told["data"]["journal"]["writeError"].as_str().unwrap().contains("free disk space under DATA_DIR"), "{told}");
    std::fs::rename(&away, &journal).unwrap();
    let deadline = Instant::now() + PATIENCE;
    // Nobody publishes meanwhile: who balances load sends nothing to a server that is degraded.
    while health().await["data"]["status"] != "ok" {
        assert!(Instant::now() < deadline);
        sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(call(&gateway, Method::POST, "/api/telemetry", Some(&relay), sample()).await.status(), StatusCode::CREATED);
}
