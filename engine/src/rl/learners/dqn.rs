use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::network::{Activations, Adam, Gradient, Network};
use super::super::policy::{Algorithm, TrainedPolicy, to_safetensors};
use super::super::tensor::Numbers;
use super::super::{Environment, EnvironmentKind, Episode, Policy, SplitMix64, greedy};
use super::checkpoint::{self, Checkpoint};
use super::replay::{Batch, Replay};
use super::rollout::{Rollout, RolloutState};
use super::{Epsilon, Learner, LearnerConfig, LearnerError, Progress};

/// How a deep Q-network learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DqnConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Environments side by side.
    pub environments: usize,
    /// What a reward one step later is worth, 0 to 1.
    pub discount: f32,
    /// Adam's learning rate at the beginning.
    pub learning_rate: f32,
    /// Adam's learning rate once exploring has come to its end: it falls with epsilon.
    pub final_learning_rate: f32,
    /// Transitions per gradient step.
    pub batch: usize,
    /// Transitions remembered.
    pub replay: usize,
    /// Steps before the first gradient step.
    pub learn_after: usize,
    /// Steps in the environments per gradient step.
    pub learn_every: usize,
    /// Gradient steps between two copies of the network into the target network.
    pub target_every: u64,
    /// How much is done by chance.
    pub epsilon: Epsilon,
    /// Double DQN (van Hasselt 2015): the network chooses the best next action, the target network values it.
    pub double: bool,
    /// Rewards are multiplied by this before learning, so that errors are about 1.
    pub reward_scale: f32,
}

impl DqnConfig {
    /// Settings that suit an environment.
    pub fn of(kind: EnvironmentKind) -> Self {
        let common = Self {
            hidden: vec![64, 64],
            environments: 16,
            discount: 0.9,
            learning_rate: 2e-3,
            final_learning_rate: 1e-4,
            batch: 64,
            replay: 50_000,
            learn_after: 1_000,
            learn_every: 8,
            target_every: 250,
            epsilon: Epsilon { start: 1.0, end: 0.05, over_steps: 20_000 },
            double: true,
            reward_scale: 0.05,
        };
        match kind {
            EnvironmentKind::Daladala => common,
            EnvironmentKind::Avoidance => {
                Self { discount: 0.98, epsilon: Epsilon { over_steps: 150_000, ..common.epsilon }, learning_rate: 5e-4, ..common }
            }
        }
    }

    fn check(&self) -> Result<(), LearnerError> {
        self.epsilon.check()?;
        let positive = [
            ("batch", self.batch),
            ("replay", self.replay),
            ("learn_every", self.learn_every),
            ("target_every", self.target_every as usize),
        ];
        for (setting, value) in positive {
            if !(1..=10_000_000).contains(&value) {
                return Err(LearnerError::config(setting, value, "1 to 10000000"));
            }
        }
        if !(0.0..=1.0).contains(&self.discount) {
            return Err(LearnerError::config("discount", self.discount, "0 to 1"));
        }
        for (setting, value) in
            [("learning_rate", self.learning_rate), ("final_learning_rate", self.final_learning_rate), ("reward_scale", self.reward_scale)]
        {
            if !(value.is_finite() && value > 0.0) {
                return Err(LearnerError::config(setting, value, "a number above 0"));
            }
        }
        Ok(())
    }

    /// The learning rate after so many steps.
    fn learning_rate_at(&self, steps: u64) -> f32 {
        let span = Epsilon { start: f64::from(self.learning_rate), end: f64::from(self.final_learning_rate), ..self.epsilon };
        span.at(steps) as f32
    }
}

/// A deep Q-network that learns (Mnih et al., "Human-level control through deep reinforcement learning", 2015).
#[derive(Debug)]
pub struct Dqn<E: Environment> {
    config: DqnConfig,
    rollout: Rollout<E>,
    network: Network,
    target: Network,
    adam: Adam,
    replay: Replay,
    random: SplitMix64,
    updates: u64,
    /// Steps taken for which no gradient step was done yet.
    due: usize,
    loss: Option<f64>,
    space: Space,
}

/// Reused from step to step.
#[derive(Debug, Default)]
struct Space {
    batch: Batch,
    acting: Activations,
    forward: Activations,
    next: Activations,
    next_target: Activations,
    gradient: Gradient,
    targets: Vec<f32>,
}

/// What is kept beside the tensors.
#[derive(Serialize, Deserialize)]
struct Kept<S> {
    rollout: RolloutState<S>,
    random: SplitMix64,
    updates: u64,
    due: usize,
    loss: Option<f64>,
    adam_steps: u32,
}

impl<E: Environment> Dqn<E> {
    /// A learner at its beginning.
    pub fn new(environment: &E, config: DqnConfig, seed: u64) -> Result<Self, LearnerError> {
        config.check()?;
        let mut widths = vec![environment.observation_len()];
        widths.extend(&config.hidden);
        widths.push(environment.action_count());
        let network = Network::new(&widths, &mut SplitMix64::stream(seed, u64::MAX - 1))
            .ok_or_else(|| LearnerError::config("hidden", format!("{:?}", config.hidden), "widths of 1 to 512"))?;
        Ok(Self {
            rollout: Rollout::new(environment, config.environments, seed)?,
            target: network.clone(),
            adam: Adam::new(network.parameters().len()),
            network,
            replay: Replay::new(environment.observation_len(), config.replay),
            random: SplitMix64::stream(seed, u64::MAX - 2),
            updates: 0,
            due: 0,
            loss: None,
            space: Space::default(),
            config,
        })
    }

