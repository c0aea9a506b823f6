//! `/api/rl/agents/<agent>/training`: learn a policy for an agent while it lives on; `/api/rl/trainings`: all of them.

use serde_json::{Value, json};
use slipstream_protocol::{AgentId, ErrorCode, token::Claims};

use super::{
    super::{
        fields::{Fields, flag, object, string},
        paging::{id_in, path_id},
        reply::{self, ApiError, ApiResult},
    },
    may_hear, whole,
};
use crate::{
    app::Services,
    http::operation::{Access, Operation},
    rl::training::{Curve, TrainingPlan, TrainingRefusal, learner_config},
};

/// What is learnt by where nothing is said.
const ALGORITHM: &str = "dqn";

/// One agent's training, and all of them.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/rl/agents/{id}/training",
        "rl",
        Access::Operator,
        "Learn a policy for an agent while it lives on; told on rl:<id> and as time series",
        &[
            ("algorithm?", "one of dqn|q-table|fitted-q", "dqn where absent"),
            ("learner?", "object", "settings of the algorithm, in place of those that suit the environment"),
            ("seed?", "integer 0..", "everything random follows from it; 1 where absent"),
            ("steps?", "integer 0..", "at most; what suits the environment where absent"),
            ("until?", "number", "end sooner, once an evaluation's mean return is this"),
            ("evaluate_every?", "integer 0..", "steps between two evaluations"),
            ("episodes?", "integer 1..2000", "episodes of an evaluation"),
            ("deploy?", "boolean", "whether the agent plays the policy as soon as it is there"),
            ("resume?", "boolean", "go on with the training before; algorithm, learner and seed are its own"),
        ],
        |r| Box::pin(async move { start(&r.services, r.claims()?, r.parameter(0), &r.body) }),
    )
    .bare(),
    Operation::get(
        "/api/rl/agents/{id}/training",
        "rl",
        Access::Token,
        "Where an agent's training stands, its curves, and what came of it",
        &[],
        |r| Box::pin(async move { read(&r.services, r.claims()?, r.parameter(0)) }),
    ),
    Operation::delete("/api/rl/agents/{id}/training", "rl", Access::Operator, "Stop an agent's training; what it learnt is kept", |r| {
        Box::pin(async move { stop(&r.services, r.claims()?, r.parameter(0)) })
    }),
    Operation::get(
        "/api/rl/trainings",
        "rl",
        Access::Token,
        "All trainings, and how many may run at once",
        &[("agent?", "id", "only this agent's, with its curves")],
        |r| Box::pin(async move { list(&r.services, r.claims()?, &r.query) }),
    ),
];

impl From<TrainingRefusal> for ApiError {
    fn from(refusal: TrainingRefusal) -> Self {
        let code = match &refusal {
            TrainingRefusal::Running(_) | TrainingRefusal::NoCheckpoint(_) => ErrorCode::Conflict,
            TrainingRefusal::TooMany(_) | TrainingRefusal::Draining | TrainingRefusal::Io(_) => ErrorCode::Unavailable,
            TrainingRefusal::Absent(_) => ErrorCode::NotFound,
        };
        Self::new(code, refusal.to_string())
    }
}

/// All trainings, their curves left out; with `agent` that agent's, with its curve, if there is one.
fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    let asked = id_in::<AgentId>(query, "agent")?;
    let mut heard: Vec<_> = services.trainings.list().into_iter().filter(|t| may_hear(Some(claims), &t.agent).is_ok()).collect();
    match &asked {
        Some(agent) => heard.retain(|training| training.agent == *agent),
        None => heard.iter_mut().for_each(|training| training.curve = Curve::default()),
    }
    let data = json!({ "trainings": heard, "running": services.trainings.running(), "most": services.trainings.most() });
    Ok(reply::ok(services.clock.now(), data, "trainings"))
}

