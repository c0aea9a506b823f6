//! What is wrong about models, actions and clients, told through the server's own doors: it is refused by name, and
//! everyone else plays on.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use slipstream_protocol::{WireFormat, token::Role};
use slipstream_tests::{
    api::Api,
    gateway::{Gateway, PATIENCE},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// A policy of the bus that is well, as safetensors.
fn good_file() -> Vec<u8> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/src/rl/built_in/daladala.dqn.safetensors");
    std::fs::read(built_in).unwrap()
}

/// `file` with a text in its head replaced by one of the same length.
fn with_head(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = file.windows(from.len()).position(|part| part == from.as_bytes()).unwrap_or_else(|| panic!("{from} is in the head"));
    [&file[..at], to.as_bytes(), &file[at + from.len()..]].concat()
}

/// A Stable-Baselines3 file, where the sample data is there.
fn zip_file() -> Option<Vec<u8>> {
    let root =
        std::env::var_os("SLIPSTREAM_DATA").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join("golden/daladala/models/best_ppo.zip");
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        println!("skipped: there is no {}", path.display());
    }
    bytes
}

/// Files that are not what they claim, each with what is said of it.
fn broken_files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = good_file();
    let mut nan = good.clone();
    let end = nan.len();
    nan[end - 8..].fill(0xff);
    let mut files = vec![
        ("nan.safetensors", nan, "finite"),
        ("shape.safetensors", with_head(&good, "[64,14]", "[14,64]"), "does not fit"),
        ("short.safetensors", good[..good.len() / 2].to_vec(), ""),
        ("empty.zip", Vec::new(), ""),
        ("text.zip", b"this is no model".to_vec(), ""),
    ];
    if let Some(zip) = zip_file() {
        for (name, keep) in [("dqn-half.zip", zip.len() / 2), ("dqn-end.zip", zip.len() - 7), ("dqn-head.zip", 30)] {
            files.push((name, zip[..keep].to_vec(), ""));
        }
    }
    files
}

async fn call(gateway: &Gateway, method: &str, path: &str, body: Value) -> (u16, Value) {
    Api::of(gateway, Role::Engineer).call(method, path, body).await
}

/// A Socket.IO client that can vanish without a word.
struct Raw(WebSocketStream<TcpStream>);

impl Raw {
    async fn connect(gateway: &Gateway) -> Self {
        let address = gateway.url("").replace("http://", "");
        let stream = TcpStream::connect(&address).await.unwrap();
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut client = Self(tokio_tungstenite::client_async(url, stream).await.unwrap().0);
        client.say("40").await;
        client.event("connection-status").await;
        client
    }

    async fn say(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.unwrap();
    }

    /// The data of the next event of this name.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("it is heard in time").unwrap().unwrap();
            let Message::Text(text) = message else { continue };
            if let Some(event) = text.strip_prefix("42") {
                let mut event: Value = serde_json::from_str(event).unwrap();
                if event[0] == name {
                    return event[1].take();
                }
            }
        }
    }
}

