//! Training beside live agents, and policies compared: over REST, told on `rl:<agent>`, kept as time series.

use std::time::Duration;

use serde_json::{Value, json};
use slipstream_protocol::{
    WireFormat,
    token::{Claims, Role},
};
use slipstream_tests::{
    api::Api,
    gateway::{Client, Gateway, now_s},
    server_process::ServerProcess,
};
use tokio::time::{Instant, sleep};

use crate::cli::binary;

/// Longest wait for a training; a loaded machine learns slowly.
const PATIENCE: Duration = Duration::from_secs(120);

async fn training(api: &Api, agent: &str) -> Value {
    api.good("GET", &format!("/api/rl/agents/{agent}/training"), json!(null)).await
}

/// Waits until an agent's training is as `is` wants it.
async fn training_that(api: &Api, agent: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let training = training(api, agent).await;
        if is(&training) {
            return training;
        }
        assert!(Instant::now() < deadline, "{training}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn is_over(training: &Value) -> bool {
    !["running", "stopping"].contains(&training["state"].as_str().unwrap())
}

fn steps(training: &Value) -> u64 {
    training["progress"]["steps"].as_u64().unwrap()
}

async fn update_of(client: &mut Client, kind: &str) -> Value {
    loop {
        let mut message = client.message_of_patiently("rl_update").await;
        if message["update"]["kind"] == kind {
            return message["update"].take();
        }
    }
}

/// A short one that gets somewhere.
fn short() -> Value {
    json!({"algorithm": "q-table", "steps": 12_000, "evaluate_every": 3_000, "episodes": 10, "until": 1_000, "seed": 3})
}

/// One that does not end by itself within a test.
fn long() -> Value {
    json!({"algorithm": "q-table", "steps": 5_000_000, "evaluate_every": 1_000_000, "episodes": 10, "until": 1_000, "seed": 3})
}

#[tokio::test]
async fn a_policy_is_learnt_beside_a_live_agent_told_kept_and_swapped_in() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    api.good("POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala", "seed": 3})).await;
    let mut listener = gateway.client(Role::Viewer, WireFormat::Json).await;
    listener.subscribe("rl:bus").await;
    let mut plan = short();
    plan["deploy"] = json!(true);
    let begun = api.good("POST", "/api/rl/agents/bus/training", plan).await;
    assert_eq!((begun["state"].as_str(), begun["plan"]["learner"]["algorithm"].as_str()), (Some("running"), Some("q_table")));
    // The agent lives on meanwhile.
    api.good("POST", "/api/rl/agents/bus/episodes", json!({"seed": 11})).await;
    api.good("POST", "/api/rl/agents/bus/steps", json!({"action": 4})).await;

    let started = update_of(&mut listener, "training_started").await;
    assert_eq!((&started["training"], started["algorithm"].as_str()), (&begun["id"], Some("q-table")));
    let mut told = update_of(&mut listener, "training_progress").await;
    while told["evaluation"].is_null() {
        told = update_of(&mut listener, "training_progress").await;
    }
    assert!(told["steps"].as_u64().unwrap() <= 12_000 && told["of"] == 12_000 && told["evaluation"]["episodes"] == 10, "{told}");
    let swapped = update_of(&mut listener, "policy_swapped").await;
    let ended = update_of(&mut listener, "training_ended").await;
    assert_eq!((ended["state"].as_str(), ended["outcome"]["deployed"].as_bool()), (Some("done"), Some(true)), "{ended}");
    assert_eq!(ended["outcome"]["policy"]["version"], swapped["policy"]["version"]);

    let status = training(&api, "bus").await;
    assert_eq!((status["state"].as_str(), steps(&status)), (Some("done"), 12_000));
    let evaluated: Vec<_> = status["curve"]["evaluated"].as_array().unwrap().iter().map(|p| p["steps"].as_u64().unwrap()).collect();
    assert_eq!(evaluated, [3_000, 6_000, 9_000, 12_000]);
    let mean = status["outcome"]["evaluation"]["mean"].as_f64().unwrap();
    assert!(mean > 100.0, "{mean}");

    // The curve is in the time series, under the agent's name.
    let series = api.good("GET", "/api/telemetry/bus?signals=training.evaluated,training.epsilon", json!(null)).await;
    let text = series.to_string();
    assert!(text.contains("training.evaluated") && text.contains("training.epsilon"), "{text}");

    // The agent plays it, before and after a restart, and so can others.
    let view = api.good("GET", "/api/rl/agents/bus", json!(null)).await;
    assert_eq!(view["policy"]["algorithm"], "Q-table");
    api.good("POST", "/api/rl/agents", json!({"id": "other", "environment": "daladala"})).await;
    let other = api.good("PUT", "/api/rl/agents/other/policy", json!({"model": "trained/bus.safetensors"})).await;
    assert_eq!(other["policy"]["version"], view["policy"]["version"]);
    let mut gateway = gateway;
    gateway.restart().await;
    let api = Api::of(&gateway, Role::Engineer);
    let again = api.good("GET", "/api/rl/agents/bus", json!(null)).await;
    assert_eq!(again["policy"], view["policy"]);
    assert_eq!(training(&api, "bus").await["outcome"], status["outcome"]);
    let metrics = api.metrics().await;
    assert!(metrics.contains("slipstream_rl_trainings_running 0"), "{metrics}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_training_is_stopped_and_goes_on_and_there_is_a_bound_on_how_many() {
    let gateway = Gateway::start_with(|config| config.rl.trainings = 1).await;
    let api = Api::of(&gateway, Role::Admin);
    for id in ["a", "b"] {
        api.good("POST", "/api/rl/agents", json!({"id": id, "environment": "daladala"})).await;
    }
    assert_eq!(api.call("GET", "/api/rl/agents/a/training", json!(null)).await.0, 404);
    assert_eq!(api.call("POST", "/api/rl/agents/a/training", json!({"resume": true})).await.0, 409);
    api.good("POST", "/api/rl/agents/a/training", long()).await;
    let (status, twice) = api.call("POST", "/api/rl/agents/a/training", long()).await;
    assert_eq!(status, 409, "{twice}");
    let (status, many) = api.call("POST", "/api/rl/agents/b/training", short()).await;
    assert_eq!(status, 503, "{many}");
    assert!(many["error"]["message"].as_str().unwrap().contains("stop one"), "{many}");
    training_that(&api, "a", |t| steps(t) > 0).await;
    let told = api.good("GET", "/api/rl/trainings", json!(null)).await;
    assert_eq!((told["running"].as_u64(), told["most"].as_u64()), (Some(1), Some(1)));

    let stopping = api.good("DELETE", "/api/rl/agents/a/training", json!(null)).await;
    assert_eq!(stopping["state"], "stopping");
    let stopped = training_that(&api, "a", is_over).await;
    assert_eq!((stopped["state"].as_str(), stopped["outcome"]["deployed"].as_bool()), (Some("stopped"), Some(false)));
    assert_eq!(api.good("DELETE", "/api/rl/agents/a/training", json!(null)).await["state"], "stopped", "to stop again changes nothing");
    let reached = steps(&stopped);
    let (status, fixed) = api.call("POST", "/api/rl/agents/a/training", json!({"resume": true, "seed": 4})).await;
    assert_eq!(status, 400, "{fixed}");
    let further = json!({"resume": true, "steps": reached + 2_000, "evaluate_every": reached + 2_000});
    api.good("POST", "/api/rl/agents/a/training", further).await;
    let done = training_that(&api, "a", is_over).await;
    assert_eq!((done["state"].as_str(), steps(&done), done["resumed"].as_u64()), (Some("done"), reached + 2_000, Some(1)), "{done}");
    assert_eq!(done["id"], stopped["id"], "it is the same training");

    // An agent that goes takes its training along.
    api.good("POST", "/api/rl/agents/b/training", long()).await;
    api.good("DELETE", "/api/rl/agents/b", json!(null)).await;
    let deadline = Instant::now() + PATIENCE;
    while api.good("GET", "/api/rl/trainings", json!(null)).await["running"] != 0 {
        assert!(Instant::now() < deadline, "the training of a removed agent goes on");
        sleep(Duration::from_millis(20)).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_broken_or_too_large_or_not_allowed_is_refused_with_its_name() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    api.good("POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala"})).await;
    for (body, named) in [
        (json!({"algorithm": "sarsa"}), "algorithm"),
        (json!({"algorithm": 3}), "algorithm"),
        (json!({"learner": {"hiden": [8]}}), "learner"),
        (json!({"learner": {"hidden": [100_000]}}), "learner"),
        (json!({"learner": {"replay": 100_000_000}}), "learner"),
        (json!({"learner": {"discount": -1}}), "learner"),
        (json!({"learner": []}), "learner"),
        (json!({"seed": -1}), "seed"),
        (json!({"steps": 0}), "steps"),
        (json!({"steps": 1e12 as u64}), "steps"),
        (json!({"steps": "many"}), "steps"),
        (json!({"evaluate_every": 1}), "evaluate_every"),
        (json!({"episodes": 1_000_000}), "episodes"),
        (json!({"until": "soon"}), "until"),
        (json!({"deploy": "yes"}), "deploy"),
    ] {
        let (status, answer) = api.call("POST", "/api/rl/agents/bus/training", body.clone()).await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(answer["error"]["details"].to_string().contains(&format!("'{named}'")), "{body}: {answer}");
    }
    assert_eq!(api.call("POST", "/api/rl/agents/nobody/training", json!({})).await.0, 404);
    assert_eq!(api.call("PUT", "/api/rl/agents/bus/training", json!({})).await.0, 405);
    let viewer = Api::of(&gateway, Role::Viewer);
    for (method, path) in
        [("POST", "/api/rl/agents/bus/training"), ("DELETE", "/api/rl/agents/bus/training"), ("POST", "/api/rl/evaluations")]
    {
        assert_eq!(viewer.call(method, path, json!({"policies": ["random"]})).await.0, 403, "{method} {path}");
    }
    let claims = Claims {
        sub: "deaf".into(),
        exp: now_s() + 3_600,
        iat: None,
        role: Role::Engineer,
        channels: Some(vec!["telemetry:*".parse().unwrap()]),
        publish: None,
    };
    let deaf = Api::new(gateway.url(""), gateway.token_of(&claims));
    assert_eq!(deaf.call("POST", "/api/rl/agents/bus/training", short()).await.0, 403);
    assert_eq!(api.call("GET", "/api/rl/agents/bus/training", json!(null)).await.0, 404, "none of these began");
    gateway.stop().await;
}

