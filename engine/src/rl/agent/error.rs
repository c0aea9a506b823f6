use thiserror::Error;

use super::super::{EnvironmentError, PolicyError, live::AttachmentError, shield::ShieldError};

/// Why an agent would not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The policy was to decide, and there is none.
    #[error("No model loaded")]
    NoPolicy,
    /// A step before the first episode or after the last step of one.
    #[error("the episode is over: start another one")]
    EpisodeOver,
    /// There is no such action.
    #[error("action {action} does not exist: actions are 0 to {}", .count.saturating_sub(1))]
    ActionOutOfRange {
        /// The action asked for.
        action: usize,
        /// How many there are.
        count: usize,
    },
    /// A policy of another environment.
    #[error("the policy takes {found} {what}; the environment has {expected}")]
    WrongEnvironment {
        /// `observations` or `actions`.
        what: &'static str,
        /// How many the policy knows.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// The policy could not decide.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The environment refused.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The shield's rules are wrong.
    #[error(transparent)]
    Shield(#[from] ShieldError),
    /// An agent of another environment cannot advise a live vehicle.
    #[error("an agent of '{0}' cannot advise a vehicle: one of 'avoidance' can")]
    NotForVehicles(&'static str),
    /// What it was to be attached to is nothing.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// What was kept of the agent cannot be taken up.
    #[error("what was kept of the agent cannot be taken up: {0}")]
    Saved(String),
}

impl AgentError {
    /// Whether the same call could succeed later without anything else being done: never.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}
