//! Commands to agents.

use std::sync::Arc;

use slipstream_protocol::AgentId;
use tokio::sync::oneshot;

use super::Router;
use crate::agent::{AgentCommand, AgentMessage, AgentView, CommandError};

impl Router {
    /// Tells an agent what to do and waits until it is done; the answer is where the agent stands then.
    ///
    /// Only [`AgentCommand::Create`] makes an agent; all else is for one that is there.
    pub async fn command(&self, agent: &AgentId, command: AgentCommand) -> Result<Arc<AgentView>, CommandError> {
        let registry = &self.registry;
        if matches!(command, AgentCommand::Create { .. }) {
            let most = registry.config.max_agents;
            if registry.stats.rl_agents.get() >= most as u64 {
                return Err(CommandError::TooMany(most));
            }
        } else if registry.agents.get(agent).is_none_or(|slot| slot.view().is_none()) {
            return Err(CommandError::Absent);
        }
        let (reply, answer) = oneshot::channel();
        let message = AgentMessage::Command(command, reply);
        registry.deliver(message, || registry.agent(agent)).await.map_err(|_| CommandError::Draining)?;
        let ended = if registry.is_draining() { CommandError::Draining } else { CommandError::Interrupted };
        answer.await.unwrap_or(Err(ended))
    }
}
