//! The bus: `/api/models`, `/api/load-model`, `/api/step` and their neighbours. Their clients read
//! fields at the top level; the envelope carries the same under `data`.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};
use slipstream_actors::{AgentCommand, AgentView};
use slipstream_engine::rl::{agent::AgentError, policy::Algorithm};
use slipstream_protocol::{Timestamp, token::Claims};

use super::{
    super::{
        fields::{Fields, string},
        reply::{self, ApiError, ApiResult, Response},
    },
    may_drive, may_hear, whole,
};
use crate::{
    app::Services,
    http::operation::{Access, Operation},
    rl, socketio,
};

/// What clients of the bus call.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/models", "rl", Access::Token, "Models at hand, and the one loaded", &[], |r| {
        Box::pin(async move { read(&r.services, r.caller(), Told::Models).await })
    })
    .rl_open(),
    Operation::post(
        "/api/load-model",
        "rl",
        Access::Operator,
        "Load the bus's model; makes the bus where there is none yet",
        &[("algorithm", "one of DQN|PPO|A2C|REINFORCE", "of which model")],
        |r| Box::pin(async move { load(&r.services, r.caller(), &r.body).await }),
    )
    .answering_200()
    .rl_open(),
    Operation::post(
        "/api/step",
        "rl",
        Access::Operator,
        "One step of the bus",
        &[("action?", "integer 0..4", "the model decides where absent")],
        |r| Box::pin(async move { step(&r.services, r.caller(), &r.body).await }),
    )
    .bare()
    .answering_200()
    .rl_open(),
    Operation::post("/api/reset", "rl", Access::Operator, "Put the bus back to a beginning", &[], |r| {
        Box::pin(async move { reset(&r.services, r.caller()).await })
    })
    .answering_200()
    .rl_open(),
    Operation::get("/api/environment-info", "rl", Access::Token, "The bus's environment", &[], |r| {
        Box::pin(async move { read(&r.services, r.caller(), Told::EnvironmentInfo).await })
    })
    .rl_open(),
    Operation::get("/api/current-state", "rl", Access::Token, "Where the bus stands", &[], |r| {
        Box::pin(async move { read(&r.services, r.caller(), Told::CurrentState).await })
    })
    .rl_open(),
    Operation::get("/api/episode-data", "rl", Access::Token, "The steps of the bus's episode so far", &[], |r| {
        Box::pin(async move { read(&r.services, r.caller(), Told::EpisodeData).await })
    })
    .rl_open(),
    Operation::get("/api/ws-status", "rl", Access::Token, "Socket.IO clients connected now", &[], |r| {
        Box::pin(async move { read(&r.services, r.caller(), Told::WsStatus).await })
    })
    .rl_open(),
];

/// What is read only.
#[derive(Clone, Copy)]
enum Told {
    Models,
    EnvironmentInfo,
    CurrentState,
    EpisodeData,
    WsStatus,
}

