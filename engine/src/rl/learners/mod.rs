//! Learners: what turns experience in an environment into a policy.
//!
//! A [`Learner`] owns its environments. Whoever drives it advances it by some steps, looks at its [`Progress`],
//! takes the episodes that ended, keeps a checkpoint, and stops whenever it likes between two
//! advances: no thread and no clock is in here. Resumed from a checkpoint it goes on exactly as it would have.
//!
//! ```
//! use slipstream_engine::rl::{EnvironmentKind, learners::{LearnerConfig, begin, resume}};
//!
//! let kind = EnvironmentKind::Daladala;
//! let mut learner = begin(kind, &LearnerConfig::q_table(kind), 7).unwrap();
//! let progress = learner.advance(2_900).unwrap();
//! assert_eq!((progress.steps, progress.episodes), (2_900, 100));
//! let kept = learner.checkpoint().unwrap();
//! assert_eq!(resume(&kept).unwrap().progress(), progress);
//! ```

mod checkpoint;
mod dqn;
mod fitted_q;
mod q_table;
mod replay;
mod rollout;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::avoidance::Avoidance;
use super::daladala::Daladala;
use super::{Environment, EnvironmentError, EnvironmentKind, Episode, Policy, PolicyError};
use checkpoint::{Checkpoint, Header};
pub use checkpoint::{attach, attached};
pub use dqn::{Dqn, DqnConfig};
pub use fitted_q::{FittedQ, FittedQConfig, FittedQPolicy, Regressor};
pub use q_table::{QTable, QTableConfig, QTablePolicy};
pub use schedule::Epsilon;

/// What learns.
pub trait Learner: Send {
    /// The algorithm's name: `DQN`, `Q-table`, `fitted Q`.
    fn algorithm(&self) -> &'static str;

    /// The environment's name.
    fn environment(&self) -> &'static str;

    /// Takes at least `steps` steps in the environments (whole rounds of all of them) and learns from them.
    fn advance(&mut self, steps: u64) -> Result<Progress, LearnerError>;

    /// How far it has come.
    fn progress(&self) -> Progress;

    /// Takes the episodes that ended since the last call.
    fn drain_episodes(&mut self) -> Vec<Episode>;

    /// What it has learnt so far.
    fn policy(&self) -> Result<Arc<dyn Policy>, LearnerError>;

    /// What it has learnt so far as a file that [`policy::load`](super::policy::load) reads; `None` where the
    /// policy is no network: there the checkpoint is the file.
    fn export(&self) -> Result<Option<Vec<u8>>, LearnerError> {
        Ok(None)
    }

    /// Everything needed to go on, as one safetensors file.
    fn checkpoint(&self) -> Result<Vec<u8>, LearnerError>;
}

/// How far a learner has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken in the environments.
    pub steps: u64,
    /// Episodes ended.
    pub episodes: u64,
    /// Times the learner changed its mind: gradient steps, table updates, fits.
    pub updates: u64,
    /// Mean return of the last (at most 100) episodes; `None` before the first ended. Exploring costs:
    /// the policy alone is better.
    pub episode_reward: Option<f64>,
    /// How wrong the last predictions were: the mean over the last advance, in the learner's own unit.
    pub loss: Option<f64>,
    /// The share of actions taken by chance, 0 to 1.
    pub epsilon: f64,
}

/// Why a learner could not be made, go on, or be resumed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LearnerError {
    /// A setting that cannot be.
    #[error("{setting} cannot be {value}: {allowed}")]
    Config {
        /// The setting's name.
        setting: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// The environment refused.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The policy being learnt gave no action.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The numbers grew beyond all bounds: a smaller learning rate helps.
    #[error("learning diverged after {steps} steps: use a smaller learning rate")]
    Diverged {
        /// Steps taken until then.
        steps: u64,
    },
    /// A regressor could not be fitted.
    #[error("the regressor could not be fitted: {0}")]
    Fit(String),
    /// A checkpoint that is none of ours, or is damaged.
    #[error("the checkpoint cannot be read: {0}")]
    Checkpoint(String),
}

impl LearnerError {
    /// Whether the same call could succeed later: never, all of it is deterministic.
    pub fn is_retryable(&self) -> bool {
        false
    }

    fn config(setting: &'static str, value: impl std::fmt::Display, allowed: &'static str) -> Self {
        Self::Config { setting, value: value.to_string(), allowed }
    }
}

/// How to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algorithm", rename_all = "snake_case")]
pub enum LearnerConfig {
    /// Tabular Q-learning.
    QTable(QTableConfig),
    /// Fitted Q iteration.
    FittedQ(FittedQConfig),
    /// Deep Q-network.
    Dqn(DqnConfig),
}

impl LearnerConfig {
    /// Tabular Q-learning with settings that suit an environment.
    pub fn q_table(kind: EnvironmentKind) -> Self {
        Self::QTable(QTableConfig::of(kind))
    }

    /// Fitted Q iteration with settings that suit an environment.
    pub fn fitted_q(kind: EnvironmentKind) -> Self {
        Self::FittedQ(FittedQConfig::of(kind))
    }

    /// DQN with settings that suit an environment.
    pub fn dqn(kind: EnvironmentKind) -> Self {
        Self::Dqn(DqnConfig::of(kind))
    }
}

/// A new learner; the same seed learns the same.
pub fn begin(kind: EnvironmentKind, config: &LearnerConfig, seed: u64) -> Result<Box<dyn Learner>, LearnerError> {
    match kind {
        EnvironmentKind::Daladala => begin_in(&Daladala::new(), config, seed),
        EnvironmentKind::Avoidance => begin_in(&Avoidance::new(), config, seed),
    }
}

/// [`begin`] in an environment of a known type.
pub fn begin_in<E: Environment>(environment: &E, config: &LearnerConfig, seed: u64) -> Result<Box<dyn Learner>, LearnerError> {
    Ok(match config {
        LearnerConfig::QTable(config) => Box::new(QTable::new(environment, config.clone(), seed)?),
        LearnerConfig::FittedQ(config) => Box::new(FittedQ::new(environment, config.clone(), seed)?),
        LearnerConfig::Dqn(config) => Box::new(Dqn::new(environment, config.clone(), seed)?),
    })
}

/// The learner that a checkpoint was taken of, to go on with.
pub fn resume(bytes: &[u8]) -> Result<Box<dyn Learner>, LearnerError> {
    let checkpoint = Checkpoint::read(bytes)?;
    let Header { environment, .. } = checkpoint.header()?;
    match environment.parse()? {
        EnvironmentKind::Daladala => resume_in(&Daladala::new(), &checkpoint),
        EnvironmentKind::Avoidance => resume_in(&Avoidance::new(), &checkpoint),
    }
}

fn resume_in<E: Environment>(environment: &E, checkpoint: &Checkpoint<'_>) -> Result<Box<dyn Learner>, LearnerError> {
    Ok(match checkpoint.header()?.config {
        LearnerConfig::QTable(config) => Box::new(QTable::resume(environment, config, checkpoint)?),
        LearnerConfig::FittedQ(config) => Box::new(FittedQ::resume(environment, config, checkpoint)?),
        LearnerConfig::Dqn(config) => Box::new(Dqn::resume(environment, config, checkpoint)?),
    })
}

/// A version for a policy's numbers: their FNV-1a hash in hexadecimal.
fn version_of(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash = bytes.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
