//! An agent: an environment, a policy that acts in it, and what an episode has come to.
//!
//! Beside the policy there may be a shadow (a second policy that sees the same observations, is never
//! obeyed, and is told where it would have acted otherwise) and a [`Shield`]. Everything an agent is
//! can be kept as an [`AgentState`] and taken up again.

mod error;
mod judgement;
mod played;
mod state;
#[cfg(test)]
mod tests;
mod update;

use super::{
    AnyEnvironment, AnyState, Environment as _, EnvironmentKind, SplitMix64, Step,
    shield::{Rule, Shield},
};
pub use error::AgentError;
pub use judgement::Advice;
use judgement::Judgement;
pub use played::PlayedPolicy;
pub use state::{AgentState, SavedShield};
pub use update::{Chooser, EpisodeEnd, Opinion, StepUpdate, Update};

/// An agent. See the module's description.
pub struct Agent {
    environment: AnyEnvironment,
    kind: EnvironmentKind,
    observation: Vec<f32>,
    scores: Vec<f32>,
    shadow_scores: Vec<f32>,
    policy: Option<PlayedPolicy>,
    shadow: Option<PlayedPolicy>,
    shield: Option<Shield>,
    /// Whether the environment was ever reset.
    begun: bool,
    seeds: SplitMix64,
    episode: u64,
    total_reward: f64,
    last: Option<LastStep>,
    counts: AgentCounts,
}

/// What the newest step of the episode was.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LastStep {
    /// The action taken.
    pub action: usize,
    /// What it earned.
    pub reward: f64,
    /// The episode ended in the world's own terms.
    pub terminated: bool,
    /// The episode was cut off.
    pub truncated: bool,
}

/// What an agent has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AgentCounts {
    /// Steps taken.
    pub steps: u64,
    /// Episodes begun.
    pub episodes: u64,
    /// Episodes that came to their end.
    pub completed: u64,
    /// Steps in which the shadow would have acted otherwise.
    pub differed: u64,
    /// Policies swapped in.
    pub swaps: u64,
    /// Pieces of advice given to live vehicles.
    pub advised: u64,
}

impl Agent {
    /// An agent without a policy; `seed` names all its episodes.
    pub fn new(kind: EnvironmentKind, seed: u64) -> Self {
        let environment = kind.environment();
        let (observations, actions) = (environment.observation_len(), environment.action_count());
        Self {
            environment,
            kind,
            observation: vec![0.0; observations],
            scores: vec![0.0; actions],
            shadow_scores: vec![0.0; actions],
            policy: None,
            shadow: None,
            shield: None,
            begun: false,
            seeds: SplitMix64::new(seed),
            episode: 0,
            total_reward: 0.0,
            last: None,
            counts: AgentCounts::default(),
        }
    }

    /// Begins an episode: the one that `seed` names, or the next of the agent's own.
    pub fn start(&mut self, seed: Option<u64>) -> Result<Update, AgentError> {
        self.episode += 1;
        self.counts.episodes += 1;
        self.reset(seed)?;
        Ok(Update::EpisodeStarted { episode: self.episode, state: self.environment.state() })
    }

    /// Puts the environment back to a beginning; the episode keeps its number.
    pub fn reset(&mut self, seed: Option<u64>) -> Result<Update, AgentError> {
        let seed = seed.unwrap_or_else(|| self.seeds.next_u64());
        self.environment.reset(seed, &mut self.observation)?;
        (self.begun, self.total_reward, self.last) = (true, 0.0, None);
        Ok(Update::EpisodeReset { episode: self.episode, state: self.environment.state() })
    }

    /// Takes one step: `action`, or what the policy chooses. On an error nothing has changed.
    pub fn step(&mut self, action: Option<usize>, updates: &mut Vec<Update>) -> Result<(), AgentError> {
        if !self.begun || self.environment.is_over() {
            return Err(AgentError::EpisodeOver);
        }
        let count = self.scores.len();
        if let Some(action) = action.filter(|action| *action >= count) {
            return Err(AgentError::ActionOutOfRange { action, count });
        }
        // Taken out for the moment: judging is done on any observation, and needs the rest of the agent.
        let observation = std::mem::take(&mut self.observation);
        let judged = self.judge(&observation, action);
        self.observation = observation;
        let Judgement { opinion, shadow, wanted, action: action_taken, stopped_by } = judged?;
        let step = self.environment.step(action_taken, &mut self.observation)?;
        self.note(action_taken, step);
        let differs = shadow.as_ref().filter(|shadow| shadow.action != wanted).cloned();
        updates.push(Update::Step(Box::new(StepUpdate {
            episode: self.episode,
            action: action_taken,
            action_name: self.environment.action_names()[action_taken],
            chosen_by: if action.is_some() { Chooser::Caller } else { Chooser::Policy },
            policy: opinion,
            shadow,
            wanted: (wanted != action_taken).then_some(wanted),
            stopped_by,
            reward: step.reward,
            total_reward: self.total_reward,
            terminated: step.terminated,
            truncated: step.truncated,
            state: self.environment.state(),
        })));
        if let Some(shadow) = differs {
            self.counts.differed += 1;
            updates.push(Update::ShadowDiffers { episode: self.episode, step: self.counts.steps, action: wanted, shadow });
        }
        if step.is_last() {
            updates.push(Update::EpisodeEnded(self.end_of(step)));
        }
        Ok(())
    }