    /// One round of all environments, and the gradient steps due for it.
    fn round(&mut self) -> Result<(), LearnerError> {
        self.network.forward(self.rollout.vector.observations(), &mut self.space.acting);
        let scores = self.space.acting.output();
        let actions = self.network.outputs();
        // Diverged numbers are found by the loss; until then any action will do.
        self.rollout.step(self.config.epsilon, |row, _| greedy(&scores[row * actions..(row + 1) * actions]).unwrap_or(0))?;
        self.replay.remember(&self.rollout, self.config.reward_scale);
        if self.rollout.steps < self.config.learn_after as u64 {
            return Ok(());
        }
        self.due += self.config.environments;
        while self.due >= self.config.learn_every {
            self.due -= self.config.learn_every;
            let loss = self.learn();
            if !loss.is_finite() {
                return Err(LearnerError::Diverged { steps: self.rollout.steps });
            }
            // A running mean over about the last hundred gradient steps.
            self.loss = Some(self.loss.map_or(loss, |mean| mean + (loss - mean) * 0.01));
        }
        Ok(())
    }

    /// One gradient step on a batch; tells its mean Huber loss.
    fn learn(&mut self) -> f64 {
        self.replay.draw(self.config.batch, &mut self.random, &mut self.space.batch);
        self.find_targets();
        let Space { batch, forward, gradient, targets, .. } = &mut self.space;
        self.network.forward(&batch.observations, forward);
        let rows = batch.actions.len();
        let by_output = gradient.output_mut(&self.network, rows);
        let actions = self.network.outputs();
        let mut loss = 0.0;
        for (row, (action, target)) in batch.actions.iter().zip(targets.iter()).enumerate() {
            let place = row * actions + action;
            let error = forward.output()[place] - target;
            // Huber: a parabola within 1, a straight line beyond.
            by_output[place] = error.clamp(-1.0, 1.0) / rows as f32;
            let size = f64::from(error.abs());
            loss += if size <= 1.0 { 0.5 * size * size } else { size - 0.5 };
        }
        gradient.find(&self.network, &batch.observations, forward);
        let rate = self.config.learning_rate_at(self.rollout.steps);
        self.adam.step(self.network.parameters_mut(), gradient.values(), rate);
        self.updates += 1;
        if self.updates.is_multiple_of(self.config.target_every) {
            self.target.clone_from(&self.network);
        }
        loss / rows as f64
    }

    /// What each transition of the batch should have been worth: its reward and the discounted worth of what
    /// followed.
    fn find_targets(&mut self) {
        let Space { batch, next, next_target, targets, .. } = &mut self.space;
        let actions = self.network.outputs();
        self.target.forward(&batch.successors, next_target);
        if self.config.double {
            self.network.forward(&batch.successors, next);
        }
        let chooser = if self.config.double { next.output() } else { next_target.output() };
        let rows = chooser.chunks_exact(actions).zip(next_target.output().chunks_exact(actions));
        targets.clear();
        targets.extend(rows.zip(batch.rewards.iter().zip(&batch.terminated)).map(|((chooser, values), (reward, terminated))| {
            let future = if *terminated { 0.0 } else { values[greedy(chooser).unwrap_or(0)] };
            reward + self.config.discount * future
        }));
    }

    /// What it has learnt so far.
    fn trained(&self) -> Result<TrainedPolicy, LearnerError> {
        let diverged = |_| LearnerError::Diverged { steps: self.rollout.steps };
        self.network.to_policy(Algorithm::Dqn).map(|policy| policy.trained_in(self.environment())).map_err(diverged)
    }

    pub(super) fn resume(environment: &E, config: DqnConfig, checkpoint: &Checkpoint<'_>) -> Result<Self, LearnerError> {
        let kept: Kept<E::State> = checkpoint.state()?;
        let mut learner = Self::new(environment, config, 0)?;
        let count = learner.network.parameters().len();
        learner.network.parameters_mut().copy_from_slice(&checkpoint.f32("network", count)?);
        learner.target.parameters_mut().copy_from_slice(&checkpoint.f32("target", count)?);
        learner.adam =
            Adam { mean: checkpoint.f32("adam.mean", count)?, square: checkpoint.f32("adam.square", count)?, steps: kept.adam_steps };
        learner.replay = Replay::read(checkpoint, environment, learner.config.replay)?;
        learner.rollout = Rollout::restore(environment, learner.config.environments, kept.rollout)?;
        Ok(Self { random: kept.random, updates: kept.updates, due: kept.due, loss: kept.loss, ..learner })
    }
}

impl<E: Environment> Learner for Dqn<E> {
    fn algorithm(&self) -> &'static str {
        "DQN"
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
        Ok(Arc::new(self.trained()?))
    }

    fn export(&self) -> Result<Option<Vec<u8>>, LearnerError> {
        Ok(Some(to_safetensors(&self.trained()?)))
    }

    fn checkpoint(&self) -> Result<Vec<u8>, LearnerError> {
        let kept = Kept {
            rollout: self.rollout.state(),
            random: self.random,
            updates: self.updates,
            due: self.due,
            loss: self.loss,
            adam_steps: self.adam.steps,
        };
        let mut numbers = self.replay.numbers();
        numbers.extend([
            ("network", Numbers::f32(self.network.parameters())),
            ("target", Numbers::f32(self.target.parameters())),
            ("adam.mean", Numbers::f32(&self.adam.mean)),
            ("adam.square", Numbers::f32(&self.adam.square)),
        ]);
        checkpoint::write(self.environment(), LearnerConfig::Dqn(self.config.clone()), &kept, numbers)
    }
}
