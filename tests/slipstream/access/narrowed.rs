//! What a narrowed token does not reach: one table of every route that tells of, or changes, more than its vehicle.

use serde_json::{Value, json};
use slipstream_protocol::token::Role;
use slipstream_tests::gateway::Gateway;

use super::{ask, narrowed};

/// Method, path, body, and what a narrowed engineer and a narrowed viewer hear. All of them are for ALB alone.
type Row = (&'static str, &'static str, Value, u16, u16);

fn rows() -> Vec<Row> {
    let what_if = json!({"pipeline": pipeline("tried"), "source": "journal"});
    let none = Value::Null;
    vec![
        // What tells of every vehicle, or of another one.
        ("GET", "/metrics", none.clone(), 403, 403),
        ("GET", "/api/telemetry/HAM/latest", none.clone(), 403, 403),
        ("GET", "/api/telemetry/HAM", none.clone(), 403, 403),
        ("GET", "/api/channels/telemetry:HAM/history", none.clone(), 403, 403),
        ("GET", "/api/channels/pipeline:speed/history", none.clone(), 403, 403),
        ("GET", "/api/drivers/HAM", none.clone(), 403, 403),
        ("GET", "/api/sessions", none.clone(), 403, 403),
        ("GET", "/api/sessions/HAM", none.clone(), 403, 403),
        ("GET", "/api/sessions/q1/metrics", none.clone(), 403, 403),
        ("GET", "/api/video?driverId=HAM", none.clone(), 403, 403),
        ("GET", "/api/ai/feedback?driverId=HAM", none.clone(), 403, 403),
        ("GET", "/api/alarms", none.clone(), 403, 403),
        ("GET", "/api/alarms?vehicle=HAM", none.clone(), 403, 403),
        ("GET", "/api/pipelines/speed", none.clone(), 403, 403),
        ("GET", "/api/pipelines/speed/stats", none.clone(), 403, 403),
        ("GET", "/api/pipelines/no-such", none.clone(), 403, 403),
        ("GET", "/api/replays", none.clone(), 403, 403),
        ("GET", "/api/replays/replay-1", none.clone(), 403, 403),
        ("GET", "/api/what-ifs/1", none.clone(), 403, 403),
        ("GET", "/api/rl/agents/bus", none.clone(), 403, 403),
        ("GET", "/api/rl/agents/bus/training", none.clone(), 403, 403),
        ("GET", "/api/models", none.clone(), 403, 403),
        ("GET", "/api/current-state", none.clone(), 403, 403),
        ("GET", "/api/users", none.clone(), 403, 403),
        ("GET", "/api/keys", none.clone(), 403, 403),
        ("GET", "/api/invites", none.clone(), 403, 403),
        // What changes, or has the server read, more than its vehicle.
        ("POST", "/api/telemetry", json!({"driverId": "HAM", "data": {"n": 1}}), 403, 403),
        ("POST", "/api/what-ifs", what_if, 403, 403),
        ("DELETE", "/api/what-ifs/1", none.clone(), 403, 403),
        ("POST", "/api/replays", json!({"vehicles": ["HAM"]}), 403, 403),
        ("PUT", "/api/replays/replay-1", json!({"speed": 2}), 403, 403),
        ("DELETE", "/api/replays/replay-1", none.clone(), 403, 403),
        ("POST", "/api/pipelines", pipeline("mine"), 403, 403),
        ("PUT", "/api/pipelines/speed", pipeline("speed"), 403, 403),
        ("DELETE", "/api/pipelines/speed", none.clone(), 403, 403),
        ("POST", "/api/pipelines/speed/pause", none.clone(), 403, 403),
        ("POST", "/api/pipelines/speed/resume", none.clone(), 403, 403),
        ("POST", "/api/pipelines/speed/steps/x/commands", json!({}), 403, 403),
        ("POST", "/api/sessions", json!({"driverId": "HAM", "name": "FP1"}), 403, 403),
        ("POST", "/api/ai/feedback", json!({"driverId": "HAM", "sessionId": "q1", "telemetryData": {}}), 403, 403),
        ("PUT", "/api/drivers/HAM", json!({"name": "Lewis"}), 403, 403),
        ("PUT", "/api/drivers/ALB", json!({"name": "Alex"}), 403, 403),
        ("PUT", "/api/teams/williams", json!({"name": "Williams"}), 403, 403),
        ("PUT", "/api/tracks/barber", json!({"name": "Barber"}), 403, 403),
        ("POST", "/api/keys", json!({"name": "k", "role": "viewer"}), 403, 403),
        ("DELETE", "/api/keys/k1", none.clone(), 403, 403),
        ("POST", "/api/invites", json!({}), 403, 403),
        ("POST", "/api/users", json!({}), 403, 403),
        ("PUT", "/api/users/u1", json!({}), 403, 403),
        ("DELETE", "/api/users/u1", none.clone(), 403, 403),
        ("POST", "/api/tokens/revoke", json!({"subject": "ann"}), 403, 403),
        ("POST", "/api/load-model", json!({"algorithm": "dqn"}), 403, 403),
        ("POST", "/api/step", json!({}), 403, 403),
        ("POST", "/api/reset", none.clone(), 403, 403),
        ("POST", "/api/rl/agents", json!({"id": "guard", "environment": "avoidance"}), 403, 403),
        ("POST", "/api/rl/agents/bus/episodes", json!({}), 403, 403),
        ("PUT", "/api/rl/agents/bus/vehicle", json!({"vehicle": "HAM"}), 403, 403),
        ("POST", "/api/rl/agents/bus/training", json!({}), 403, 403),
        ("DELETE", "/api/rl/agents/bus", none.clone(), 403, 403),
        ("POST", "/api/rl/evaluations", json!({"policies": ["agent:bus"]}), 403, 403),
        // What is its own.
        ("GET", "/api/telemetry/ALB/latest", none.clone(), 200, 200),
        ("GET", "/api/drivers/ALB", none.clone(), 200, 200),
        ("GET", "/api/sessions/ALB", none.clone(), 200, 200),
        ("GET", "/api/status", none.clone(), 200, 200),
        ("POST", "/api/telemetry", json!({"driverId": "ALB", "data": {"n": 2}}), 201, 403),
        ("POST", "/api/sessions", json!({"driverId": "ALB", "name": "FP2"}), 201, 403),
        ("POST", "/api/ai/feedback", json!({"driverId": "ALB", "sessionId": "q1", "telemetryData": {}}), 200, 403),
    ]
}