    fn note(&mut self, action: usize, step: Step) {
        self.total_reward += step.reward;
        self.counts.steps += 1;
        self.counts.completed += u64::from(step.is_last());
        self.last = Some(LastStep { action, reward: step.reward, terminated: step.terminated, truncated: step.truncated });
    }

    fn end_of(&self, step: Step) -> EpisodeEnd {
        EpisodeEnd { episode: self.episode, total_reward: self.total_reward, terminated: step.terminated, best_return: self.best_return() }
    }

    /// Plays another policy from the next step on; `None`: none. Refuses one of another environment.
    pub fn swap(&mut self, policy: Option<PlayedPolicy>) -> Result<Update, AgentError> {
        self.fits(policy.as_ref())?;
        self.policy = policy;
        self.counts.swaps += 1;
        Ok(Update::PolicySwapped { policy: self.policy.as_ref().map(|p| p.policy.description().clone()) })
    }

    /// Lets another policy look on; `None`: none.
    pub fn set_shadow(&mut self, policy: Option<PlayedPolicy>) -> Result<Update, AgentError> {
        self.fits(policy.as_ref())?;
        self.shadow = policy;
        Ok(Update::ShadowSet { policy: self.shadow.as_ref().map(|p| p.policy.description().clone()) })
    }

    /// Puts rules between policy and environment; none take the shield away.
    pub fn set_shield(&mut self, rules: Vec<Rule>) -> Result<Update, AgentError> {
        let names = rules.iter().map(|rule| rule.name.clone()).collect();
        self.shield = if rules.is_empty() {
            None
        } else {
            Some(Shield::new(rules, self.environment.observation_names(), self.environment.action_names())?)
        };
        Ok(Update::ShieldSet { rules: names })
    }

    fn fits(&self, policy: Option<&PlayedPolicy>) -> Result<(), AgentError> {
        let Some(policy) = policy else { return Ok(()) };
        for (what, found, expected) in [
            ("observations", policy.policy.observation_len(), self.observation.len()),
            ("actions", policy.policy.action_count(), self.scores.len()),
        ] {
            if found != expected {
                return Err(AgentError::WrongEnvironment { what, found, expected });
            }
        }
        Ok(())
    }

    /// Which environment it acts in.
    pub const fn kind(&self) -> EnvironmentKind {
        self.kind
    }

    /// Where the episode stands; `None` before the first reset.
    pub fn state(&self) -> Option<AnyState> {
        self.begun.then(|| self.environment.state())
    }

    /// What the agent sees now.
    pub fn observation(&self) -> &[f32] {
        &self.observation
    }

    /// What the actions are called.
    pub fn action_names(&self) -> &'static [&'static str] {
        self.environment.action_names()
    }

    /// What the values of an observation are called.
    pub fn observation_names(&self) -> &'static [&'static str] {
        self.environment.observation_names()
    }

    /// Number of the episode, from 1; 0 before the first.
    pub const fn episode(&self) -> u64 {
        self.episode
    }

    /// Rewards of the episode so far.
    pub const fn total_reward(&self) -> f64 {
        self.total_reward
    }

    /// The episode's newest step.
    pub const fn last(&self) -> Option<LastStep> {
        self.last
    }

    /// Whether no step can be taken: nothing has begun, or it is over.
    pub fn is_over(&self) -> bool {
        !self.begun || self.environment.is_over()
    }

    /// What it has done.
    pub const fn counts(&self) -> AgentCounts {
        self.counts
    }

    /// What it plays.
    pub const fn policy(&self) -> Option<&PlayedPolicy> {
        self.policy.as_ref()
    }

    /// What looks on.
    pub const fn shadow(&self) -> Option<&PlayedPolicy> {
        self.shadow.as_ref()
    }

    /// What stands between policy and environment.
    pub const fn shield(&self) -> Option<&Shield> {
        self.shield.as_ref()
    }

    /// The best return that the present layout allows, where that is known.
    pub fn best_return(&self) -> Option<f64> {
        if self.begun { self.environment.best_return() } else { None }
    }
}
