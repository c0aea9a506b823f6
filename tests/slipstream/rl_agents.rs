//! Agents of any name over REST and WebSocket: made, driven, swapped, shadowed, shielded.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use slipstream_protocol::{WireFormat, codec::WireClient, token::Role};
use slipstream_tests::{
    api::Api,
    gateway::{Client, Gateway},
};
use tokio_tungstenite::tungstenite::Message;

fn policy_file(name: &str) -> Option<String> {
    let root =
        std::env::var_os("SLIPSTREAM_DATA").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join("golden/daladala/models").join(name);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        println!("skipped: there is no {}", path.display());
    }
    bytes.map(|bytes| STANDARD.encode(bytes))
}

async fn update_of(client: &mut Client, kind: &str) -> Value {
    loop {
        let mut message = client.message_of("rl_update").await;
        if message["update"]["kind"] == kind {
            return message["update"].take();
        }
    }
}

#[tokio::test]
async fn an_agent_is_made_driven_and_removed_over_rest_while_others_listen() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    let mut listener = gateway.client(Role::Viewer, WireFormat::Json).await;
    listener.subscribe("rl:bus-7").await;
    let made = api.good("POST", "/api/rl/agents", json!({"id": "bus-7", "environment": "daladala", "seed": 3})).await;
    assert_eq!((made["episode"].as_u64(), made["over"].as_bool()), (Some(0), Some(true)));
    assert_eq!(api.call("POST", "/api/rl/agents", json!({"id": "bus-7", "environment": "daladala"})).await.0, 409);
    api.good("POST", "/api/rl/agents/bus-7/episodes", json!({"seed": 11})).await;
    let stood = api.good("POST", "/api/rl/agents/bus-7/steps", json!({"action": 4, "count": 5})).await;
    assert_eq!((stood["state"]["step_count"].as_u64(), stood["counts"]["steps"].as_u64()), (Some(5), Some(5)));
    assert_eq!(update_of(&mut listener, "episode_started").await["episode"], 1);
    let step = update_of(&mut listener, "step").await;
    assert_eq!((step["action_name"].as_str(), step["chosen_by"].as_str()), (Some("SpeedUp"), Some("caller")));
    let (status, history) = api.call("GET", "/api/channels/rl:bus-7/history", json!(null)).await;
    assert_eq!((status, history["data"]["publications"].as_array().map(Vec::len)), (200, Some(6)), "{history}");
    for (path, body, expected) in [
        ("/api/rl/agents/bus-7/steps", json!({"action": 9}), 400),
        ("/api/rl/agents/bus-7/steps", json!({"action": "left"}), 400),
        ("/api/rl/agents/bus-7/steps", json!({}), 400),
        ("/api/rl/agents/nobody/steps", json!({"action": 1}), 404),
        ("/api/rl/agents/bus-7/nothing", json!({}), 404),
        ("/api/rl/agents", json!({"id": "a b", "environment": "moon"}), 400),
    ] {
        assert_eq!(api.call("POST", path, body).await.0, expected, "{path}");
    }
    let viewer = Api::of(&gateway, Role::Viewer);
    assert_eq!(viewer.call("POST", "/api/rl/agents/bus-7/steps", json!({"action": 1})).await.0, 403);
    assert_eq!(viewer.good("GET", "/api/rl/agents/bus-7", json!(null)).await["counts"]["steps"], 5);
    api.good("DELETE", "/api/rl/agents/bus-7", json!(null)).await;
    assert_eq!(api.call("GET", "/api/rl/agents/bus-7", json!(null)).await.0, 404);
    gateway.stop().await;
}