/// `data`, in the envelope and at the top level.
fn both(now: Timestamp, data: Value, message: &str) -> Response {
    let mut whole = match &data {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    for (name, value) in [("success", json!(true)), ("data", data), ("message", json!(message)), ("timestamp", json!(now))] {
        whole.insert(name.to_owned(), value);
    }
    reply::body(StatusCode::OK, "application/json", Value::Object(whole).to_string())
}

fn may_drive_bus(services: &Services, claims: Option<&Claims>) -> Result<(), ApiError> {
    may_drive(claims)?;
    may_hear(claims, &services.bus.agent)
}

fn no_model() -> ApiError {
    slipstream_actors::CommandError::Agent(AgentError::NoPolicy).into()
}

fn present(services: &Services) -> Result<Arc<AgentView>, ApiError> {
    services.bus.view().ok_or_else(no_model)
}

fn state(view: &AgentView) -> Value {
    json!(rl::BusState::of(view))
}

async fn read(services: &Services, caller: Option<&Claims>, told: Told) -> ApiResult {
    may_hear(caller, &services.bus.agent)?;
    let now = services.clock.now();
    Ok(match told {
        Told::Models => {
            let files = services.bus.models.list().await;
            let file = |f: &rl::ModelFile| json!({ "file": f.name, "algorithm": f.algorithm.map(Algorithm::name), "bytes": f.bytes });
            // DQN is built in.
            let mut algorithms: Vec<_> = files.iter().filter_map(|f| f.algorithm).chain([Algorithm::Dqn]).map(Algorithm::name).collect();
            algorithms.sort_unstable();
            algorithms.dedup();
            let loaded = services.bus.view().and_then(|v| Some(v.policy.as_ref()?.policy.description().algorithm.clone()));
            let files: Vec<_> = files.iter().map(file).collect();
            both(now, json!({ "models": algorithms, "files": files, "current_model": loaded }), "models")
        }
        Told::EnvironmentInfo => both(now, rl::environment_info(), "the bus's environment"),
        Told::CurrentState => {
            let view = present(services)?;
            both(now, state(&view), "where the bus stands")
        }
        Told::EpisodeData => {
            let view = present(services)?;
            let log = services.bus.changes.log();
            let data = json!({
                "episode": view.episode, "steps": log.steps, "total_reward": view.total_reward, "over": view.is_over,
            });
            both(now, data, "the episode so far")
        }
        Told::WsStatus => {
            let clients = socketio::clients(services);
            both(now, json!({ "connected_clients": clients.len(), "client_ids": clients }), "Socket.IO clients")
        }
    })
}

async fn load(services: &Services, caller: Option<&Claims>, body: &[u8]) -> ApiResult {
    may_drive_bus(services, caller)?;
    let mut fields = Fields::of(body)?;
    let algorithm = fields.required("algorithm", |value| {
        let name = string(value)?;
        let known = Algorithm::of_name(name).filter(|a| *a != Algorithm::Unknown);
        known.ok_or_else(|| "unknown algorithm: DQN, PPO, A2C and REINFORCE are known".to_owned())
    });
    let Some(algorithm) = algorithm else { return Err(fields.refusal()) };
    let view = services.bus.load(algorithm).await?;
    let policy = view.policy.as_ref().map(|p| p.policy.description().clone());
    let message = format!("{} model loaded successfully", algorithm.name());
    Ok(both(services.clock.now(), json!({ "algorithm": algorithm.name(), "policy": policy }), &message))
}

async fn reset(services: &Services, caller: Option<&Claims>) -> ApiResult {
    may_drive_bus(services, caller)?;
    let view = services.bus.command(AgentCommand::Reset { seed: None }).await?;
    let data = json!({ "observation": view.observation, "state": state(&view) });
    Ok(both(services.clock.now(), data, "the environment is reset"))
}

async fn step(services: &Services, caller: Option<&Claims>, body: &[u8]) -> ApiResult {
    may_drive_bus(services, caller)?;
    // Before the body is looked at: without a model no step is right.
    present(services)?;
    let mut fields = Fields::of(if body.is_empty() { b"{}" } else { body })?;
    let Some(action) = fields.optional("action", whole) else { return Err(fields.refusal()) };
    let action = action.map(|action| usize::try_from(action).unwrap_or(usize::MAX));
    let view = services.bus.command(AgentCommand::Step { action }).await?;
    let last = view.last;
    let (terminated, truncated) = (last.is_some_and(|l| l.terminated), last.is_some_and(|l| l.truncated));
    let data = json!({
        "action": last.map(|l| l.action),
        "action_name": last.and_then(|l| view.action_names.get(l.action)),
        "reward": last.map(|l| l.reward),
        "total_reward": view.total_reward,
        "terminated": terminated,
        "truncated": truncated,
        "done": terminated || truncated,
        "observation": view.observation,
        "state": state(&view),
    });
    Ok(both(services.clock.now(), data, "one step taken"))
}
