//! Reinforcement learning over REST: the bus as its clients know it, and agents of any kind.

mod agents;
mod attachment;
mod bus;
mod evaluations;
mod trainings;

use http::Method;
use serde_json::Value;
use slipstream_protocol::{Channel, ChannelKind, ErrorCode, token::Claims};

use super::{reply::ApiError, routing::Route};
use crate::rl::ModelError;

pub(super) const BUS: &[Route] = bus::ROUTES;
pub(super) const AGENTS: &[Route] = agents::ROUTES;
pub(super) const TRAININGS: &[Route] = trainings::ROUTES;
pub(super) const EVALUATIONS: &[Route] = evaluations::ROUTES;

/// What anyone may call where `RL_OPEN` is set.
const OPEN: [(&Method, &str); 8] = [
    (&Method::GET, "/api/models"),
    (&Method::POST, "/api/load-model"),
    (&Method::POST, "/api/reset"),
    (&Method::POST, "/api/step"),
    (&Method::GET, "/api/environment-info"),
    (&Method::GET, "/api/current-state"),
    (&Method::GET, "/api/episode-data"),
    (&Method::GET, "/api/ws-status"),
];

/// Whether a request needs no token where `RL_OPEN` is set.
pub(super) fn is_open(method: &Method, path: &str) -> bool {
    OPEN.contains(&(method, path))
}

/// Refuses who may not hear an agent.
fn may_hear(claims: Option<&Claims>, agent: &slipstream_protocol::AgentId) -> Result<(), ApiError> {
    let channel = Channel::one(ChannelKind::Rl, agent.clone());
    match claims {
        Some(claims) if !claims.may_hear(&channel) => Err(ApiError::forbidden(format_args!("hear '{channel}'"))),
        _ => Ok(()),
    }
}

/// Refuses who may not tell agents what to do.
fn may_drive(claims: Option<&Claims>) -> Result<(), ApiError> {
    match claims {
        Some(claims) if !claims.may_drive() => Err(ApiError::forbidden("drive agents: role admin or engineer is needed")),
        _ => Ok(()),
    }
}

impl From<slipstream_actors::CommandError> for ApiError {
    fn from(error: slipstream_actors::CommandError) -> Self {
        crate::rl::refusal(&error).into()
    }
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        let code = match &error {
            ModelError::Absent { .. } => ErrorCode::NotFound,
            ModelError::Io { .. } => ErrorCode::Unavailable,
            ModelError::Refused { .. } => ErrorCode::ValidationError,
            ModelError::Command(error) => return crate::rl::refusal(error).into(),
        };
        Self::new(code, error.to_string())
    }
}

/// A whole number from 0 that fits a word.
fn whole(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| "a whole number from 0 is expected".to_owned())
}
