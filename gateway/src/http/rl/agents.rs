//! `/api/rl/agents`: make, read, drive, shadow and shield agents of any environment.

use std::{sync::Arc, time::Duration};

use base64::Engine as _;
use serde_json::Value;
use slipstream_actors::{AgentCommand, AgentView};
use slipstream_engine::rl::{EnvironmentKind, agent::PlayedPolicy, policy, shield::Rule};
use slipstream_protocol::{AgentId, ErrorCode, token::Claims};

use super::{
    super::{
        fields::{Fields, id, string},
        paging::path_id,
        reply::{self, ApiError, ApiResult, Response},
    },
    attachment::attachment,
    may_hear, whole,
};
use crate::{
    app::Services,
    http::operation::{Access, Operation},
    rl::{agent_json, fitting},
};

/// Steps of one request at most.
const MAX_STEPS: u64 = 1_000;
/// Longest pause between two steps that play by themselves.
const MAX_EVERY_MS: u64 = 60_000;

/// Agents, and what is told to one.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/rl/agents", "rl", Access::Token, "Agents", &[], |r| Box::pin(async move { Ok(list(&r.services, r.claims()?)) }))
        .list(),
    Operation::post(
        "/api/rl/agents",
        "rl",
        Access::Operator,
        "Make an agent",
        &[
            ("id", "id", "its name"),
            ("environment", "one of daladala|avoidance", "where it acts"),
            ("seed?", "integer 0..", "names its episodes"),
        ],
        |r| Box::pin(async move { create(&r.services, r.claims()?, &r.body).await }),
    ),
    Operation::get("/api/rl/agents/{id}", "rl", Access::Token, "Where an agent stands", &[], |r| {
        Box::pin(async move { read(&r.services, r.claims()?, r.parameter(0)) })
    }),
    Operation::delete("/api/rl/agents/{id}", "rl", Access::Operator, "Remove an agent", |r| {
        Box::pin(async move { remove(&r.services, r.claims()?, r.parameter(0)).await })
    }),
    Operation::post(
        "/api/rl/agents/{id}/episodes",
        "rl",
        Access::Operator,
        "Begin an episode",
        &[("seed?", "integer 0..", "which")],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), Part::Episode, &r.body).await }),
    )
    .bare()
    .answering_200(),
    Operation::post(
        "/api/rl/agents/{id}/steps",
        "rl",
        Access::Operator,
        "Take steps; an episode's end ends them",
        &[("action?", "integer 0..", "the policy decides where absent"), ("count?", "integer 1..1000", "1 where absent")],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), Part::Steps, &r.body).await }),
    )
    .bare()
    .answering_200(),
    Operation::post(
        "/api/rl/agents/{id}/reset",
        "rl",
        Access::Operator,
        "Put the environment back to a beginning",
        &[("seed?", "integer 0..", "which")],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), Part::Reset, &r.body).await }),
    )
    .bare()
    .answering_200(),
    Operation::put(
        "/api/rl/agents/{id}/policy",
        "rl",
        Access::Operator,
        "Play another policy from the next step on; none where both are absent",
        &[("model?", "string", "a file of the models' folder, or built-in"), ("file?", "string", "the file itself, base64")],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), Part::Policy, &r.body).await }),
    )
    .bare(),
    Operation::put(
        "/api/rl/agents/{id}/shadow",
        "rl",
        Access::Operator,
        "Let another policy look on; where it differs is published",
        &[("model?", "string", "as for policy"), ("file?", "string", "as for policy")],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), Part::Shadow, &r.body).await }),
    )
    .bare(),
    Operation::put(
        "/api/rl/agents/{id}/shield",
        "rl",
        Access::Operator,
        "Forbid actions where conditions hold; no rules: no shield",
        &[("rules", "array", "name, when [{observation, above, below}], forbid [action names]")],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), Part::Shield, &r.body).await }),
    ),
    Operation::put(
        "/api/rl/agents/{id}/play",
        "rl",
        Access::Operator,
        "Play by itself, or no longer",
        &[("every_ms?", "integer 1..60000", "pause between two steps; it plays no longer where absent")],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), Part::Play, &r.body).await }),
    )
    .bare(),
    Operation::put(
        "/api/rl/agents/{id}/vehicle",
        "rl",
        Access::Operator,
        "Advise a live vehicle on ai:<vehicle>, or none",
        &[
            ("vehicle?", "name", "the vehicle; advised no longer where absent"),
            ("leader?", "name", "the vehicle in front; the one its samples name, or the nearest ahead, where absent"),
            ("road?", "string", "residential, city, rural or motorway, where the samples do not tell"),
            ("weather?", "string", "clear, rain, fog, snow or ice, where the samples do not tell"),
            ("attention?", "number 0..1", "of the driver"),
            ("every_ms?", "integer 0..60000", "the same advice is not repeated sooner; 100 where absent"),
        ],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), Part::Vehicle, &r.body).await }),
    )
    .bare(),
];

fn list(services: &Services, claims: &Claims) -> Response {
    let views = services.router.views();
    let heard = |id: &AgentId| may_hear(Some(claims), id).is_ok();
    let agents: Vec<_> =
        views.agents().iter().filter(|id| heard(id)).filter_map(|id| views.agent(id.as_str())).map(|v| agent_json(&v)).collect();
    reply::ok(services.clock.now(), agents, "agents")
}

