//! Recordings played again, from outside.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use slipstream_protocol::{WireFormat, token::Role};
use slipstream_tests::{api::Api, gateway::Gateway};
use tokio::time::Instant;

/// Calls as `role`; answers status and body.
async fn call(gateway: &Gateway, role: Role, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let api = Api::of(gateway, role);
    match body {
        Some(body) => api.call(method.as_str(), path, body).await,
        None => api.call_with_text(method.as_str(), path, "").await,
    }
}

fn moment(s: u32) -> String {
    format!("2024-05-01T12:{:02}:{:02}Z", s / 60, s % 60)
}

/// Records a sample each second of `seconds` for each vehicle.
async fn record(gateway: &Gateway, vehicles: &[&str], seconds: u32) {
    let samples: Vec<Value> =
        (0..seconds).flat_map(|s| vehicles.iter().map(move |v| json!({"driverId": v, "timestamp": moment(s), "data": {"n": s}}))).collect();
    let (status, body) = call(gateway, Role::Relay, Method::POST, "/api/telemetry", Some(json!({"batch": samples}))).await;
    assert_eq!(status, 201, "{body}");
}

/// Waits until a replay says so.
async fn until(gateway: &Gateway, id: &str, state: &str) -> Value {
    Api::of(gateway, Role::Engineer).read_until(&format!("/api/replays/{id}"), |replay| replay["state"] == state).await
}

