//! Vehicles whose names are no identifiers: `18/693`, `B-MW 123`.

use serde_json::{Value, json};
use slipstream_protocol::{
    WireFormat,
    token::{Claims, Role},
};
use slipstream_tests::{
    api::Api,
    gateway::{Gateway, now_s},
};

/// A name of each kind, and its id.
const NAMES: [(&str, &str); 4] = [
    ("18/693", "18_x2F_693"),
    ("B-MW 123", "B-MW_x20_123"),
    ("Ä 12", "_xC4__x20_12"),
    ("Bus #7 (spare)", "Bus_x20__x23_7_x20__x28_spare_x29_"),
];

#[tokio::test]
async fn a_name_is_taken_at_every_door_and_told_beside_its_id() {
    let gateway = Gateway::start().await;
    let (relay, viewer) = (Api::of(&gateway, Role::Relay), Api::of(&gateway, Role::Viewer));
    let mut subscriber = gateway.client(Role::Viewer, WireFormat::Json).await;
    for (name, id) in NAMES {
        subscriber.send(json!({"type": "subscribe", "channel": format!("telemetry:{name}")})).await;
        assert_eq!(subscriber.message_of("subscribed").await["channel"], format!("telemetry:{id}"));
        relay.good("POST", "/api/telemetry", json!({"driverId": name, "sessionId": "Friday, P1", "data": {"speed_mps": 7}})).await;
        assert_eq!(subscriber.message_of("telemetry").await["driverId"], *id);
        let encoded = name.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        for way in [id, encoded.as_str()] {
            let newest = viewer.read_until(&format!("/api/telemetry/{way}/latest"), |data| data["data"]["speed_mps"] == 7.0).await;
            assert_eq!((newest["vehicleId"].as_str(), newest["name"].as_str()), (Some(id), Some(name)), "{newest}");
        }
    }
    let list = viewer.good("GET", "/api/vehicles", Value::Null).await;
    let listed: Vec<_> = list.as_array().unwrap().iter().map(|vehicle| vehicle["name"].as_str().unwrap().to_owned()).collect();
    assert!(NAMES.iter().all(|(name, _)| listed.iter().any(|listed| listed == name)), "{list}");
    let session = viewer.read_until("/api/sessions/Friday_x2C__x20_P1/metrics", |data| data["samples"] == NAMES.len()).await;
    assert!(session.is_object(), "{session}");
    gateway.stop().await;
}

#[tokio::test]
async fn rights_given_by_name_hold_for_that_vehicle_alone() {
    let gateway = Gateway::start().await;
    let (exp, role) = (now_s() + 3_600, Role::Driver);
    let token = gateway.token_of(&Claims { sub: "18/693".into(), exp, iat: None, role, channels: None, publish: None });
    let driver = Api::new(gateway.url(""), token);
    let sample = |name: &str| json!({"driverId": name, "data": {"v": 1}});
    assert_eq!(driver.call("POST", "/api/telemetry", sample("18/693")).await.0, 201);
    assert_eq!(driver.call("POST", "/api/telemetry", sample("18_x2F_693")).await.0, 201, "the id is the same vehicle");
    assert_eq!(driver.call("POST", "/api/telemetry", sample("18/694")).await.0, 403);
    for bad in ["", "  ", "a\u{7}b", "a\u{202e}b"] {
        let (status, answer) = Api::of(&gateway, Role::Relay).call("POST", "/api/telemetry", sample(bad)).await;
        assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("VALIDATION_ERROR")), "{bad:?}: {answer}");
    }
    gateway.stop().await;
}