async fn create(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let agent = fields.required("id", id::<AgentId>);
    let environment = fields.required("environment", |v| string(v)?.parse::<EnvironmentKind>().map_err(|e| e.to_string()));
    let seed = fields.optional("seed", whole);
    let (Some(agent), Some(environment), Some(seed)) = (agent, environment, seed) else { return Err(fields.refusal()) };
    may_hear(Some(claims), &agent)?;
    let command = AgentCommand::Create { environment, seed: seed.unwrap_or_else(rand::random) };
    let view = services.router.command(&agent, command).await?;
    Ok(reply::created(services.clock.now(), agent_json(&view), "agent made"))
}

/// The agent called `id`, when the caller may hear it.
fn audible(claims: &Claims, id: &str) -> Result<AgentId, ApiError> {
    let agent: AgentId = path_id("id", id)?;
    may_hear(Some(claims), &agent)?;
    Ok(agent)
}

fn present(services: &Services, agent: &AgentId) -> Result<Arc<AgentView>, ApiError> {
    services.router.views().agent(agent.as_str()).ok_or_else(|| ApiError::not_found(format_args!("an agent '{agent}'")))
}

fn read(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let view = present(services, &audible(claims, id)?)?;
    Ok(reply::ok(services.clock.now(), agent_json(&view), "agent"))
}

async fn remove(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let agent = audible(claims, id)?;
    let view = services.router.command(&agent, AgentCommand::Remove).await?;
    services.trainings.forget(&agent);
    Ok(reply::ok(services.clock.now(), agent_json(&view), "agent removed"))
}

/// What is told to one agent.
#[derive(Clone, Copy)]
enum Part {
    Episode,
    Steps,
    Reset,
    Policy,
    Shadow,
    Shield,
    Play,
    Vehicle,
}

async fn change(services: &Services, claims: &Claims, id: &str, part: Part, body: &[u8]) -> ApiResult {
    let agent = audible(claims, id)?;
    let view = present(services, &agent)?;
    let mut fields = Fields::of(if body.is_empty() { b"{}" } else { body })?;
    let command = match part {
        Part::Episode | Part::Reset => {
            let Some(seed) = fields.optional("seed", whole) else { return Err(fields.refusal()) };
            if matches!(part, Part::Reset) { AgentCommand::Reset { seed } } else { AgentCommand::Start { seed } }
        }
        Part::Steps => return steps(services, &agent, fields).await,
        Part::Policy => AgentCommand::Swap(policy_of(services, &view, fields).await?),
        Part::Shadow => AgentCommand::Shadow(policy_of(services, &view, fields).await?),
        Part::Shield => {
            let rules = fields.required("rules", |v| serde_json::from_value::<Vec<Rule>>(v.clone()).map_err(|e| e.to_string()));
            AgentCommand::Shield(rules.ok_or_else(|| fields.refusal())?)
        }
        Part::Play => {
            let every = fields.optional("every_ms", |value| {
                let ms = whole(value)?;
                (1..=MAX_EVERY_MS).contains(&ms).then_some(ms).ok_or_else(|| format!("1 to {MAX_EVERY_MS} is expected"))
            });
            // Without a pause between its steps it plays no longer.
            match every {
                None => return Err(fields.refusal()),
                Some(None) => AgentCommand::Pause,
                Some(Some(ms)) => AgentCommand::Play { every: Duration::from_millis(ms) },
            }
        }
        Part::Vehicle => AgentCommand::Attach(attachment(claims, fields)?),
    };
    let view = services.router.command(&agent, command).await?;
    Ok(reply::ok(services.clock.now(), agent_json(&view), "done"))
}

/// Several steps at once; an episode's end ends them.
async fn steps(services: &Services, agent: &AgentId, mut fields: Fields) -> ApiResult {
    let action = fields.optional("action", whole);
    let count = fields.optional("count", |value| {
        let count = whole(value)?;
        (1..=MAX_STEPS).contains(&count).then_some(count).ok_or_else(|| format!("1 to {MAX_STEPS} is expected"))
    });
    let (Some(action), Some(count)) = (action, count) else { return Err(fields.refusal()) };
    let action = action.map(|action| usize::try_from(action).unwrap_or(usize::MAX));
    let mut view = services.router.command(agent, AgentCommand::Step { action }).await?;
    for _ in 1..count.unwrap_or(1) {
        if view.is_over {
            break;
        }
        view = services.router.command(agent, AgentCommand::Step { action }).await?;
    }
    Ok(reply::ok(services.clock.now(), agent_json(&view), "steps taken"))
}

/// The policy that a body names (`model`: a file of the models' folder) or carries (`file`: its bytes in
/// base64); none where both are absent.
async fn policy_of(services: &Services, view: &AgentView, mut fields: Fields) -> Result<Option<PlayedPolicy>, ApiError> {
    let model = fields.optional("model", |v| string(v).map(str::to_owned));
    let file = fields.optional("file", |v: &Value| {
        base64::engine::general_purpose::STANDARD.decode(string(v)?).map_err(|_| "base64 is expected".to_owned())
    });
    let (Some(model), Some(file)) = (model, file) else { return Err(fields.refusal()) };
    match (model, file) {
        (None, None) => Ok(None),
        (Some(name), None) => Ok(Some(services.bus.models.named(&name, view.environment).await?)),
        (None, Some(bytes)) => {
            let environment = view.environment;
            let read = tokio::task::spawn_blocking(move || policy::load(&bytes).and_then(|policy| fitting(policy, environment)));
            let read = read.await.map_err(|_| ApiError::new(ErrorCode::Internal, "the file could not be read"))?;
            read.map(Some).map_err(|error| ApiError::new(ErrorCode::ValidationError, error.to_string()))
        }
        (Some(_), Some(_)) => Err(ApiError::invalid(vec!["'model' or 'file' is expected, not both".to_owned()])),
    }
}
