//! Sessions, drivers, teams and tracks.

use reqwest::Method;
use serde_json::{Value, json};
use slipstream_protocol::token::{Claims, Role};

use super::api::Api;

fn names(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_found_by_its_id_and_by_its_driver() {
    let api = Api::start().await;
    let token = api.token(Role::Engineer, None);
    let driver = "7b0d2c1e-9d52-4a2b-8f38-1f5f3ad0c9aa";
    let mut ids = Vec::new();
    for name in ["FP1", "FP2", "Quali"] {
        let told = api.post("/api/sessions", &token, &json!({ "driverId": driver, "name": name, "trackId": "barber" })).await;
        let session = told.data(201);
        assert_eq!((&session["driverId"], &session["trackId"]), (&json!(driver), &json!("barber")));
        ids.push(session["id"].as_str().unwrap().to_owned());
    }
    let one = api.get(&format!("/api/sessions/{}", ids[1]), &token).await;
    assert_eq!(one.data(200)["name"], "FP2");
    let page = api.get(&format!("/api/sessions/{driver}?page=2&per_page=2"), &token).await;
    assert_eq!(names(page.data(200)), ["FP1"], "newest first");
    assert_eq!(page.json["pagination"], json!({ "page": 2, "per_page": 2, "total": 3, "pages": 2 }));
    assert_eq!(names(api.get("/api/sessions", &token).await.data(200)).len(), 3);

    api.get("/api/sessions/nobody", &token).await.refused(404, "NOT_FOUND");
    assert_eq!(api.get("/api/sessions/a%20b", &token).await.refused(400, "VALIDATION_ERROR"), ["id"]);
    assert_eq!(api.get("/api/sessions?page=0&per_page=1000", &token).await.refused(400, "VALIDATION_ERROR"), ["page", "per_page"]);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_field_of_a_session_is_named_and_rights_are_asked_for() {
    let api = Api::start().await;
    let token = api.token(Role::Engineer, None);
    for (body, broken) in [
        (json!({}), vec!["driverId", "name"]),
        (json!({ "driverId": "a\u{7}b", "name": "  ", "trackId": 7 }), vec!["driverId", "name", "trackId"]),
        (json!({ "driverId": "a", "name": "x".repeat(201) }), vec!["name"]),
        (json!({ "driverId": "a", "name": "a\u{0}b" }), vec!["name"]),
    ] {
        assert_eq!(api.post("/api/sessions", &token, &body).await.refused(400, "VALIDATION_ERROR"), broken, "{body}");
    }
    let good = json!({ "driverId": "ALB", "name": "FP1" });
    api.send(Method::POST, "/api/sessions", None, Some(&good)).await.refused(401, "UNAUTHORIZED");
    api.post("/api/sessions", &api.token(Role::Viewer, None), &good).await.refused(403, "FORBIDDEN");
    let id = api.post("/api/sessions", &token, &good).await.data(201)["id"].as_str().unwrap().to_owned();

    let channels = Some(vec![format!("session:{id}").parse().unwrap()]);
    let narrow = api.mint(&Claims { sub: "guest".to_owned(), exp: 4_102_444_800, iat: None, role: Role::Viewer, channels, publish: None });
    api.get(&format!("/api/sessions/{id}"), &narrow).await.data(200);
    api.get("/api/sessions", &narrow).await.refused(403, "FORBIDDEN");
    api.get("/api/sessions/ALB", &narrow).await.refused(403, "FORBIDDEN");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_teams_and_tracks_are_created_on_first_use_and_named_later() {
    let api = Api::start().await;
    let token = api.token(Role::Engineer, None);
    api.post("/api/sessions", &token, &json!({ "driverId": "ALB", "name": "FP1", "trackId": "monza" })).await.data(201);
    assert_eq!(api.get("/api/drivers/ALB", &token).await.data(200)["name"], "ALB");
    assert_eq!(api.get("/api/tracks/monza", &token).await.data(200)["lengthM"], Value::Null);

    let driver = json!({ "name": "Alex Albon", "teamId": "williams" });
    assert_eq!(api.put("/api/drivers/ALB", &token, &driver).await.data(200)["teamId"], "williams");
    assert_eq!(api.put("/api/teams/williams", &token, &json!({ "name": "Williams" })).await.data(200)["name"], "Williams");
    let track = json!({ "name": "Monza", "lengthM": 5793.0 });
    assert_eq!(api.put("/api/tracks/monza", &token, &track).await.data(200)["lengthM"], 5793.0);
    assert_eq!(names(api.get("/api/drivers", &token).await.data(200)), ["Alex Albon"]);
    assert_eq!(names(api.get("/api/teams", &token).await.data(200)), ["Williams"]);
    assert_eq!(names(api.get("/api/tracks", &token).await.data(200)), ["Monza"]);

    let broken = json!({ "lengthM": -1, "teamId": "a b" });
    assert_eq!(api.put("/api/tracks/monza", &token, &broken).await.refused(400, "VALIDATION_ERROR"), ["name", "lengthM"]);
    assert_eq!(api.put("/api/drivers/ALB", &token, &broken).await.refused(400, "VALIDATION_ERROR"), ["name", "teamId"]);
    assert_eq!(api.put("/api/teams/williams", &token, &broken).await.refused(400, "VALIDATION_ERROR"), ["name"]);
    let viewer = api.token(Role::Viewer, None);
    for path in ["/api/tracks/monza", "/api/drivers/ALB", "/api/teams/williams"] {
        api.put(path, &viewer, &json!({ "name": "x" })).await.refused(403, "FORBIDDEN");
    }
    for path in ["/api/tracks/spa", "/api/drivers/nobody"] {
        api.get(path, &viewer).await.refused(404, "NOT_FOUND");
    }
    api.stop().await;
}
