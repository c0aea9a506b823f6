//! Users, logins and API keys.

use reqwest::Method;
use serde_json::{Value, json};
use slipstream_protocol::token::Role;

use super::api::Api;

const PASSWORD: &str = "correct horse battery";

async fn register(api: &Api, email: &str) -> Value {
    let body = json!({ "email": email, "password": PASSWORD });
    api.send(Method::POST, "/api/auth/register", None, Some(&body)).await.data(201).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_to_register_is_admin_the_next_are_viewers_and_both_log_in() {
    let api = Api::start().await;
    let first = register(&api, "Ann@Example.org").await;
    assert_eq!(
        (&first["user"]["role"], &first["user"]["email"], &first["user"]["name"]),
        (&json!("admin"), &json!("ann@example.org"), &json!("ann"))
    );
    let second = register(&api, "bert@example.org").await;
    assert_eq!(second["user"]["role"], "viewer");
    assert!(!second.to_string().contains("argon2"), "the hash stays inside");

    let login = json!({ "email": " ann@example.ORG", "password": PASSWORD });
    let told = api.send(Method::POST, "/api/auth/login", None, Some(&login)).await;
    let token = told.data(200)["token"].as_str().unwrap().to_owned();
    let me = api.get("/api/auth/me", &token).await;
    assert_eq!((&me.data(200)["role"], &me.data(200)["sub"]), (&json!("admin"), &first["user"]["id"]));

    for wrong in [
        json!({ "email": "ann@example.org", "password": "wrong horse battery" }),
        json!({ "email": "nobody@example.org", "password": PASSWORD }),
    ] {
        let told = api.send(Method::POST, "/api/auth/login", None, Some(&wrong)).await;
        told.refused(401, "UNAUTHORIZED");
    }
    let again = json!({ "email": "ann@example.org", "password": PASSWORD });
    api.send(Method::POST, "/api/auth/register", None, Some(&again)).await.refused(409, "CONFLICT");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_field_of_a_registration_and_a_login_is_named() {
    let api = Api::start().await;
    let cases = [
        ("/api/auth/register", json!({}), vec!["email", "password"]),
        ("/api/auth/register", json!({ "email": "no mail", "password": "short", "name": "" }), vec!["email", "password", "name"]),
        ("/api/auth/register", json!({ "email": 7, "password": "x".repeat(1_025) }), vec!["email", "password"]),
        ("/api/auth/login", json!({ "email": "ann" }), vec!["email", "password"]),
    ];
    for (path, body, broken) in cases {
        let told = api.send(Method::POST, path, None, Some(&body)).await;
        assert_eq!(told.refused(400, "VALIDATION_ERROR"), broken, "{body}");
    }
    api.post_raw("/api/auth/login", "", "{not json").await.refused(400, "INVALID_JSON");
    api.post_raw("/api/auth/login", "", "[]").await.refused(400, "VALIDATION_ERROR");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_lets_others_in_and_a_driver_publishes_for_itself_alone() {
    let api = Api::start().await;
    let admin = register(&api, "ann@example.org").await["token"].as_str().unwrap().to_owned();
    let viewer = register(&api, "bert@example.org").await["token"].as_str().unwrap().to_owned();
    let new = json!({ "email": "carla@example.org", "password": PASSWORD, "role": "driver", "driverId": "HAM", "name": "Carla" });
    api.post("/api/users", &viewer, &new).await.refused(403, "FORBIDDEN");
    api.get("/api/users", &viewer).await.refused(403, "FORBIDDEN");
    let broken = json!({ "email": "d@example.org", "password": PASSWORD, "role": "boss" });
    assert_eq!(api.post("/api/users", &admin, &broken).await.refused(400, "VALIDATION_ERROR"), ["role"]);
    let no_driver = json!({ "email": "d@example.org", "password": PASSWORD, "role": "driver" });
    assert_eq!(api.post("/api/users", &admin, &no_driver).await.refused(400, "VALIDATION_ERROR"), ["driverId"]);
    assert_eq!(api.post("/api/users", &admin, &new).await.data(201)["driverId"], "HAM");

    let login = json!({ "email": "carla@example.org", "password": PASSWORD });
    let told = api.send(Method::POST, "/api/auth/login", None, Some(&login)).await;
    let driver = told.data(200)["token"].as_str().unwrap().to_owned();
    api.post("/api/sessions", &driver, &json!({ "driverId": "HAM", "name": "FP1" })).await.data(201);
    api.post("/api/sessions", &driver, &json!({ "driverId": "ALB", "name": "FP1" })).await.refused(403, "FORBIDDEN");

    let listed = api.get("/api/users?page=2&per_page=2", &admin).await;
    assert_eq!(listed.data(200)[0]["name"], "Carla");
    assert_eq!(listed.json["pagination"], json!({ "page": 2, "per_page": 2, "total": 3, "pages": 2 }));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_the_api_until_it_is_deleted() {
    let api = Api::start().await;
    let engineer = api.token(Role::Engineer, None);
    let made = api.post("/api/keys", &engineer, &json!({ "name": "garage", "role": "relay", "publish": ["ALB"] })).await;
    let (id, key) = (made.data(201)["id"].as_str().unwrap().to_owned(), made.json["data"]["key"].as_str().unwrap().to_owned());
    let database = std::fs::read(api.data.path().join("slipstream.db")).unwrap();
    assert!(!database.windows(key.len()).any(|bytes| bytes == key.as_bytes()), "only its hash is kept");

    api.post("/api/sessions", &key, &json!({ "driverId": "ALB", "name": "FP1" })).await.data(201);
    api.post("/api/sessions", &key, &json!({ "driverId": "HAM", "name": "FP1" })).await.refused(403, "FORBIDDEN");
    api.get("/api/keys", &key).await.refused(403, "FORBIDDEN");
    api.get("/api/sessions", "slk_nosuchkey").await.refused(401, "UNAUTHORIZED");

    let listed = api.get("/api/keys", &engineer).await;
    assert_eq!((&listed.data(200)[0]["name"], &listed.data(200)[0]["key"]), (&json!("garage"), &Value::Null), "shown once");
    let path = format!("/api/keys/{id}");
    api.send(Method::DELETE, &path, Some(&engineer), None).await.data(200);
    api.send(Method::DELETE, &path, Some(&engineer), None).await.refused(404, "NOT_FOUND");
    api.get("/api/sessions", &key).await.refused(401, "UNAUTHORIZED");

    assert_eq!(
        api.post("/api/keys", &engineer, &json!({ "publish": ["a\u{7}b"] })).await.refused(400, "VALIDATION_ERROR"),
        ["name", "role", "publish"]
    );
    api.post("/api/keys", &engineer, &json!({ "name": "up", "role": "admin" })).await.refused(403, "FORBIDDEN");
    api.post("/api/keys", &api.token(Role::Viewer, None), &json!({ "name": "v", "role": "viewer" })).await.refused(403, "FORBIDDEN");
    api.stop().await;
}
