//! `/api/rl/agents`: make, read, drive, shadow and shield agents of any environment.

use std::{sync::Arc, time::Duration};

use base64::Engine as _;
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use slipstream_actors::{AgentCommand, AgentView};
use slipstream_engine::rl::{EnvironmentKind, agent::PlayedPolicy, policy, shield::Rule};
use slipstream_protocol::{AgentId, ErrorCode, token::Claims};
use warp::{Filter, filters::BoxedFilter};

use super::{
    super::{
        extract::{body, caller, with},
        fields::{Fields, id, string},
        paging::path_id,
        reply::{self, ApiError, ApiResult, Response, answered},
    },
    attachment::attachment,
    may_drive, may_hear, whole,
};
use crate::{
    app::Services,
    rl::{agent_json, fitting},
};

/// Steps of one request at most.
const MAX_STEPS: u64 = 1_000;
/// Longest pause between two steps that play by themselves.
const MAX_EVERY_MS: u64 = 60_000;

pub(super) fn routes(services: &Arc<Services>) -> BoxedFilter<(Response,)> {
    let root = warp::path!("api" / "rl" / "agents");
    let list = root.and(warp::get()).and(with(services)).and(caller()).then(|services: Arc<Services>, claims: Arc<Claims>| async move {
        answered(&services, async { Ok(list(&services, &claims)) }).await
    });
    let create =
        root.and(warp::post()).and(with(services)).and(caller()).and(body()).then(
            |services: Arc<Services>, claims: Arc<Claims>, body: Bytes| async move {
                answered(&services, create(&services, &claims, &body)).await
            },
        );
    let one = warp::path!("api" / "rl" / "agents" / String).and(warp::method()).and(with(services)).and(caller()).then(
        |id: String, method: Method, services: Arc<Services>, claims: Arc<Claims>| async move {
            answered(&services, one(&services, &claims, &id, &method)).await
        },
    );
    let part =
        warp::path!("api" / "rl" / "agents" / String / String).and(warp::method()).and(with(services)).and(caller()).and(body()).then(
            |id: String, part: String, method: Method, services: Arc<Services>, claims: Arc<Claims>, body: Bytes| async move {
                answered(&services, change(&services, &claims, &id, &part, &method, &body)).await
            },
        );
    list.or(create).unify().or(one).unify().or(part).unify().boxed()
}

fn list(services: &Services, claims: &Claims) -> Response {
    let views = services.router.views();
    let heard = |id: &AgentId| may_hear(Some(claims), id).is_ok();
    let agents: Vec<_> =
        views.agents().iter().filter(|id| heard(id)).filter_map(|id| views.agent(id.as_str())).map(|v| agent_json(&v)).collect();
    reply::ok(services.clock.now(), agents, "agents")
}

async fn create(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    may_drive(Some(claims))?;
    let mut fields = Fields::of(body)?;
    let agent = fields.required("id", id::<AgentId>);
    let environment = fields.required("environment", |v| string(v)?.parse::<EnvironmentKind>().map_err(|e| e.to_string()));
    let seed = fields.optional("seed", whole);
    let (Some(agent), Some(environment), Some(seed)) = (agent, environment, seed) else { return Err(fields.refusal()) };
    let command = AgentCommand::Create { environment, seed: seed.unwrap_or_else(rand::random) };
    let view = services.router.command(&agent, command).await?;
    Ok(reply::created(services.clock.now(), agent_json(&view), "agent made"))
}

async fn one(services: &Services, claims: &Claims, id: &str, method: &Method) -> ApiResult {
    let agent: AgentId = path_id("id", id)?;
    may_hear(Some(claims), &agent)?;
    let absent = || ApiError::not_found(format_args!("an agent '{agent}'"));
    let now = services.clock.now();
    match *method {
        Method::GET => {
            let view = services.router.views().agent(agent.as_str()).ok_or_else(absent)?;
            Ok(reply::ok(now, agent_json(&view), "agent"))
        }
        Method::DELETE => {
            may_drive(Some(claims))?;
            let view = services.router.command(&agent, AgentCommand::Remove).await?;
            services.trainings.forget(&agent);
            Ok(reply::ok(now, agent_json(&view), "agent removed"))
        }
        _ => Err(wrong_method("GET or DELETE")),
    }
}

pub(super) fn wrong_method(right: &str) -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, format!("{right} is expected here"))
}

/// `episodes`, `steps`, `reset`, `policy`, `shadow`, `shield`, `play`, `vehicle` of an agent.
async fn change(services: &Services, claims: &Claims, id: &str, part: &str, method: &Method, body: &[u8]) -> ApiResult {
    may_drive(Some(claims))?;
    let agent: AgentId = path_id("id", id)?;
    may_hear(Some(claims), &agent)?;
    let absent = || ApiError::not_found(format_args!("an agent '{agent}'"));
    let view = services.router.views().agent(agent.as_str()).ok_or_else(absent)?;
    let expected = if matches!(part, "policy" | "shadow" | "shield" | "play" | "vehicle") { Method::PUT } else { Method::POST };
    if *method != expected {
        return Err(wrong_method(expected.as_str()));
    }
    let mut fields = Fields::of(if body.is_empty() { b"{}" } else { body })?;
    let command = match part {
        "episodes" | "reset" => {
            let Some(seed) = fields.optional("seed", whole) else { return Err(fields.refusal()) };
            if part == "reset" { AgentCommand::Reset { seed } } else { AgentCommand::Start { seed } }
        }
        "steps" => return steps(services, &agent, fields).await,
        "policy" => AgentCommand::Swap(policy_of(services, &view, fields).await?),
        "shadow" => AgentCommand::Shadow(policy_of(services, &view, fields).await?),
        "shield" => {
            let rules = fields.required("rules", |v| serde_json::from_value::<Vec<Rule>>(v.clone()).map_err(|e| e.to_string()));
            AgentCommand::Shield(rules.ok_or_else(|| fields.refusal())?)
        }
        "play" => {
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
        "vehicle" => AgentCommand::Attach(attachment(claims, fields)?),
        _ => return Err(ApiError::not_found(format_args!("'{part}' of an agent"))),
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
