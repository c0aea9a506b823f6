//! Alarms of a running pipeline: their life is stored, told and acknowledged, once, over restarts and kills.

use serde_json::{Value, json};
use slipstream_protocol::{WireFormat, token::Role};
use slipstream_tests::{api::Api, gateway::Gateway};

use crate::process::{Site, wait_for};

const HOT: &str = r#"
name = "hot-engines"
time = {delay = "0s"}

[[steps]]
op = "alarm"
name = "hot"
rule = "engine hot"
when = "coolant_c > 110"
clear = "coolant_c < 104"
value = "coolant_c"
escalate = [{after = "60s", severity = "critical"}, {after = "120s", severity = "critical"}]
"#;

const START: i64 = 1_760_000_000;

fn point(vehicle: &str, second: i64, coolant: f64) -> Value {
    let at = slipstream_protocol::Timestamp::from_micros((START + second) * 1_000_000);
    json!({"driverId": vehicle, "timestamp": at, "data": {"coolant_c": coolant}})
}

async fn call(gateway: &Gateway, role: Role, method: &str, path: &str, body: &str) -> (u16, Value) {
    Api::of(gateway, role).call_with_text(method, path, body).await
}

async fn send(gateway: &Gateway, points: &[Value]) {
    let (status, answer) = call(gateway, Role::Admin, "POST", "/api/telemetry", &json!({"batch": points}).to_string()).await;
    assert_eq!(status, 201, "{answer}");
}

/// Waits until a list of alarms says so.
async fn until(gateway: &Gateway, path: &str, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let listed = |data: &Value| is(data.as_array().map_or(&[], Vec::as_slice));
    let data = Api::of(gateway, Role::Viewer).read_until(path, listed).await;
    data.as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarms_life_is_stored_told_and_acknowledged() {
    let mut gateway = Gateway::start().await;
    assert_eq!(call(&gateway, Role::Engineer, "POST", "/api/pipelines", HOT).await.0, 201);
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.subscribe("alerts:bus-7").await;
    send(&gateway, &[point("bus-7", 0, 90.0), point("bus-7", 10, 112.5), point("bus-9", 11, 120.0)]).await;
    // What is as new as the watermark waits for others of the same time.
    send(&gateway, &[point("bus-7", 12, 112.0), point("bus-9", 12, 120.0)]).await;
    let heard = viewer.message_of("alert").await;
    assert!(heard["alert"]["message"].as_str().is_some_and(|m| m.contains("engine hot (112.5)")), "{heard}");
    let alarms = until(&gateway, "/api/alarms?open=true&vehicle=bus-7", |a| a.len() == 1).await;
    let id = alarms[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((alarms[0]["severity"].as_str(), alarms[0]["value"].as_f64()), (Some("warning"), Some(112.5)), "{alarms:?}");
    assert_eq!(heard["alert"]["alertId"].as_str().or(heard["alert"]["alert_id"].as_str()), Some(&*id), "{heard}");

    // A minute later it is worse; then somebody has seen it.
    send(&gateway, &[point("bus-7", 75, 111.0), point("bus-9", 75, 120.0)]).await;
    until(&gateway, "/api/alarms?vehicle=bus-7&severity=critical", |a| a.len() == 1).await;
    let path = format!("/api/alarms/{id}/acknowledge");
    assert_eq!(call(&gateway, Role::Viewer, "POST", &path, "").await.0, 403);
    let (status, seen) = call(&gateway, Role::Engineer, "POST", &path, r#"{"note": "stops at the depot"}"#).await;
    assert_eq!((status, seen["data"]["acknowledgedBy"].as_str()), (200, Some("tester")), "{seen}");
    assert_eq!(call(&gateway, Role::Engineer, "POST", &path, "").await.0, 409, "once");
    assert_eq!(call(&gateway, Role::Engineer, "POST", "/api/alarms/none/acknowledge", "").await.0, 404);
    loop {
        let heard = viewer.message_of("alert").await;
        if heard["alert"]["message"].as_str().is_some_and(|m| m.contains("acknowledged by tester: stops at the depot")) {
            break;
        }
    }

    // It escalates no further, also after a restart, and what is told again changes nothing.
    gateway.restart().await;
    send(&gateway, &[point("bus-7", 500, 111.0), point("bus-7", 510, 90.0), point("bus-7", 511, 90.0), point("bus-9", 511, 120.0)]).await;
    until(&gateway, "/api/alarms?open=false&vehicle=bus-7", |a| a.len() == 1).await;
    let (_, whole) = call(&gateway, Role::Viewer, "GET", &format!("/api/alarms/{id}"), "").await;
    let life: Vec<&str> = whole["data"]["life"].as_array().unwrap().iter().map(|m| m["change"].as_str().unwrap()).collect();
    assert_eq!(life, ["raised", "escalated", "acknowledged", "cleared"], "{whole}");

    // The other one nobody has seen; without its pipeline nobody watches it, and it can still be acknowledged.
    let open = until(&gateway, "/api/alarms?open=true&acknowledged=false&pipeline=hot-engines", |a| a.len() == 1).await;
    assert_eq!(open[0]["vehicleId"], "bus-9");
    assert_eq!(call(&gateway, Role::Engineer, "DELETE", "/api/pipelines/hot-engines", "").await.0, 200);
    until(&gateway, "/api/alarms?open=true", <[Value]>::is_empty).await;
    let path = format!("/api/alarms/{}/acknowledge", open[0]["id"].as_str().unwrap());
    let (status, seen) = call(&gateway, Role::Engineer, "POST", &path, "").await;
    assert_eq!((status, seen["data"]["acknowledgedBy"].as_str()), (200, Some("tester")), "{seen}");
    assert_eq!(call(&gateway, Role::Viewer, "GET", "/api/alarms?open=maybe", "").await.0, 400);
    gateway.stop().await;
}

#[test]
fn killed_again_and_again_no_alarm_is_stored_twice() {
    let site = Site::new();
    let mut server = site.serve();
    assert_eq!(site.send("POST", "/api/pipelines", HOT)["success"], true);
    for turn in 0..12 {
        let second = turn * 20;
        let batch = [point("bus-1", second, 120.0), point("bus-1", second + 5, 90.0), point("bus-1", second + 6, 90.0)];
        assert_eq!(site.send("POST", "/api/telemetry", &json!({"batch": batch}).to_string())["success"], true);
        if turn == 6 {
            wait_for("a checkpoint", || {
                site.get("/api/pipelines/hot-engines/stats").filter(|s| s["data"]["checkpoint"].as_u64() > Some(0))
            });
        }
        if [3, 6, 9].contains(&turn) {
            server.kill();
            server = site.serve();
        }
    }
    wait_for("every alarm, once and over", || {
        let answer = site.get("/api/alarms?per_page=100&open=false")?;
        (answer["pagination"]["total"] == 12).then_some(())
    });
    for alarm in site.get("/api/alarms?per_page=100").unwrap()["data"].as_array().unwrap() {
        let whole = site.get(&format!("/api/alarms/{}", alarm["id"].as_str().unwrap())).unwrap();
        let life: Vec<&str> = whole["data"]["life"].as_array().unwrap().iter().map(|m| m["change"].as_str().unwrap()).collect();
        assert_eq!(life, ["raised", "cleared"], "{whole}");
    }
    drop(server);
}
