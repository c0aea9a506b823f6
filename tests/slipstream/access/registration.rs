//! How people are let in.

use serde_json::{Value, json};
use slipstream_actors::ports::Invite;
use slipstream_gateway::{auth::api_key, config::Registration};
use slipstream_protocol::{Id, Timestamp, WireFormat, token::Role};
use slipstream_tests::{gateway::Gateway, server_process::ServerProcess};

use super::{PASSWORD, ask};
use crate::cli::binary;

fn person(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

async fn register(gateway: &Gateway, body: &Value) -> (u16, Value) {
    ask(gateway, "POST", "/api/auth/register", None, Some(body)).await
}

async fn with(registration: Option<Registration>, bind: [u8; 4]) -> Gateway {
    Gateway::start_with(|config| {
        config.auth.registration = registration;
        config.bind = bind.into();
    })
    .await
}

#[tokio::test]
async fn a_server_that_others_reach_lets_nobody_register_by_default() {
    for gateway in [with(None, [0, 0, 0, 0]).await, with(Some(Registration::Closed), [127, 0, 0, 1]).await] {
        let (status, answer) = register(&gateway, &person("ann@example.org")).await;
        assert_eq!((status, answer["error"]["code"].as_str()), (403, Some("FORBIDDEN")), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("auth.registration"), "{answer}");
        let (status, answer) = ask(&gateway, "POST", "/api/invites", Some(&gateway.token(Role::Admin)), Some(&json!({}))).await;
        assert_eq!(status, 409, "{answer}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn behind_a_proxy_a_server_on_loopback_is_one_that_others_reach() {
    let gateway = with(None, [127, 0, 0, 1]).await;
    let client = reqwest::Client::new();
    for (name, value) in [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9"), ("host", "pit.example")] {
        let asked = client.post(gateway.url("/api/auth/register")).header(name, value).json(&person("ann@example.org"));
        assert_eq!(asked.send().await.unwrap().status(), 403, "{name}");
    }
    assert_eq!(register(&gateway, &person("ann@example.org")).await.1["data"]["user"]["role"], "admin");
    gateway.stop().await;
}

#[tokio::test]
async fn open_registration_makes_viewers_and_no_admin_of_a_stranger() {
    let gateway = with(Some(Registration::Open), [0, 0, 0, 0]).await;
    let (status, answer) = register(&gateway, &person("ann@example.org")).await;
    assert_eq!((status, &answer["data"]["user"]["role"]), (201, &json!("viewer")), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_invitation_lets_one_person_in_as_what_it_says() {
    let gateway = with(Some(Registration::Invite), [0, 0, 0, 0]).await;
    let admin = gateway.token(Role::Admin);
    assert_eq!(register(&gateway, &person("ann@example.org")).await.0, 403, "without a code");
    let make = |body: Value| {
        let admin = admin.clone();
        let gateway = &gateway;
        async move { ask(gateway, "POST", "/api/invites", Some(&admin), Some(&body)).await }
    };
    assert_eq!(ask(&gateway, "POST", "/api/invites", Some(&gateway.token(Role::Engineer)), Some(&json!({}))).await.0, 403);
    let (status, invite) = make(json!({"role": "engineer"})).await;
    assert_eq!(status, 201, "{invite}");
    let with_code = |email: &str, code: &Value| json!({"email": email, "password": PASSWORD, "invite": code});
    let code = &invite["data"]["code"];
    // A taken email does not use it up.
    let (_, other) = make(json!({})).await;
    assert_eq!(register(&gateway, &with_code("bert@example.org", &other["data"]["code"])).await.0, 201);
    assert_eq!(register(&gateway, &with_code("bert@example.org", code)).await.0, 409);
    let (status, answer) = register(&gateway, &with_code("carla@example.org", code)).await;
    assert_eq!((status, &answer["data"]["user"]["role"]), (201, &json!("engineer")), "{answer}");
    assert_eq!(register(&gateway, &with_code("dora@example.org", code)).await.0, 403, "it serves once");

    let (_, taken_back) = make(json!({})).await;
    let id = taken_back["data"]["id"].as_str().unwrap();
    let (_, listed) = ask(&gateway, "GET", "/api/invites", Some(&admin), None).await;
    assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["code"]), (&json!(id), &Value::Null), "its code is shown once");
    assert_eq!(ask(&gateway, "DELETE", &format!("/api/invites/{id}"), Some(&admin), None).await.0, 200);
    assert_eq!(register(&gateway, &with_code("emil@example.org", &taken_back["data"]["code"])).await.0, 403);

    let ended = Invite {
        id: Id::new("ended").unwrap(),
        hash: api_key::hash("sli_ended"),
        role: Role::Admin,
        driver: None,
        created_by: "ann".into(),
        created_at: Timestamp::default(),
        expires_at: gateway.services().clock.now(),
    };
    gateway.services().records.create_invite(ended).await.unwrap();
    assert_eq!(register(&gateway, &with_code("fred@example.org", &json!("sli_ended"))).await.0, 403);
    gateway.stop().await;
}

#[tokio::test]
async fn the_set_up_code_makes_one_admin_once() {
    let gateway = with(None, [0, 0, 0, 0]).await;
    let setup = |code: String, email: &str| {
        let body = json!({"code": code, "email": email, "password": PASSWORD});
        let gateway = &gateway;
        async move { ask(gateway, "POST", "/api/auth/setup", None, Some(&body)).await }
    };
    let services = gateway.services();
    // The server offers one by itself, beside its start.
    while !services.setup.is_offered() {
        tokio::task::yield_now().await;
    }
    let code = services.setup.make(services.clock.now());
    assert_eq!(setup("another".into(), "ann@example.org").await.0, 401);
    assert_eq!(setup(code.clone(), "no mail").await.0, 400, "a mistake does not use it up");
    let (status, answer) = setup(code.clone(), "ann@example.org").await;
    assert_eq!((status, &answer["data"]["user"]["role"]), (201, &json!("admin")), "{answer}");
    assert_eq!(setup(code, "bert@example.org").await.0, 401);
    let late = services.setup.make(services.clock.now());
    assert_eq!(setup(late, "bert@example.org").await.0, 409, "there is an admin");
    gateway.stop().await;
}

#[tokio::test]
async fn users_are_changed_and_removed_and_an_admin_is_left() {
    let gateway = Gateway::start().await;
    let (_, ann) = register(&gateway, &person("ann@example.org")).await;
    let (_, bert) = register(&gateway, &person("bert@example.org")).await;
    let (admin, viewer) = (ann["data"]["token"].as_str().unwrap(), bert["data"]["token"].as_str().unwrap());
    let path = |user: &Value| format!("/api/users/{}", user["data"]["user"]["id"].as_str().unwrap());
    assert_eq!(ask(&gateway, "PUT", &path(&bert), Some(viewer), Some(&json!({"role": "admin"}))).await.0, 403);
    let (status, changed) =
        ask(&gateway, "PUT", &path(&bert), Some(admin), Some(&json!({"role": "engineer", "password": "another horse"}))).await;
    assert_eq!((status, &changed["data"]["role"]), (200, &json!("engineer")), "{changed}");
    assert_eq!(ask(&gateway, "GET", "/api/status", Some(viewer), None).await.0, 401, "what it held is revoked");
    let login = json!({"email": "bert@example.org", "password": "another horse"});
    let (status, answer) = ask(&gateway, "POST", "/api/auth/login", None, Some(&login)).await;
    assert_eq!((status, &answer["data"]["user"]["role"]), (200, &json!("engineer")));
    let token = answer["data"]["token"].as_str().unwrap();
    assert_eq!(ask(&gateway, "GET", "/api/status", Some(token), None).await.0, 200, "within the same second");
    for (method, body) in [("PUT", Some(json!({"role": "viewer"}))), ("DELETE", None)] {
        assert_eq!(ask(&gateway, method, &path(&ann), Some(admin), body.as_ref()).await.0, 409, "{method}: the last admin");
    }
    let (_, key) = ask(&gateway, "POST", "/api/keys", Some(token), Some(&json!({"name": "k", "role": "viewer"}))).await;
    let key = key["data"]["key"].as_str().unwrap();
    let mut client = gateway.client_with(&format!("token={key}"), WireFormat::Json).await;
    client.is_well().await;
    assert_eq!(ask(&gateway, "DELETE", &path(&bert), Some(admin), None).await.0, 200);
    assert_eq!(client.closed().await, Some(4002), "open with a key that the user made");
    for gone in [token, key] {
        assert_eq!(ask(&gateway, "GET", "/api/status", Some(gone), None).await.0, 401);
    }
    gateway.stop().await;
}

/// The code of the set-up link that a server printed.
fn code_in(log: &str) -> Option<String> {
    let (_, rest) = log.rsplit_once("/setup#")?;
    Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect())
}

#[tokio::test]
async fn the_log_shows_a_link_while_there_is_no_admin_and_the_command_line_lets_people_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(binary(), dir.path(), &[]);
    let code = loop {
        match code_in(&server.log()) {
            Some(code) => break code,
            None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    assert!(server.log().contains("listening") && server.log().contains("user add"), "{}", server.log());
    let client = reqwest::Client::new();
    let page = client.get(server.url("/setup")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("setup.js"), "{page}");
    let body = json!({"code": code, "email": "ann@example.org", "password": PASSWORD});
    assert_eq!(client.post(server.url("/api/auth/setup")).json(&body).send().await.unwrap().status(), 201);

    let data = dir.path().join("data").display().to_string();
    let user = |arguments: &[&str]| {
        let mut command = std::process::Command::new(binary());
        command.env_remove("DATABASE_URL").current_dir(dir.path()).arg("user").args(arguments).args(["--data-dir", &data]);
        command.output().unwrap()
    };
    let added = user(&["add", "bert@example.org", "--role", "engineer"]);
    let said = String::from_utf8(added.stdout).unwrap();
    let password = said.trim().rsplit_once("password: ").unwrap().1.to_owned();
    let login = json!({"email": "bert@example.org", "password": password});
    let answer: Value = client.post(server.url("/api/auth/login")).json(&login).send().await.unwrap().json().await.unwrap();
    let token = answer["data"]["token"].as_str().unwrap().to_owned();
    assert!(user(&["role", "bert@example.org", "viewer"]).status.success());
    while client.get(server.url("/api/status")).bearer_auth(&token).send().await.unwrap().status() != 401 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let list = String::from_utf8(user(&["list"]).stdout).unwrap();
    assert!(list.contains("ann@example.org") && list.contains("viewer"), "{list}");
    assert_eq!(user(&["remove", "ann@example.org"]).status.code(), Some(2), "the last admin");
    assert_eq!(user(&["remove", "nobody@example.org"]).status.code(), Some(2));
    assert!(user(&["remove", "bert@example.org"]).status.success());
    let before = server.log().len();
    server.terminate();
    server.start_again();
    while !server.log()[before..].contains("get in:") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(code_in(&server.log()[before..]), None, "there is an admin");
}