#[tokio::test]
async fn policies_are_swapped_shadowed_and_shielded_between_steps() {
    let (Some(dqn), Some(ppo)) = (policy_file("best_dqn.zip"), policy_file("best_ppo.zip")) else { return };
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    let mut listener = gateway.client(Role::Viewer, WireFormat::Json).await;
    listener.subscribe("rl:bus").await;
    api.good("POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala", "seed": 3})).await;
    let played = api.good("PUT", "/api/rl/agents/bus/policy", json!({"file": dqn})).await;
    assert_eq!((played["policy"]["algorithm"].as_str(), played["policy"]["environment"].as_str()), (Some("DQN"), Some("daladala")));
    let shadowed = api.good("PUT", "/api/rl/agents/bus/shadow", json!({"file": ppo})).await;
    assert_eq!(shadowed["shadow"]["algorithm"], "PPO");
    let rule = json!({"name": "never faster", "when": [], "forbid": ["SpeedUp"]});
    api.good("PUT", "/api/rl/agents/bus/shield", json!({"rules": [rule]})).await;
    api.good("POST", "/api/rl/agents/bus/episodes", json!({"seed": 5})).await;
    let stood = api.good("POST", "/api/rl/agents/bus/steps", json!({})).await;
    assert_eq!(stood["shield"]["stopped"], 1, "at its beginning every policy here goes faster");
    let step = update_of(&mut listener, "step").await;
    assert_eq!((step["wanted"].as_u64(), step["stopped_by"].as_str()), (Some(4), Some("never faster")));
    assert_eq!(
        (step["policy"]["version"].as_str(), step["policy"]["score_kind"].as_str()),
        (played["policy"]["version"].as_str(), Some("q_values"))
    );
    assert_eq!(
        (step["policy"]["scores"].as_array().map(Vec::len), step["shadow"]["score_kind"].as_str()),
        (Some(5), Some("probabilities"))
    );
    // The next step is another policy's, in the same episode.
    let swapped = api.good("PUT", "/api/rl/agents/bus/policy", json!({"file": ppo})).await;
    api.good("POST", "/api/rl/agents/bus/steps", json!({})).await;
    let next = update_of(&mut listener, "step").await;
    assert_eq!(next["policy"]["version"], swapped["policy"]["version"]);
    assert_eq!(next["episode"], step["episode"]);
    for bad in [json!({"file": "AAAA"}), json!({"file": "no base64!"}), json!({"model": "nothing.zip", "file": "AAAA"})] {
        assert_eq!(api.call("PUT", "/api/rl/agents/bus/policy", bad).await.0, 400);
    }
    assert_eq!(api.call("PUT", "/api/rl/agents/bus/policy", json!({"model": "../x.zip"})).await.0, 404);
    let nonsense = json!({"rules": [{"name": "x", "when": [], "forbid": ["Fly"]}]});
    assert_eq!(api.call("PUT", "/api/rl/agents/bus/shield", nonsense).await.0, 400);
    let other = json!({"id": "car", "environment": "avoidance"});
    api.good("POST", "/api/rl/agents", other).await;
    let (status, refused) = api.call("PUT", "/api/rl/agents/car/policy", json!({"file": ppo})).await;
    assert_eq!(status, 400);
    assert!(refused["error"]["message"].as_str().unwrap().contains("observations"), "{refused}");
    gateway.stop().await;
}

#[tokio::test]
async fn commands_on_the_websocket_are_answered_in_both_formats() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    api.good("POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala", "seed": 3})).await;
    let mut client = gateway.client(Role::Engineer, WireFormat::Json).await;
    client.send(json!({"type": "rl", "channel": "rl:bus", "command": "start", "seed": 4, "id": "a"})).await;
    let done = client.message_of("rl_done").await;
    assert_eq!((done["id"].as_str(), done["agent"]["episode"].as_u64()), (Some("a"), Some(1)));
    for (frame, code) in [
        (json!({"type": "rl", "channel": "rl:bus", "command": "step", "id": 1}), "VALIDATION_ERROR"),
        (json!({"type": "rl", "channel": "rl:bus", "command": "step", "action": 8, "id": 1}), "VALIDATION_ERROR"),
        (json!({"type": "rl", "channel": "rl:bus", "command": "step", "action": "x", "id": 1}), "VALIDATION_ERROR"),
        (json!({"type": "rl", "channel": "rl:nobody", "command": "step", "action": 1, "id": 1}), "NOT_FOUND"),
    ] {
        client.send(frame.clone()).await;
        let error = client.message_of("error").await;
        assert_eq!((error["code"].as_str(), error["id"].as_u64()), (Some(code), Some(1)), "{frame}");
    }
    let mut binary = gateway.client(Role::Engineer, WireFormat::Rkyv).await;
    let command = json!({"channel": "rl:bus", "command": "step", "action": 4}).to_string();
    binary.send_raw(Message::binary(WireClient::Rl { command, id: Some(9) }.to_payload())).await;
    let done = binary.message_of("rl_done").await;
    assert_eq!((done["id"].as_u64(), done["agent"]["last"]["action"].as_u64()), (Some(9), Some(4)));
    let mut viewer = gateway.client(Role::Viewer, WireFormat::Json).await;
    viewer.send(json!({"type": "rl", "channel": "rl:bus", "command": "state", "id": 2})).await;
    assert_eq!(viewer.message_of("rl_done").await["agent"]["counts"]["steps"], 1);
    viewer.send(json!({"type": "rl", "channel": "rl:bus", "command": "reset", "id": 3})).await;
    assert_eq!(viewer.message_of("error").await["code"], "FORBIDDEN");
    viewer.is_well().await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_episode_and_its_policy_survive_a_restart_of_the_server() {
    let Some(dqn) = policy_file("best_dqn.zip") else { return };
    let mut gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    api.good("POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala", "seed": 3})).await;
    api.good("PUT", "/api/rl/agents/bus/policy", json!({"file": dqn})).await;
    api.good("POST", "/api/rl/agents/bus/episodes", json!({})).await;
    let before = api.good("POST", "/api/rl/agents/bus/steps", json!({"count": 7})).await;
    gateway.restart().await;
    let api = Api::of(&gateway, Role::Engineer);
    let after = api.good("GET", "/api/rl/agents/bus", json!(null)).await;
    assert_eq!(after, before);
    let next = api.good("POST", "/api/rl/agents/bus/steps", json!({})).await;
    assert_eq!(next["state"]["step_count"], 8);
    gateway.stop().await;
}