#[tokio::test]
async fn broken_policies_are_refused_by_every_door_and_the_agent_plays_on() {
    let gateway = Gateway::start().await;
    let good = json!({"file": STANDARD.encode(good_file())});
    assert_eq!(call(&gateway, "POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala", "seed": 3})).await.0, 201);
    assert_eq!(call(&gateway, "PUT", "/api/rl/agents/bus/policy", good).await.0, 200);
    assert_eq!(call(&gateway, "POST", "/api/rl/agents/bus/episodes", json!({"seed": 5})).await.0, 200);
    let mut steps = 0;
    for (name, file, said) in broken_files() {
        for part in ["policy", "shadow"] {
            let body = json!({"file": STANDARD.encode(&file)});
            let (status, answer) = call(&gateway, "PUT", &format!("/api/rl/agents/bus/{part}"), body).await;
            let error = &answer["error"];
            assert_eq!((status, error["code"].as_str()), (400, Some("VALIDATION_ERROR")), "{name}: {answer}");
            assert!(error["message"].as_str().unwrap().contains(said), "{name}: {answer}");
        }
        let (status, stood) = call(&gateway, "POST", "/api/rl/agents/bus/steps", json!({})).await;
        steps += 1;
        assert_eq!((status, stood["data"]["state"]["step_count"].as_u64()), (200, Some(steps)), "{name}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_broken_model_in_the_folder_takes_nothing_from_who_plays() {
    let folder = tempfile::tempdir().unwrap();
    for (name, file, _) in broken_files() {
        // Each under the name of an algorithm of its own would take more names than there are.
        std::fs::write(folder.path().join(format!("ppo-{name}")), file).unwrap();
    }
    let models = folder.path().to_owned();
    let gateway = Gateway::start_with(|config| {
        config.rl.open = true;
        config.rl.models = Some(models);
    })
    .await;
    let mut player = Raw::connect(&gateway).await;
    let (status, refused) = call(&gateway, "POST", "/api/load-model", json!({"algorithm": "PPO"})).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (400, Some("VALIDATION_ERROR")), "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("ppo-"), "the file is named: {refused}");
    player.say(r#"42["step",{}]"#).await;
    assert_eq!(player.event("error").await, json!({"message": "No model loaded"}));
    for algorithm in ["A2C", "SARSA"] {
        let (status, answer) = call(&gateway, "POST", "/api/load-model", json!({"algorithm": algorithm})).await;
        assert!(matches!(status, 400 | 404) && answer["success"] == false, "{answer}");
    }
    assert_eq!(call(&gateway, "POST", "/api/load-model", json!({"algorithm": "DQN"})).await.0, 200, "it is built in");
    player.say(r#"42["start-episode"]"#).await;
    player.event("episode-started").await;
    player.say(r#"42["step",{}]"#).await;
    while player.event("rl-update").await["data"]["step"] != 1 {}
    assert_eq!(call(&gateway, "POST", "/api/load-model", json!({"algorithm": "PPO"})).await.0, 400);
    player.say(r#"42["step",{}]"#).await;
    assert_eq!(player.event("rl-update").await["data"]["step"], 2, "the old model plays on");
    gateway.stop().await;
}

#[tokio::test]
async fn clients_that_vanish_in_mid_episode_and_packets_that_are_none_harm_nobody_else() {
    let gateway = Gateway::start_with(|config| config.rl.open = true).await;
    assert_eq!(call(&gateway, "POST", "/api/load-model", json!({"algorithm": "DQN"})).await.0, 200);
    let (mut gone, mut stays) = (Raw::connect(&gateway).await, Raw::connect(&gateway).await);
    let mut socket = gateway.client(Role::Engineer, WireFormat::Json).await;
    gone.say(r#"42["start-episode"]"#).await;
    stays.event("rl-update").await;
    for _ in 0..3 {
        gone.say(r#"42["step",{"action":4}]"#).await;
    }
    while stays.event("rl-update").await["data"]["step"] != 3 {}
    // Neither a farewell nor a close: the connection is simply no more, with what it has not read.
    drop(gone);
    socket.send(json!({"type": "rl", "channel": "rl:daladala", "command": "step", "id": 1})).await;
    while stays.event("rl-update").await["data"]["step"] != 4 {}
    drop(socket);
    for packet in ["42[\"step\",", "42{}", "42[]", "42[7]", "499", "hello", "42[\"step\"", "421[\"step\",{}]x"] {
        let mut odd = Raw::connect(&gateway).await;
        odd.say(packet).await;
        stays.say(r#"42["get-state"]"#).await;
        stays.event("rl-update").await;
    }
    stays.say(r#"42["step",{}]"#).await;
    stays.event("rl-update").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (_, status) = call(&gateway, "GET", "/api/ws-status", json!(null)).await;
        if status["connected_clients"] == 1 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "who has gone is gone: {status}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    gateway.stop().await;
}
