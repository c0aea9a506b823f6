//! AI feedback: from the agent, from the built-in coach, and when there is none.

use serde_json::{Value, json};
use slipstream_engine::simulator::Simulator;
use slipstream_gateway::config::Secret;
use slipstream_protocol::{SessionId, Timestamp, VehicleId, token::Role};
use slipstream_tests::stand_in::{Answer, StandIn};

use super::api::Api;

fn request() -> Value {
    json!({ "driverId": "ALB", "sessionId": "fp1", "telemetryData": { "speed_mps": 51.5, "gear": 4 } })
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, content_type: "application/json", body: body.as_bytes().to_vec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_feedback_is_answered_kept_and_told() {
    let agent = StandIn::start(answer(200, r#"{"advice":"brake 5 m later","corner":3}"#)).await;
    let url = agent.url();
    let api = Api::with(|config| {
        config.ai_agent_url = Some(url);
        config.gradient_ai_api_key = Some(Secret::new("gradient-key"));
    })
    .await;
    let token = api.token(Role::Engineer, None);
    let mut ear = api.hear("ai:ALB", &token).await;
    let told = api.post("/api/ai/feedback", &token, &request()).await;
    let given = told.data(200);
    assert_eq!((&given["feedback"]["advice"], &given["source"]), (&json!("brake 5 m later"), &json!("agent")));
    let heard = ear.next("ai_feedback").await;
    assert_eq!((&heard["feedback"], &heard["driverId"], &heard["sessionId"]), (&given["feedback"], &json!("ALB"), &json!("fp1")));
    let kept = api.get("/api/ai/feedback?driverId=ALB", &token).await;
    assert_eq!((&kept.data(200)[0]["id"], &kept.data(200)[0]["feedback"]), (&given["id"], &given["feedback"]));

    let asked = agent.asked().remove(0);
    assert_eq!((asked.line.as_str(), asked.header("authorization")), ("POST /analyze", Some("Bearer gradient-key")));
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body, json!({ "driver_id": "ALB", "session_id": "fp1", "telemetry": { "speed_mps": 51.5, "gear": 4 } }));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_fails_or_is_away_is_told_as_such() {
    let agent = StandIn::start(answer(500, "out of tokens")).await;
    let url = agent.url();
    let api = Api::with(|config| config.ai_agent_url = Some(url)).await;
    let token = api.token(Role::Engineer, None);
    let told = api.post("/api/ai/feedback", &token, &request()).await;
    told.refused(502, "UPSTREAM_ERROR");
    assert!(told.json["error"]["message"].as_str().unwrap().contains("out of tokens"));
    agent.now_answers(answer(200, "not json"));
    api.post("/api/ai/feedback", &token, &request()).await.refused(502, "UPSTREAM_ERROR");
    drop(agent);
    api.post("/api/ai/feedback", &token, &request()).await.refused(503, "UNAVAILABLE");
    assert_eq!(api.get("/api/ai/feedback?driverId=ALB", &token).await.data(200), &json!([]), "nothing was kept");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_agent_the_coach_says_what_it_lacks_and_then_compares_laps() {
    let api = Api::start().await;
    let token = api.token(Role::Engineer, None);
    let told = api.post("/api/ai/feedback", &token, &request()).await;
    let early = &told.data(200)["feedback"];
    assert!(early["text"].as_str().unwrap().contains("speed_mps 51.5"), "{early}");

    drive(&api, &token, 330.0).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    let advice = loop {
        let told = api.post("/api/ai/feedback", &token, &request()).await;
        let feedback = told.data(200)["feedback"].clone();
        if feedback["corners"].is_array() {
            break feedback;
        }
        assert!(tokio::time::Instant::now() < deadline, "no advice after the laps: {feedback}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(!advice["corners"].as_array().unwrap().is_empty(), "{advice}");
    assert!(advice["referenceTimeS"].as_f64().unwrap() > 10.0, "{advice}");

    let mut elsewhere = request();
    elsewhere["sessionId"] = json!("nonsense");
    let told = api.post("/api/ai/feedback", &token, &elsewhere).await;
    let plain = &told.data(200)["feedback"];
    assert_eq!((&plain["lapsKnown"], &plain["lapsOfSession"], plain["corners"].is_null()), (&json!(0), &json!("fp1"), true), "{plain}");
    api.stop().await;
}

/// Sends a simulated car's samples through `POST /api/telemetry`.
async fn drive(api: &Api, token: &str, seconds: f64) {
    let rate_hz = 20.0;
    let start: Timestamp = "2024-05-05T12:00:00Z".parse().unwrap();
    let session = SessionId::new("fp1").unwrap();
    let mut car = Simulator::new(7, 1, rate_hz, session, start).with_vehicles([VehicleId::new("ALB").unwrap()]);
    let steps = (seconds * rate_hz) as usize;
    let mut batch = Vec::new();
    for step in 1..=steps {
        let mut samples = Vec::new();
        car.step(&mut samples);
        batch.extend(samples.iter().map(|sample| {
            let data: serde_json::Map<String, Value> =
                sample.signals.iter().map(|signal| (signal.name.to_string(), json!(signal.value.as_number()))).collect();
            json!({ "driverId": "ALB", "sessionId": "fp1", "timestamp": sample.source_time, "data": data })
        }));
        if step % 1_000 == 0 || step == steps {
            api.post("/api/telemetry", token, &json!({ "batch": std::mem::take(&mut batch) })).await.data(201);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_field_is_named_and_rights_are_asked_for() {
    let api = Api::start().await;
    let token = api.token(Role::Engineer, None);
    for (body, broken) in [
        (json!({}), vec!["driverId", "sessionId", "telemetryData"]),
        (json!({ "driverId": "a\u{7}b", "sessionId": 7, "telemetryData": [1] }), vec!["driverId", "sessionId", "telemetryData"]),
    ] {
        assert_eq!(api.post("/api/ai/feedback", &token, &body).await.refused(400, "VALIDATION_ERROR"), broken, "{body}");
    }
    api.post("/api/ai/feedback", &api.token(Role::Viewer, None), &request()).await.refused(403, "FORBIDDEN");
    api.post("/api/ai/feedback", &api.token(Role::Relay, Some(&["HAM"])), &request()).await.refused(403, "FORBIDDEN");
    assert_eq!(api.get("/api/ai/feedback", &token).await.refused(400, "VALIDATION_ERROR"), ["driverId"]);
    api.stop().await;
}
