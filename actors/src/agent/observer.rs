//! The observer of agents: a callback for every change of every agent.

use std::sync::Arc;

use slipstream_engine::rl::agent::Update;

use crate::agent::AgentView;

/// Receives every change of every agent, in order, on the agent's own thread: it must neither wait nor
/// take long.
pub trait AgentObserver: Send + Sync + 'static {
    /// `updates` brought the agent to `view`.
    fn changed(&self, view: &Arc<AgentView>, updates: &[Update]);
}
