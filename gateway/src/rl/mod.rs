//! Reinforcement-learning agents as the doors see them: the models at hand, the bus that clients of
//! Socket.IO drive, and how an agent looks as JSON.

mod bus;
mod changes;
pub mod evaluations;
mod models;
pub mod training;
mod view;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use serde::Serialize;
use slipstream_actors::{AgentCommand, AgentView, CommandError, Router};
use slipstream_engine::rl::{EnvironmentKind, agent::AgentError, policy::Algorithm};
use slipstream_protocol::{AgentId, ErrorCode, ProtocolError, client::RlCommand};
use socketioxide::SocketIo;

pub(crate) use bus::{BusState, BusUpdate, environment_info};
pub(crate) use changes::Changes;
pub(crate) use models::fitting;
pub use models::{ModelError, ModelFile, Models};
pub(crate) use view::agent_json;

/// The agent that Socket.IO clients and the routes beside them drive.
pub const BUS: &str = "daladala";

/// What may be done without a token, where models lie, and how much is learnt at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RlConfig {
    /// Whether the bus can be driven without a token.
    pub open: bool,
    /// Folder of models; `models` under the data directory where absent.
    pub models: Option<PathBuf>,
    /// Trainings that run at once; half of the processor's cores, at least one, where not set.
    pub trainings: usize,
}

impl Default for RlConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { open: false, models: None, trainings: (cores / 2).max(1) }
    }
}

/// The bus, its models, and who hears of it.
pub struct Bus {
    /// The models at hand.
    pub models: Models,
    /// Its name as an agent.
    pub agent: AgentId,
    /// What it does, for broadcasting.
    pub(crate) changes: Arc<Changes>,
    /// The Socket.IO server, once it listens.
    pub(crate) io: OnceLock<SocketIo>,
    router: Router,
}

impl Bus {
    pub(crate) fn new(models: Models, changes: Arc<Changes>, router: Router) -> Self {
        let agent = AgentId::new(BUS).expect("the name is a good id: letters only");
        Self { models, agent, changes, io: OnceLock::new(), router }
    }

    /// Where the bus stands; `None` before a model was loaded.
    pub fn view(&self) -> Option<Arc<AgentView>> {
        self.router.views().agent(BUS).filter(|view| view.policy.is_some())
    }

    /// Loads the model of an algorithm, and puts the bus at a beginning where it stands at none.
    pub async fn load(&self, algorithm: Algorithm) -> Result<Arc<AgentView>, ModelError> {
        let policy = self.models.of(algorithm, EnvironmentKind::Daladala).await?;
        let create = AgentCommand::Create { environment: EnvironmentKind::Daladala, seed: rand::random() };
        match self.router.command(&self.agent, create).await {
            Ok(_) | Err(CommandError::Exists) => {}
            Err(error) => return Err(error.into()),
        }
        let swapped = self.router.command(&self.agent, AgentCommand::Swap(Some(policy))).await?;
        if swapped.state.is_some() {
            return Ok(swapped);
        }
        Ok(self.router.command(&self.agent, AgentCommand::Reset { seed: None }).await?)
    }

    /// Tells the bus what to do. Without a model it does nothing.
    pub async fn command(&self, command: AgentCommand) -> Result<Arc<AgentView>, CommandError> {
        if self.view().is_none() {
            return Err(CommandError::Agent(AgentError::NoPolicy));
        }
        self.router.command(&self.agent, command).await
    }

    /// Closes every Socket.IO connection.
    pub(crate) async fn close(&self) {
        if let Some(io) = self.io.get() {
            io.close().await;
        }
    }
}

/// A command as the protocol has it, as agents take it.
pub(crate) fn agent_command(command: RlCommand) -> AgentCommand {
    match command {
        RlCommand::Start { seed } => AgentCommand::Start { seed },
        RlCommand::Reset { seed } => AgentCommand::Reset { seed },
        // An action that no environment has, whatever the width of a word here.
        RlCommand::Step { action } => AgentCommand::Step { action: action.map(|a| usize::try_from(a).unwrap_or(usize::MAX)) },
        RlCommand::State => AgentCommand::State,
        RlCommand::Play { every_ms } => AgentCommand::Play { every: std::time::Duration::from_millis(every_ms) },
        RlCommand::Pause => AgentCommand::Pause,
    }
}

/// A refused command as doors tell it.
pub(crate) fn refusal(error: &CommandError) -> ProtocolError {
    let code = match error {
        CommandError::Absent => ErrorCode::NotFound,
        CommandError::Exists => ErrorCode::Conflict,
        CommandError::TooMany(_) | CommandError::Interrupted | CommandError::Draining => ErrorCode::Unavailable,
        CommandError::Agent(_) => ErrorCode::ValidationError,
    };
    ProtocolError::new(code, error.to_string())
}
