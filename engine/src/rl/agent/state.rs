use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::{AnyState, Environment as _, EnvironmentKind, SplitMix64, shield::Rule};
use super::{Agent, AgentCounts, AgentError, LastStep, PlayedPolicy};

/// Everything an agent is, in a form that outlives its process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentState {
    /// Its environment.
    pub environment: EnvironmentKind,
    /// Where the episode stands; absent before the first.
    #[serde(with = "json_text")]
    pub state: Option<AnyState>,
    /// The seeds of the episodes to come.
    pub seeds: SplitMix64,
    /// Number of the episode.
    pub episode: u64,
    /// Rewards of the episode so far.
    pub total_reward: f64,
    /// The episode's newest step.
    pub last: Option<LastStep>,
    /// What it has done.
    pub counts: AgentCounts,
    /// A file of its policy.
    pub policy: Option<Arc<[u8]>>,
    /// A file of its shadow.
    pub shadow: Option<Arc<[u8]>>,
    /// Its shield.
    pub shield: Option<SavedShield>,
}

/// A shield's rules and counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedShield {
    /// The rules.
    pub rules: Vec<Rule>,
    /// How often each stopped an action.
    pub counts: Vec<u64>,
    /// Times that everything was forbidden.
    pub powerless: u64,
}

/// An environment's state as JSON text: its form names the environment, which compact formats cannot.
mod json_text {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _, ser::Error as _};

    use super::AnyState;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(state: &Option<AnyState>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = state.as_ref().map(serde_json::to_string).transpose().map_err(S::Error::custom)?;
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AnyState>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(D::Error::custom)
    }
}

impl Agent {
    /// What to keep of it.
    pub fn save(&self) -> AgentState {
        let file = |played: &Option<PlayedPolicy>| played.as_ref().and_then(|p| p.file.clone());
        AgentState {
            environment: self.kind,
            state: self.state(),
            seeds: self.seeds,
            episode: self.episode,
            total_reward: self.total_reward,
            last: self.last,
            counts: self.counts,
            policy: file(&self.policy),
            shadow: file(&self.shadow),
            shield: self.shield.as_ref().map(|shield| SavedShield {
                rules: shield.rules().to_vec(),
                counts: shield.counts().to_vec(),
                powerless: shield.powerless(),
            }),
        }
    }

    /// The agent that was kept. Its policies are read from their files again.
    pub fn restore(saved: &AgentState) -> Result<Self, AgentError> {
        let read = |file: &Option<Arc<[u8]>>| file.as_ref().map(|file| PlayedPolicy::read(file, saved.environment)).transpose();
        Self::restore_with(saved, read(&saved.policy)?, read(&saved.shadow)?)
    }

    /// The agent that was kept, with policies that are at hand.
    pub fn restore_with(saved: &AgentState, policy: Option<PlayedPolicy>, shadow: Option<PlayedPolicy>) -> Result<Self, AgentError> {
        let mut agent = Self::new(saved.environment, 0);
        if let Some(state) = &saved.state {
            if state.kind() != saved.environment {
                return Err(AgentError::Saved("its state is of another environment".to_owned()));
            }
            agent.environment.restore(state, &mut agent.observation)?;
            agent.begun = true;
        }
        if let Some(shield) = &saved.shield {
            agent.set_shield(shield.rules.clone())?;
            if let Some(made) = &mut agent.shield {
                made.resume(&shield.counts, shield.powerless);
            }
        }
        agent.fits(policy.as_ref())?;
        agent.fits(shadow.as_ref())?;
        (agent.policy, agent.shadow) = (policy, shadow);
        (agent.seeds, agent.episode, agent.total_reward) = (saved.seeds, saved.episode, saved.total_reward);
        (agent.last, agent.counts) = (saved.last, saved.counts);
        Ok(agent)
    }
}
