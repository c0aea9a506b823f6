use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smartcore::{
    ensemble::{
        extra_trees_regressor::{ExtraTreesRegressor, ExtraTreesRegressorParameters},
        random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters},
    },
    error::Failed,
    linalg::basic::{arrays::Array, matrix::DenseMatrix},
};

use super::super::tensor::Numbers;
use super::super::{
    Decision, Environment, EnvironmentKind, Episode, Policy, PolicyDescription, PolicyError, ScoreKind, SplitMix64, greedy,
};
use super::checkpoint::{self, Checkpoint};
use super::replay::{Batch, Replay};
use super::rollout::{Rollout, RolloutState};
use super::{Epsilon, Learner, LearnerConfig, LearnerError, Progress};

/// What the Q-values are fitted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regressor {
    /// Extremely randomised trees, as in Ernst's paper.
    ExtraTrees,
    /// A random forest.
    RandomForest,
}

/// How Q-values are fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedQConfig {
    /// What they are fitted with; one regressor for each action.
    pub regressor: Regressor,
    /// Trees of each regressor.
    pub trees: u16,
    /// Depth of the trees at most.
    pub depth: u16,
    /// Environments side by side.
    pub environments: usize,
    /// What a reward one step later is worth, 0 to 1.
    pub discount: f64,
    /// Transitions remembered; every fit uses all of them.
    pub replay: usize,
    /// Steps between two fits.
    pub fit_every: usize,
    /// How much is done by chance.
    pub epsilon: Epsilon,
}

impl FittedQConfig {
    /// Settings that suit an environment.
    pub fn of(kind: EnvironmentKind) -> Self {
        let common = Self {
            regressor: Regressor::ExtraTrees,
            trees: 20,
            depth: 10,
            environments: 10,
            discount: 0.9,
            replay: 20_000,
            fit_every: 1_000,
            epsilon: Epsilon { start: 1.0, end: 0.1, over_steps: 10_000 },
        };
        match kind {
            // What a driver does changes next to nothing ahead.
            EnvironmentKind::Daladala => Self { discount: 0.2, ..common },
            EnvironmentKind::Avoidance => {
                Self { discount: 0.98, fit_every: 2_000, epsilon: Epsilon { over_steps: 40_000, ..common.epsilon }, ..common }
            }
        }
    }

    fn check(&self) -> Result<(), LearnerError> {
        self.epsilon.check()?;
        for (setting, value) in [("trees", self.trees), ("depth", self.depth)] {
            if !(1..=1000).contains(&value) {
                return Err(LearnerError::config(setting, value, "1 to 1000"));
            }
        }
        for (setting, value) in [("replay", self.replay), ("fit_every", self.fit_every)] {
            if !(1..=1_000_000).contains(&value) {
                return Err(LearnerError::config(setting, value, "1 to 1000000"));
            }
        }
        if (0.0..=1.0).contains(&self.discount) { Ok(()) } else { Err(LearnerError::config("discount", self.discount, "0 to 1")) }
    }
}

type Matrix = DenseMatrix<f64>;

/// A regressor that was fitted for one action; `None` where the action was never tried.
#[derive(Debug, Serialize, Deserialize)]
enum Fitted {
    ExtraTrees(ExtraTreesRegressor<f64, f64, Matrix, Vec<f64>>),
    RandomForest(RandomForestRegressor<f64, f64, Matrix, Vec<f64>>),
}

impl Fitted {
    fn fit(config: &FittedQConfig, x: &Matrix, y: &Vec<f64>, seed: u64) -> Result<Self, Failed> {
        Ok(match config.regressor {
            Regressor::ExtraTrees => {
                let parameters = ExtraTreesRegressorParameters::default()
                    .with_n_trees(config.trees.into())
                    .with_max_depth(config.depth)
                    .with_m(x.shape().1)
                    .with_seed(seed);
                Self::ExtraTrees(ExtraTreesRegressor::fit(x, y, parameters)?)
            }
            Regressor::RandomForest => {
                let parameters = RandomForestRegressorParameters::default()
                    .with_n_trees(config.trees.into())
                    .with_max_depth(config.depth)
                    .with_m(x.shape().1)
                    .with_seed(seed);
                Self::RandomForest(RandomForestRegressor::fit(x, y, parameters)?)
            }
        })
    }

    fn predict(&self, x: &Matrix) -> Result<Vec<f64>, Failed> {
        match self {
            Self::ExtraTrees(regressor) => regressor.predict(x),
            Self::RandomForest(regressor) => regressor.predict(x),
        }
    }
}

/// Q-values as regressors tell them, one for each action.
#[derive(Debug, Default, Serialize, Deserialize)]
struct QValues {
    by_action: Vec<Option<Fitted>>,
}

