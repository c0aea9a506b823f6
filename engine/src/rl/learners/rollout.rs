use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::{Environment, Episode, SplitMix64, VectorEnvironment, VectorState};
use super::{Epsilon, LearnerError, Progress};

/// Episodes that the mean return in the progress looks back on.
const RECENT: usize = 100;

/// The environments a learner acts in, epsilon-greedily, and what has come of it.
#[derive(Clone, Debug)]
pub(super) struct Rollout<E: Environment> {
    pub(super) vector: VectorEnvironment<E>,
    pub(super) random: SplitMix64,
    pub(super) steps: u64,
    pub(super) episodes: u64,
    recent: VecDeque<f64>,
    finished: Vec<Episode>,
    /// What was seen before the last step, row after row, and what was done.
    pub(super) before: Vec<f32>,
    pub(super) actions: Vec<usize>,
    action_count: usize,
}

/// What must be kept of it.
#[derive(Serialize, Deserialize)]
pub(super) struct RolloutState<S> {
    vector: VectorState<S>,
    random: SplitMix64,
    steps: u64,
    episodes: u64,
    recent: VecDeque<f64>,
}

impl<E: Environment> Rollout<E> {
    pub(super) fn new(environment: &E, count: usize, seed: u64) -> Result<Self, LearnerError> {
        if !(1..=4096).contains(&count) {
            return Err(LearnerError::config("environments", count, "1 to 4096"));
        }
        let vector = VectorEnvironment::new(environment, count, seed)?;
        Ok(Self {
            before: vector.observations().to_vec(),
            actions: vec![0; count],
            action_count: environment.action_count(),
            vector,
            random: SplitMix64::stream(seed, u64::MAX),
            steps: 0,
            episodes: 0,
            recent: VecDeque::with_capacity(RECENT),
            finished: Vec::new(),
        })
    }

    /// Acts once in every environment: by chance with the present epsilon, else as `best` says for the row.
    pub(super) fn step(&mut self, epsilon: Epsilon, mut best: impl FnMut(usize, &[f32]) -> usize) -> Result<(), LearnerError> {
        let epsilon = epsilon.at(self.steps);
        self.before.copy_from_slice(self.vector.observations());
        let len = self.before.len() / self.actions.len();
        for (row, (action, observation)) in self.actions.iter_mut().zip(self.before.chunks_exact(len)).enumerate() {
            let by_chance = self.random.unit() < epsilon;
            *action = if by_chance { self.random.below(self.action_count) } else { best(row, observation) };
        }
        self.vector.step(&self.actions)?;
        self.steps += self.actions.len() as u64;
        for episode in self.vector.drain_finished() {
            self.episodes += 1;
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(episode.total_reward);
            self.finished.push(episode);
        }
        Ok(())
    }

    /// The environment's name.
    pub(super) fn environment(&self) -> &'static str {
        self.vector.environments()[0].name()
    }

    /// How far the learner has come that acts here, exploring with `epsilon`.
    pub(super) fn progress(&self, epsilon: Epsilon, updates: u64, loss: Option<f64>) -> Progress {
        Progress {
            steps: self.steps,
            episodes: self.episodes,
            updates,
            episode_reward: (!self.recent.is_empty()).then(|| self.recent.iter().sum::<f64>() / self.recent.len() as f64),
            loss,
            epsilon: epsilon.at(self.steps),
        }
    }

    pub(super) fn drain_episodes(&mut self) -> Vec<Episode> {
        std::mem::take(&mut self.finished)
    }

    pub(super) fn state(&self) -> RolloutState<E::State> {
        RolloutState {
            vector: self.vector.state(),
            random: self.random,
            steps: self.steps,
            episodes: self.episodes,
            recent: self.recent.clone(),
        }
    }

    pub(super) fn restore(environment: &E, count: usize, state: RolloutState<E::State>) -> Result<Self, LearnerError> {
        let mut rollout = Self::new(environment, count, 0)?;
        rollout.vector.restore(&state.vector)?;
        if rollout.vector.count() != count {
            return Err(LearnerError::Checkpoint(format!("it holds {} environments, its settings say {count}", rollout.vector.count())));
        }
        Ok(Self { random: state.random, steps: state.steps, episodes: state.episodes, recent: state.recent, ..rollout })
    }
}