#[tokio::test]
async fn a_training_goes_on_by_itself_after_a_drain() {
    let mut gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    api.good("POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala"})).await;
    api.good("POST", "/api/rl/agents/bus/training", long()).await;
    let before = training_that(&api, "bus", |t| steps(t) > 0).await;
    gateway.restart().await;
    let api = Api::of(&gateway, Role::Engineer);
    let after = training_that(&api, "bus", |t| steps(t) > steps(&before)).await;
    assert_eq!((&after["id"], after["resumed"].as_u64(), after["state"].as_str()), (&before["id"], Some(1), Some("running")));
    assert!(after["message"].as_str().unwrap().contains("went on by itself"), "{after}");
    api.good("DELETE", "/api/rl/agents/bus/training", json!(null)).await;
    assert_eq!(training_that(&api, "bus", is_over).await["state"], "stopped");
    gateway.stop().await;
}

#[tokio::test]
async fn a_training_and_its_agent_outlive_a_kill_of_the_server() {
    let data = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(binary(), data.path(), &[]);
    let api = |server: &ServerProcess| Api::new(server.url(""), server.token(Role::Engineer));
    let before = api(&server);
    before.good("POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala"})).await;
    before.good("POST", "/api/rl/agents/bus/training", long()).await;
    training_that(&before, "bus", |t| steps(t) > 0).await;
    server.kill();
    server.start_again();
    let after = api(&server);
    let going = training_that(&after, "bus", |t| steps(t) > 0 && t["resumed"] == 1).await;
    assert_eq!(going["state"], "running", "{going}");
    assert_eq!(after.good("GET", "/api/rl/agents/bus", json!(null)).await["environment"], "daladala");
    server.kill();
}