impl QValues {
    /// Row after row, action after action; 0 where nothing is known yet.
    fn predict(&self, observations: &[f32], observation_len: usize, actions: usize) -> Result<Vec<f64>, Failed> {
        let rows = observations.len() / observation_len;
        let mut values = vec![0.0; rows * actions];
        let x = matrix(observations, observation_len)?;
        for (action, fitted) in self.by_action.iter().enumerate() {
            let Some(fitted) = fitted else { continue };
            for (row, value) in fitted.predict(&x)?.into_iter().enumerate() {
                values[row * actions + action] = value;
            }
        }
        Ok(values)
    }
}

fn matrix(observations: &[f32], observation_len: usize) -> Result<Matrix, Failed> {
    let values = observations.iter().map(|value| f64::from(*value)).collect();
    DenseMatrix::new(observations.len() / observation_len, observation_len, values, false)
}

/// Fitted Q iteration (Ernst, Geurts and Wehenkel, "Tree-based batch mode reinforcement learning", 2005), in rounds: act,
/// then fit the Q-values once more to all that is remembered.
#[derive(Debug)]
pub struct FittedQ<E: Environment> {
    config: FittedQConfig,
    rollout: Rollout<E>,
    replay: Replay,
    values: Arc<QValues>,
    random: SplitMix64,
    updates: u64,
    /// Steps since the last fit.
    due: usize,
    loss: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Kept<S> {
    rollout: RolloutState<S>,
    random: SplitMix64,
    updates: u64,
    due: usize,
    loss: Option<f64>,
}

impl<E: Environment> FittedQ<E> {
    /// A learner at its beginning.
    pub fn new(environment: &E, config: FittedQConfig, seed: u64) -> Result<Self, LearnerError> {
        config.check()?;
        Ok(Self {
            rollout: Rollout::new(environment, config.environments, seed)?,
            replay: Replay::new(environment.observation_len(), config.replay),
            values: Arc::default(),
            random: SplitMix64::stream(seed, u64::MAX - 1),
            updates: 0,
            due: 0,
            loss: None,
            config,
        })
    }

    fn shape(&self) -> (usize, usize) {
        let environment = &self.rollout.vector.environments()[0];
        (environment.observation_len(), environment.action_count())
    }

    fn round(&mut self) -> Result<(), LearnerError> {
        let (len, actions) = self.shape();
        let scores = self.values.predict(self.rollout.vector.observations(), len, actions).map_err(|error| failed(&error))?;
        let best = |row: usize, _: &[f32]| best_of(&scores[row * actions..(row + 1) * actions]);
        self.rollout.step(self.config.epsilon, best)?;
        self.replay.remember(&self.rollout, 1.0);
        self.due += self.config.environments;
        if self.due >= self.config.fit_every {
            self.due = 0;
            self.fit()?;
        }
        Ok(())
    }

    /// Fits every action's Q-values to the reward and the discounted worth of what followed.
    fn fit(&mut self) -> Result<(), LearnerError> {
        let (len, actions) = self.shape();
        let mut batch = Batch::default();
        self.replay.all(&mut batch);
        let after = self.values.predict(&batch.successors, len, actions).map_err(|error| failed(&error))?;
        let now = self.values.predict(&batch.observations, len, actions).map_err(|error| failed(&error))?;
        let targets: Vec<f64> = (0..batch.actions.len())
            .map(|row| {
                let worth = after[row * actions..(row + 1) * actions].iter().copied().fold(f64::NEG_INFINITY, f64::max);
                f64::from(batch.rewards[row]) + if batch.terminated[row] { 0.0 } else { self.config.discount * worth }
            })
            .collect();
        let errors =
            targets.iter().zip(&batch.actions).enumerate().map(|(row, (target, action))| (target - now[row * actions + action]).abs());
        self.loss = Some(errors.sum::<f64>() / targets.len() as f64);
        let mut by_action = Vec::with_capacity(actions);
        for action in 0..actions {
            by_action.push(self.fit_action(&batch, &targets, action)?);
        }
        self.values = Arc::new(QValues { by_action });
        self.updates += 1;
        Ok(())
    }

    fn fit_action(&mut self, batch: &Batch, targets: &[f64], action: usize) -> Result<Option<Fitted>, LearnerError> {
        let len = self.shape().0;
        let rows: Vec<usize> = (0..targets.len()).filter(|row| batch.actions[*row] == action).collect();
        // A tree needs two samples to split.
        if rows.len() < 2 {
            return Ok(None);
        }
        let observations: Vec<f32> = rows.iter().flat_map(|row| &batch.observations[row * len..(row + 1) * len]).copied().collect();
        let y = rows.iter().map(|row| targets[*row]).collect();
        let x = matrix(&observations, len).map_err(|error| failed(&error))?;
        Fitted::fit(&self.config, &x, &y, self.random.next_u64()).map(Some).map_err(|error| failed(&error))
    }

