//! `/api/rl/evaluations`: policies side by side.

use serde_json::Value;
use slipstream_engine::rl::EnvironmentKind;
use slipstream_protocol::{ErrorCode, token::Claims};

use super::{
    super::{
        fields::{Fields, string},
        reply::{self, ApiError, ApiResult, Response},
    },
    may_hear, whole,
};
use crate::{
    app::Services,
    http::operation::{Access, Operation},
    rl::evaluations::{Contest, EvaluationRefusal, Evaluations, MAX_EPISODES, MAX_POLICIES},
};

/// Episodes of each policy where nothing is said.
const EPISODES: u64 = 500;
/// Longest name of a policy.
const MAX_NAME: usize = 255;

/// Comparisons.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/rl/evaluations",
        "rl",
        Access::Operator,
        "Compare policies over the same seeded episodes, at most 30 s",
        &[
            ("policies", "ids", "1 to 8: files of the models' folder, built-in, random, rules, agent:<id>"),
            ("environment?", "one of daladala|avoidance", "daladala where absent"),
            ("episodes?", "integer 1..10000", "of each; 500 where absent"),
            ("seed?", "integer 0..", "names the episodes; 1 where absent"),
        ],
        |r| Box::pin(async move { play(&r.services, r.claims()?, &r.body).await }),
    ),
    Operation::get("/api/rl/evaluations", "rl", Access::Token, "The newest comparisons", &[], |r| {
        Box::pin(async move { Ok(list(&r.services, r.claims()?)) })
    })
    .list(),
];

impl From<EvaluationRefusal> for ApiError {
    fn from(refusal: EvaluationRefusal) -> Self {
        let code = match refusal {
            EvaluationRefusal::Busy => ErrorCode::Unavailable,
            EvaluationRefusal::BrokeOff => ErrorCode::Internal,
        };
        Self::new(code, refusal.to_string())
    }
}

fn may_see(claims: &Claims, policies: &[String]) -> Result<(), ApiError> {
    policies.iter().filter_map(|source| Evaluations::agent_of(source)).try_for_each(|agent| may_hear(Some(claims), &agent))
}

fn list(services: &Services, claims: &Claims) -> Response {
    let mut newest = services.evaluations.newest();
    newest.retain(|comparison| may_see(claims, &comparison.contest.policies).is_ok());
    reply::ok(services.clock.now(), newest, "evaluations")
}

async fn play(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let environment = fields.optional("environment", |v| string(v)?.parse::<EnvironmentKind>().map_err(|e| e.to_string()));
    let policies = fields.required("policies", policies);
    let episodes = fields.optional("episodes", |value| {
        let episodes = whole(value)?;
        (1..=MAX_EPISODES).contains(&episodes).then_some(episodes).ok_or_else(|| format!("1 to {MAX_EPISODES} is expected"))
    });
    let seed = fields.optional("seed", whole);
    let (Some(environment), Some(policies), Some(episodes), Some(seed)) = (environment, policies, episodes, seed) else {
        return Err(fields.refusal());
    };
    may_see(claims, &policies)?;
    let environment = environment.unwrap_or(EnvironmentKind::Daladala);
    let contest = Contest { environment, policies, episodes: episodes.unwrap_or(EPISODES), seed: seed.unwrap_or(1) };
    let now = services.clock.now();
    let comparison = services.evaluations.compare(contest, now).await?;
    Ok(reply::created(now, comparison, "policies compared"))
}

fn policies(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().filter(|list| (1..=MAX_POLICIES).contains(&list.len()));
    let list = list.ok_or_else(|| format!("a list of 1 to {MAX_POLICIES} policies is expected"))?;
    let name = |value: &Value| {
        let name = string(value)?;
        if name.is_empty() || name.len() > MAX_NAME { Err(format!("names have 1 to {MAX_NAME} bytes")) } else { Ok(name.to_owned()) }
    };
    list.iter().map(name).collect()
}
