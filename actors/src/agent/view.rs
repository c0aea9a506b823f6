use std::{sync::Arc, time::Duration};

use slipstream_engine::rl::{
    AnyState, EnvironmentKind,
    agent::{Agent, AgentCounts, LastStep, PlayedPolicy},
    live::{Advised, Attachment},
    shield::Rule,
};
use slipstream_protocol::AgentId;

use super::Live;

/// Where an agent stands, for readers.
#[derive(Clone)]
pub struct AgentView {
    /// Its name.
    pub id: AgentId,
    /// Where it acts.
    pub environment: EnvironmentKind,
    /// Where the episode stands; absent before the first.
    pub state: Option<AnyState>,
    /// What it sees now.
    pub observation: Box<[f32]>,
    /// What the actions are called.
    pub action_names: &'static [&'static str],
    /// Number of the episode, from 1; 0 before the first.
    pub episode: u64,
    /// Rewards of the episode so far.
    pub total_reward: f64,
    /// The episode's newest step.
    pub last: Option<LastStep>,
    /// Whether no step can be taken.
    pub is_over: bool,
    /// What it has done.
    pub counts: AgentCounts,
    /// The best return the layout allows, where that is known.
    pub best_return: Option<f64>,
    /// What it plays.
    pub policy: Option<PlayedPolicy>,
    /// What looks on.
    pub shadow: Option<PlayedPolicy>,
    /// What stands between policy and environment.
    pub shield: Option<ShieldView>,
    /// The pause between two steps, where it plays by itself.
    pub playing: Option<Duration>,
    /// The live vehicle it advises.
    pub attached: Option<Attachment>,
    /// Its newest advice.
    pub advised: Option<Arc<Advised>>,
}

/// A shield's rules and what they stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct ShieldView {
    /// The rules.
    pub rules: Vec<Rule>,
    /// How often each stopped an action.
    pub counts: Vec<u64>,
    /// Times that all actions were forbidden.
    pub powerless: u64,
}

impl AgentView {
    pub(super) fn of(id: AgentId, agent: &Agent, playing: Option<Duration>, live: Option<&Live>) -> Self {
        Self {
            id,
            environment: agent.kind(),
            state: agent.state(),
            observation: agent.observation().into(),
            action_names: agent.action_names(),
            episode: agent.episode(),
            total_reward: agent.total_reward(),
            last: agent.last(),
            is_over: agent.is_over(),
            counts: agent.counts(),
            best_return: agent.best_return(),
            policy: agent.policy().cloned(),
            shadow: agent.shadow().cloned(),
            shield: agent.shield().map(|shield| ShieldView {
                rules: shield.rules().to_vec(),
                counts: shield.counts().to_vec(),
                powerless: shield.powerless(),
            }),
            playing,
            attached: live.map(|live| live.attachment().clone()),
            advised: live.and_then(Live::last),
        }
    }
}