    pub(super) fn resume(environment: &E, config: FittedQConfig, checkpoint: &Checkpoint<'_>) -> Result<Self, LearnerError> {
        let kept: Kept<E::State> = checkpoint.state()?;
        let mut learner = Self::new(environment, config, 0)?;
        let regressors = checkpoint.bytes("regressors", safetensors::Dtype::U8)?;
        learner.values = Arc::new(postcard::from_bytes(regressors).map_err(|error| LearnerError::Checkpoint(error.to_string()))?);
        if !learner.values.by_action.is_empty() && learner.values.by_action.len() != environment.action_count() {
            return Err(LearnerError::Checkpoint("its regressors are for another number of actions".to_owned()));
        }
        learner.replay = Replay::read(checkpoint, environment, learner.config.replay)?;
        learner.rollout = Rollout::restore(environment, learner.config.environments, kept.rollout)?;
        Ok(Self { random: kept.random, updates: kept.updates, due: kept.due, loss: kept.loss, ..learner })
    }

    fn serialised_values(&self) -> Result<Vec<u8>, LearnerError> {
        postcard::to_allocvec(&*self.values).map_err(|error| LearnerError::Checkpoint(error.to_string()))
    }
}

fn failed(error: &Failed) -> LearnerError {
    LearnerError::Fit(error.to_string())
}

fn best_of(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, action| if values[action] > values[best] { action } else { best })
}

impl<E: Environment> Learner for FittedQ<E> {
    fn algorithm(&self) -> &'static str {
        "fitted Q"
    }

    fn environment(&self) -> &'static str {
        self.rollout.environment()
    }

    fn advance(&mut self, steps: u64) -> Result<Progress, LearnerError> {
        let until = self.rollout.steps.saturating_add(steps);
        while self.rollout.steps < until {
            self.round()?;
        }
        Ok(self.progress())
    }

    fn progress(&self) -> Progress {
        self.rollout.progress(self.config.epsilon, self.updates, self.loss)
    }

    fn drain_episodes(&mut self) -> Vec<Episode> {
        self.rollout.drain_episodes()
    }

    fn policy(&self) -> Result<Arc<dyn Policy>, LearnerError> {
        let (observation_len, action_count) = self.shape();
        let description = PolicyDescription {
            algorithm: self.algorithm().to_owned(),
            architecture: format!("{action_count} x {} {:?}", self.config.trees, self.config.regressor),
            environment: Some(self.environment().to_owned()),
            version: super::version_of(self.serialised_values()?),
        };
        Ok(Arc::new(FittedQPolicy { description, observation_len, action_count, values: Arc::clone(&self.values) }))
    }

    fn checkpoint(&self) -> Result<Vec<u8>, LearnerError> {
        let kept = Kept { rollout: self.rollout.state(), random: self.random, updates: self.updates, due: self.due, loss: self.loss };
        let mut numbers = self.replay.numbers();
        numbers.push(("regressors", Numbers::bytes(self.serialised_values()?)));
        checkpoint::write(self.environment(), LearnerConfig::FittedQ(self.config.clone()), &kept, numbers)
    }
}

/// Fitted Q-values as a policy.
#[derive(Debug)]
pub struct FittedQPolicy {
    description: PolicyDescription,
    observation_len: usize,
    action_count: usize,
    values: Arc<QValues>,
}

impl Policy for FittedQPolicy {
    fn description(&self) -> &PolicyDescription {
        &self.description
    }

    fn observation_len(&self) -> usize {
        self.observation_len
    }

    fn action_count(&self) -> usize {
        self.action_count
    }

    fn act(&self, observation: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError> {
        PolicyError::check_lens(self, observation, scores)?;
        // Shapes fit, so only broken numbers can fail.
        let values = self.values.predict(observation, self.observation_len, self.action_count).map_err(|_| PolicyError::NotANumber)?;
        scores.iter_mut().zip(values).for_each(|(score, value)| *score = value as f32);
        Ok(Decision { action: greedy(scores)?, scores: ScoreKind::QValues, value: None })
    }

    fn act_batch(&self, observations: &[f32], scores: &mut [f32], decisions: &mut [Decision]) -> Result<(), PolicyError> {
        // Trees are fast by the row and slow by the call.
        let values = self.values.predict(observations, self.observation_len, self.action_count).map_err(|_| PolicyError::NotANumber)?;
        scores.iter_mut().zip(values).for_each(|(score, value)| *score = value as f32);
        for (decision, scores) in decisions.iter_mut().zip(scores.chunks_exact(self.action_count)) {
            *decision = Decision { action: greedy(scores)?, scores: ScoreKind::QValues, value: None };
        }
        Ok(())
    }
}
