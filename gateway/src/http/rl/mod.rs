//! Reinforcement learning over REST: the bus as its clients know it, and agents of any kind.

mod agents;
mod attachment;
mod bus;
mod evaluations;
mod trainings;

use serde_json::Value;
use slipstream_protocol::{Channel, ChannelKind, ErrorCode, token::Claims};

use super::{operation::Operation, reply::ApiError};
use crate::rl::ModelError;

pub(super) const BUS: &[Operation] = bus::OPERATIONS;
pub(super) const AGENTS: &[Operation] = agents::OPERATIONS;
pub(super) const TRAININGS: &[Operation] = trainings::OPERATIONS;
pub(super) const EVALUATIONS: &[Operation] = evaluations::OPERATIONS;

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