#[tokio::test]
async fn policies_play_the_same_episodes_and_one_that_cannot_does_not_keep_the_others() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    api.good("POST", "/api/rl/agents", json!({"id": "idle", "environment": "daladala"})).await;
    let contest = json!({"policies": ["built-in", "random", "rules", "agent:idle", "nothing.zip"], "episodes": 50, "seed": 7});
    let compared = api.good("POST", "/api/rl/evaluations", contest).await;
    let results = compared["results"].as_array().unwrap();
    let mean = |place: usize| results[place]["evaluation"]["mean"].as_f64();
    assert!(mean(0) > mean(1) && mean(1).is_some(), "{compared}");
    assert_eq!((results[0]["evaluation"]["optimal_share"].as_f64(), results[0]["evaluation"]["episodes"].as_u64()), (Some(1.0), Some(50)));
    for (place, word) in [(2, "avoidance alone"), (3, "plays no policy"), (4, "there is no model")] {
        assert!(results[place]["error"].as_str().unwrap().contains(word) && mean(place).is_none(), "{compared}");
    }
    assert_eq!(api.good("GET", "/api/rl/evaluations", json!(null)).await[0], compared);
    let road = json!({"policies": ["rules"], "environment": "avoidance", "episodes": 10});
    assert!(api.good("POST", "/api/rl/evaluations", road).await["results"][0]["evaluation"]["mean"].is_number());
    for bad in [
        json!({}),
        json!({"policies": []}),
        json!({"policies": vec!["random"; 9]}),
        json!({"policies": [1]}),
        json!({"policies": ["random"], "episodes": 10_001}),
        json!({"policies": ["random"], "environment": "moon"}),
    ] {
        assert_eq!(api.call("POST", "/api/rl/evaluations", bad.clone()).await.0, 400, "{bad}");
    }
    gateway.stop().await;
}