fn pipeline(name: &str) -> Value {
    json!({"name": name, "source": {}, "steps": [{"op": "window", "kind": "tumbling", "size": "10s", "of": {"speed_mps": ["mean"]}}]})
}

#[tokio::test]
async fn a_narrowed_token_reaches_its_own_vehicle_and_nothing_else() {
    let gateway = Gateway::start().await;
    let admin = gateway.token(Role::Admin);
    for vehicle in ["ALB", "HAM"] {
        let sample = json!({"driverId": vehicle, "sessionId": "q1", "data": {"speed_mps": 60}});
        assert_eq!(ask(&gateway, "POST", "/api/telemetry", Some(&admin), Some(&sample)).await.0, 201);
        assert_eq!(ask(&gateway, "PUT", &format!("/api/drivers/{vehicle}"), Some(&admin), Some(&json!({"name": vehicle}))).await.0, 200);
    }
    assert_eq!(ask(&gateway, "POST", "/api/pipelines", Some(&admin), Some(&pipeline("speed"))).await.0, 201);
    let agent = json!({"id": "bus", "environment": "daladala"});
    assert_eq!(ask(&gateway, "POST", "/api/rl/agents", Some(&admin), Some(&agent)).await.0, 201);
    while ask(&gateway, "GET", "/api/telemetry/HAM/latest", Some(&admin), None).await.0 != 200
        || ask(&gateway, "GET", "/api/telemetry/ALB/latest", Some(&admin), None).await.0 != 200
    {
        tokio::task::yield_now().await;
    }
    let (engineer, viewer) = (narrowed(&gateway, Role::Engineer), narrowed(&gateway, Role::Viewer));
    for (method, path, body, for_engineer, for_viewer) in rows() {
        let body = (!body.is_null()).then_some(&body);
        for (token, who, expected) in [(&engineer, "engineer", for_engineer), (&viewer, "viewer", for_viewer)] {
            let (status, answer) = ask(&gateway, method, path, Some(token), body).await;
            assert_eq!(status, expected, "{who} {method} {path}: {answer}");
        }
    }
    // Lists hold what is its own.
    for (path, name) in [("/api/vehicles", "id"), ("/api/drivers", "id")] {
        let (_, answer) = ask(&gateway, "GET", path, Some(&viewer), None).await;
        let listed: Vec<_> = answer["data"].as_array().unwrap().iter().map(|entry| entry[name].as_str().unwrap()).collect();
        assert_eq!((listed, &answer["pagination"]["total"]), (vec!["ALB"], &json!(1)), "{path}");
    }
    for path in ["/api/pipelines", "/api/rl/agents", "/api/rl/evaluations"] {
        assert_eq!(ask(&gateway, "GET", path, Some(&viewer), None).await.1["data"], json!([]), "{path}");
    }
    gateway.stop().await;
}
