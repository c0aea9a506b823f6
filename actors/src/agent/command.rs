use std::time::Duration;

use slipstream_engine::rl::{
    EnvironmentKind,
    agent::{AgentError, PlayedPolicy},
    live::Attachment,
    shield::Rule,
};
use thiserror::Error;

/// What an agent can be told. Commands of one agent are carried out one after the other, so whatever is
/// swapped is swapped between two steps.
pub enum AgentCommand {
    /// Make the agent.
    Create {
        /// Where it acts.
        environment: EnvironmentKind,
        /// Names all its episodes.
        seed: u64,
    },
    /// Begin an episode.
    Start {
        /// Which; the agent's own next one where absent.
        seed: Option<u64>,
    },
    /// Put the environment back to a beginning.
    Reset {
        /// Which; the agent's own next one where absent.
        seed: Option<u64>,
    },
    /// Take one step.
    Step {
        /// The action; the policy decides where absent.
        action: Option<usize>,
    },
    /// Play another policy, or none.
    Swap(Option<PlayedPolicy>),
    /// Let another policy look on, or none.
    Shadow(Option<PlayedPolicy>),
    /// Put other rules between policy and environment; none take the shield away.
    Shield(Vec<Rule>),
    /// Play by itself, episode after episode.
    Play {
        /// Pause between two steps.
        every: Duration,
    },
    /// Play no longer by itself.
    Pause,
    /// Advise a live vehicle from now on, or none.
    Attach(Option<Attachment>),
    /// Only tell where it stands.
    State,
    /// Be no more. The channel stays.
    Remove,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// There is no such agent.
    #[error("there is no such agent")]
    Absent,
    /// There is one already.
    #[error("there is an agent of this name already")]
    Exists,
    /// There are as many agents as the server takes.
    #[error("there are {0} agents already, as many as are taken: remove one")]
    TooMany(usize),
    /// The agent refused.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent's actor failed over it and goes on from before.
    #[error("the agent failed over this command and goes on from where it was; try again")]
    Interrupted,
    /// The server is about to stop.
    #[error("the server is draining, come back in a moment")]
    Draining,
}

impl CommandError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Draining)
    }
}