#[tokio::test]
async fn a_period_is_heard_again_under_names_of_its_own_and_recorded_nowhere() {
    let gateway = Gateway::start().await;
    record(&gateway, &["ALB", "HAM"], 40).await;
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.subscribe("telemetry:replay-1.ALB").await;
    let request = json!({"from": moment(10), "to": moment(30), "vehicles": ["A*"], "speed": 50});
    let began = Instant::now();
    let (status, started) = call(&gateway, Role::Engineer, Method::POST, "/api/replays", Some(request)).await;
    assert_eq!((status, started["data"]["id"].as_str()), (201, Some("replay-1")), "{started}");
    for n in 10..30 {
        let heard = viewer.message_of("telemetry").await;
        assert_eq!((heard["data"]["n"].as_f64(), heard["sessionId"].as_str()), (Some(f64::from(n)), Some("replay-1")), "{heard}");
        assert_eq!(heard["timestamp"].as_str().unwrap()[..19], moment(n)[..19], "the time is the recorded one");
    }
    assert!(began.elapsed() >= Duration::from_millis(370), "19 s at 50 times their speed take 0.38 s: {:?}", began.elapsed());
    let done = until(&gateway, "replay-1", "done").await;
    assert_eq!((done["played"].as_u64(), done["vehicles"][0].as_str()), (Some(20), Some("replay-1.ALB")), "{done}");

    // Neither in the series nor in the journal: all of it, once more, is what was recorded.
    let (_, all) = call(&gateway, Role::Engineer, Method::POST, "/api/replays", Some(json!({"speed": 10_000}))).await;
    assert_eq!(until(&gateway, all["data"]["id"].as_str().unwrap(), "done").await["played"], 80);
    let (_, series) =
        call(&gateway, Role::Viewer, Method::GET, "/api/telemetry/replay-1.ALB?from=2024-05-01T00:00:00Z&signals=n", None).await;
    assert!(series["data"]["series"].as_array().is_none_or(|s| s.iter().all(|s| s["points"] == json!([]))), "{series}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_replay_is_paused_sought_and_stopped() {
    let gateway = Gateway::start().await;
    record(&gateway, &["ALB"], 600).await;
    let (_, started) = call(&gateway, Role::Engineer, Method::POST, "/api/replays", Some(json!({"speed": 1}))).await;
    let path = format!("/api/replays/{}", started["data"]["id"].as_str().unwrap());
    let change = async |body| call(&gateway, Role::Engineer, Method::PUT, &path, Some(body)).await;
    let (status, paused) = change(json!({"paused": true})).await;
    assert_eq!((status, paused["data"]["state"].as_str()), (200, Some("paused")), "{paused}");
    // Ten minutes at real pace; from a second before the end it is a second.
    change(json!({"position": moment(598)})).await;
    change(json!({"paused": false})).await;
    let done = until(&gateway, "replay-1", "done").await;
    assert!(done["played"].as_u64().unwrap() <= 10 && done["position"].as_str().unwrap().starts_with(&moment(599)[..19]), "{done}");
    assert_eq!(change(json!({"paused": true})).await.0, 409, "it has ended");

    let (_, slow) = call(&gateway, Role::Engineer, Method::POST, "/api/replays", Some(json!({"speed": 0.001}))).await;
    let id = slow["data"]["id"].as_str().unwrap();
    let (status, stopped) = call(&gateway, Role::Engineer, Method::DELETE, &format!("/api/replays/{id}"), None).await;
    assert_eq!((status, stopped["data"]["state"].as_str()), (200, Some("stopped")), "{stopped}");
    let (_, listed) = call(&gateway, Role::Engineer, Method::GET, "/api/replays", None).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "{listed}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_file_of_many_vehicles_is_replayed_and_bad_requests_are_told() {
    let gateway = Gateway::start().await;
    let folder = gateway.services().config.data_dir.join("recordings");
    std::fs::create_dir_all(&folder).unwrap();
    let rows = (0..30).fold(String::new(), |rows, i| rows + &format!("{},car-{},{i}\n", i / 3, i % 3));
    std::fs::write(folder.join("race.csv"), format!("t_s,vehicle_id,speed_mps\n{rows}")).unwrap();
    let request = json!({"file": "race.csv", "speed": 1000});
    let (status, started) = call(&gateway, Role::Engineer, Method::POST, "/api/replays", Some(request)).await;
    assert_eq!(status, 201, "{started}");
    let done = until(&gateway, "replay-1", "done").await;
    assert_eq!((done["played"].as_u64(), done["vehicles"].as_array().unwrap().len()), (Some(30), 3), "{done}");

    std::fs::write(folder.join("bad.csv"), "t_s,vehicle_id,speed_mps\n0,a,1\nx,a,2\n1,a,3\n2,a,4,5\n").unwrap();
    let request = json!({"file": "bad.csv", "speed": 1000});
    assert_eq!(call(&gateway, Role::Engineer, Method::POST, "/api/replays", Some(request)).await.0, 201);
    let done = until(&gateway, "replay-2", "done").await;
    assert_eq!((done["played"].as_u64(), done["skipped"].as_u64()), (Some(2), Some(2)), "{done}");
    assert!(done["problems"][0].as_str().unwrap().starts_with("line 3 "), "{done}");

    for (body, field) in [
        (json!({"file": "../slipstream.db"}), "file"),
        (json!({"file": "other.csv"}), "file"),
        (json!({"speed": 0}), "speed"),
        (json!({"from": moment(9), "to": moment(9)}), "to"),
        (json!({"vehicles": "ALB"}), "vehicles"),
    ] {
        let (status, refused) = call(&gateway, Role::Engineer, Method::POST, "/api/replays", Some(body)).await;
        assert_eq!(status, 400, "{refused}");
        assert!(refused["error"]["details"][0].as_str().unwrap().contains(&format!("'{field}'")), "{refused}");
    }
    assert_eq!(call(&gateway, Role::Viewer, Method::POST, "/api/replays", Some(json!({}))).await.0, 403);
    assert_eq!(call(&gateway, Role::Engineer, Method::GET, "/api/replays/replay-9", None).await.0, 404);
    gateway.stop().await;
}

const MEANS: &str = r#"
name = "means"
time = {delay = "0s"}
steps = [{op = "window", kind = "tumbling", size = "10s", of = {n = ["mean", "count"]}}]
outputs = {series = true}
"#;

/// Runs a pipeline over what was recorded and waits for its end.
async fn what_if(gateway: &Gateway, request: Value) -> Value {
    let (status, started) = call(gateway, Role::Engineer, Method::POST, "/api/what-ifs", Some(request)).await;
    assert_eq!(status, 201, "{started}");
    let path = format!("/api/what-ifs/{}", started["data"]["id"].as_str().unwrap());
    Api::of(gateway, Role::Engineer).read_until(&path, |one| one["state"] != "running").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_pipeline_would_have_given_is_laid_beside_what_is_stored() {
    let gateway = Gateway::start().await;
    let (status, declared) = Api::of(&gateway, Role::Engineer).call_with_text("POST", "/api/pipelines", MEANS).await;
    assert_eq!(status, 201, "{declared}");
    record(&gateway, &["ALB", "HAM"], 60).await;
    // Windows up to 50 s are closed: five of each, and of each two aggregates and the number of rows.
    for (vehicle, signal, points) in [("ALB", "means.n.count", 5), ("HAM", "means.n.count", 5), ("ALB", "n", 60), ("HAM", "n", 60)] {
        let path = format!("/api/telemetry/{vehicle}?from=2024-05-01T00:00:00Z&signals={signal}");
        let stored = |data: &Value| data["series"][0]["points"].as_array().is_some_and(|stored| stored.len() == points);
        Api::of(&gateway, Role::Viewer).read_until(&path, stored).await;
    }
    for source in ["journal", "series"] {
        let same = what_if(&gateway, json!({"pipeline": MEANS, "source": source})).await;
        let of = |name: &str| same["comparison"][name].as_u64();
        assert_eq!((same["state"].as_str(), of("same")), (Some("done"), Some(30)), "{source}: {same}");
        assert_eq!((of("changed"), of("onlyNew"), of("onlyStored")), (Some(0), Some(0), Some(0)), "{source}: {same}");
        assert_eq!((same["samplesRead"].as_u64(), same["results"].as_u64()), (Some(120), Some(12)), "{source}: {same}");
        assert_eq!(same["given"][5]["partial"], true, "the last window was open: {same}");
    }
    let other = MEANS.replace("steps = [", "steps = [{op = \"filter\", when = \"n != 15\"}, ");
    let told = what_if(&gateway, json!({"pipeline": other, "source": "series", "vehicles": ["A*"]})).await;
    let changed = &told["comparison"]["differences"];
    assert_eq!((told["comparison"]["changed"].as_u64(), told["comparison"]["same"].as_u64()), (Some(3), Some(12)), "{told}");
    assert!(changed.as_array().unwrap().iter().any(|d| d["signal"] == "n.count" && d["stored"] == 10.0 && d["new"] == 9.0), "{changed}");

    let (status, refused) = call(
        &gateway,
        Role::Engineer,
        Method::POST,
        "/api/what-ifs",
        Some(json!({"pipeline": {"name": "x", "steps": [{"op": "selekt"}]}})),
    )
    .await;
    assert_eq!(status, 400);
    assert!(refused["error"]["details"][0].as_str().unwrap().contains("steps[0].op"), "{refused}");
    assert_eq!(call(&gateway, Role::Viewer, Method::GET, "/api/what-ifs/what-if-1", None).await.0, 403);

    // The series can be played live as well; what pipelines stored is not part of the recording.
    let (_, all) = call(&gateway, Role::Engineer, Method::POST, "/api/replays", Some(json!({"speed": 10_000, "source": "series"}))).await;
    assert_eq!(until(&gateway, all["data"]["id"].as_str().unwrap(), "done").await["played"], 120);
    gateway.stop().await;
}
