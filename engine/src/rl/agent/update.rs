use std::sync::Arc;

use serde::Serialize;

use super::super::{AnyState, PolicyDescription, ScoreKind, live::Advised};

/// What an agent tells the world. As JSON it is an object with `kind`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Update {
    /// An episode begins.
    EpisodeStarted {
        /// Its number, from 1.
        episode: u64,
        /// How it begins.
        state: AnyState,
    },
    /// The environment was put back to a beginning.
    EpisodeReset {
        /// The episode's number.
        episode: u64,
        /// How it begins.
        state: AnyState,
    },
    /// An action was taken.
    Step(Box<StepUpdate>),
    /// The shadow would have acted otherwise.
    ShadowDiffers {
        /// In which episode.
        episode: u64,
        /// In which step since the agent was made, from 1.
        step: u64,
        /// What policy or caller wanted.
        action: usize,
        /// What the shadow thought.
        shadow: Opinion,
    },
    /// An episode is over.
    EpisodeEnded(EpisodeEnd),
    /// Another policy plays.
    PolicySwapped {
        /// Which; absent: none.
        policy: Option<PolicyDescription>,
    },
    /// Another policy looks on.
    ShadowSet {
        /// Which; absent: none.
        policy: Option<PolicyDescription>,
    },
    /// Other rules stand between policy and environment.
    ShieldSet {
        /// Their names; empty: no shield.
        rules: Vec<String>,
    },
    /// A live vehicle was advised.
    Advised(Arc<Advised>),
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepUpdate {
    /// In which episode.
    pub episode: u64,
    /// The action taken.
    pub action: usize,
    /// What it is called.
    pub action_name: &'static str,
    /// Who chose it.
    pub chosen_by: Chooser,
    /// What the policy thought, whoever chose; absent without a policy.
    pub policy: Option<Opinion>,
    /// What the shadow thought; absent without one.
    pub shadow: Option<Opinion>,
    /// The action that was wanted, where the shield stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<usize>,
    /// The rule that forbade the wanted action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// What it earned.
    pub reward: f64,
    /// Rewards of the episode so far.
    pub total_reward: f64,
    /// The episode ended in the world's own terms.
    pub terminated: bool,
    /// The episode was cut off.
    pub truncated: bool,
    /// Where the episode stands now.
    #[serde(flatten)]
    pub state: AnyState,
}

/// Who chose an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chooser {
    /// The policy.
    Policy,
    /// Whoever asked for the step.
    Caller,
}

/// What a policy thought of an observation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Opinion {
    /// The policy's version.
    pub version: String,
    /// The action it would take.
    pub action: usize,
    /// What its scores are.
    pub score_kind: ScoreKind,
    /// One for each action.
    pub scores: Vec<f32>,
    /// What it thinks the state is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
}

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EpisodeEnd {
    /// Its number.
    pub episode: u64,
    /// Its return.
    pub total_reward: f64,
    /// Whether it ended in the world's own terms; otherwise it was cut off.
    pub terminated: bool,
    /// The best return it could have had, where that is known.
    pub best_return: Option<f64>,
}

impl Update {
    /// The update as a JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"kind":"unwritable"}"#.to_owned())
    }
}