/// The agent called `id`, when the caller may hear it.
fn audible(claims: &Claims, id: &str) -> Result<AgentId, ApiError> {
    let agent: AgentId = path_id("id", id)?;
    may_hear(Some(claims), &agent)?;
    Ok(agent)
}

fn read(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let agent = audible(claims, id)?;
    Ok(reply::ok(services.clock.now(), services.trainings.status(&agent)?, "training"))
}

fn stop(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let agent = audible(claims, id)?;
    Ok(reply::ok(services.clock.now(), services.trainings.stop(&agent)?, "it stops"))
}

fn start(services: &Services, claims: &Claims, id: &str, body: &[u8]) -> ApiResult {
    let agent = &audible(claims, id)?;
    let view = services.router.views().agent(agent.as_str()).ok_or_else(|| ApiError::not_found(format_args!("an agent '{agent}'")))?;
    let mut fields = Fields::of(if body.is_empty() { b"{}" } else { body })?;
    let resume = fields.optional("resume", flag).flatten().unwrap_or(false);
    let before = if resume { services.trainings.plan(agent) } else { None };
    if let Some(mut plan) = before.filter(|plan| plan.environment == view.environment) {
        for fixed in ["algorithm", "learner", "seed"] {
            // Read so that null counts as absent, as everywhere.
            let _ = fields.optional(fixed, |_| Err::<(), _>("it cannot change in a training that goes on".to_owned()));
        }
        change(&mut fields, &mut plan);
        checked(fields, &plan)?;
        let status = services.trainings.resume(agent, |own| *own = plan)?;
        return Ok(reply::created(services.clock.now(), status, "the training goes on"));
    }
    if resume {
        return Err(TrainingRefusal::NoCheckpoint(agent.clone()).into());
    }
    let environment = view.environment;
    let algorithm = fields.optional("algorithm", |v| string(v).map(str::to_owned)).flatten().unwrap_or_else(|| ALGORITHM.to_owned());
    let given = fields.optional("learner", object).flatten().unwrap_or_default();
    let learner = learner_config(environment, &algorithm, &given);
    let learner = match learner {
        Ok(learner) => learner,
        Err(why) => {
            fields.breaks(if why.starts_with("unknown algorithm") { "algorithm" } else { "learner" }, &why);
            return Err(fields.refusal());
        }
    };
    let mut plan = TrainingPlan::of(environment, learner);
    if let Some(Some(seed)) = fields.optional("seed", whole) {
        plan.seed = seed;
    }
    change(&mut fields, &mut plan);
    checked(fields, &plan)?;
    let status = services.trainings.start(agent, plan)?;
    Ok(reply::created(services.clock.now(), status, "the training began"))
}

/// Takes over what a body says about length and end.
fn change(fields: &mut Fields, plan: &mut TrainingPlan) {
    if let Some(Some(steps)) = fields.optional("steps", whole) {
        // Fewer steps, fewer evaluations; more, as many as there may be.
        plan.steps = steps;
        plan.evaluate_every = plan.evaluate_every.clamp(steps.div_ceil(100).max(1), steps.div_ceil(10).max(1));
    }
    if let Some(Some(every)) = fields.optional("evaluate_every", whole) {
        plan.evaluate_every = every;
    }
    if let Some(Some(episodes)) = fields.optional("episodes", whole) {
        plan.episodes = episodes;
    }
    if let Some(Some(deploy)) = fields.optional("deploy", flag) {
        plan.deploy = deploy;
    }
    let number = |v: &Value| v.as_f64().filter(|n| n.is_finite()).ok_or_else(|| "a number is expected".to_owned());
    if let Some(Some(until)) = fields.optional("until", number) {
        plan.until = Some(until);
    }
}

/// Refuses where something is broken or asks for too much.
fn checked(mut fields: Fields, plan: &TrainingPlan) -> Result<(), ApiError> {
    for (field, why) in plan.faults() {
        fields.breaks(field, &why);
    }
    fields.whole()
}
