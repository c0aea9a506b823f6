use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::super::tensor::Numbers;
use super::super::{Decision, Environment, EnvironmentKind, Episode, Policy, PolicyDescription, PolicyError, ScoreKind, greedy};
use super::checkpoint::{self, Checkpoint};
use super::rollout::{Rollout, RolloutState};
use super::{Epsilon, Learner, LearnerConfig, LearnerError, Progress};

/// How a table of Q-values learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QTableConfig {
    /// Into how many equal parts of [-1, 1] each value of the observation is cut; 1 looks away from it.
    pub bins: Vec<u8>,
    /// Environments side by side.
    pub environments: usize,
    /// What a reward one step later is worth, 0 to 1.
    pub discount: f64,
    /// How far a value moves towards what was found, 0 to 1.
    pub learning_rate: f64,
    /// How much is done by chance.
    pub epsilon: Epsilon,
}

impl QTableConfig {
    /// Settings that suit an environment.
    pub fn of(kind: EnvironmentKind) -> Self {
        match kind {
            EnvironmentKind::Daladala => Self {
                // The row (the last cell pays for arriving), must stop here, at a stop.
                bins: vec![1, 15, 1, 1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1],
                environments: 4,
                // What a driver does changes next to nothing ahead, and what lies ahead is noise to a table.
                discount: 0.1,
                learning_rate: 0.1,
                epsilon: Epsilon { start: 1.0, end: 0.3, over_steps: 50_000 },
            },
            EnvironmentKind::Avoidance => Self {
                bins: vec![10, 8, 1, 4, 5, 1, 3, 10],
                environments: 4,
                discount: 0.98,
                learning_rate: 0.1,
                epsilon: Epsilon { start: 1.0, end: 0.05, over_steps: 500_000 },
            },
        }
    }

    fn check(&self, environment: &impl Environment) -> Result<(), LearnerError> {
        self.epsilon.check()?;
        let cells = self.bins.iter().try_fold(1_u64, |cells, bins| cells.checked_mul(u64::from(*bins)).filter(|cells| *cells > 0));
        if self.bins.len() != environment.observation_len() || cells.is_none() {
            let value = format!("{:?}", self.bins);
            return Err(LearnerError::config(
                "bins",
                value,
                "a number from 1 on for each value of the observation, their product below 2^64",
            ));
        }
        for (setting, value) in [("discount", self.discount), ("learning_rate", self.learning_rate)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(LearnerError::config(setting, value, "0 to 1"));
            }
        }
        Ok(())
    }
}

/// The number of the cell an observation falls into.
fn cell_of(bins: &[u8], observation: &[f32]) -> u64 {
    bins.iter().zip(observation).fold(0, |cell, (bins, value)| {
        let bins = u64::from(*bins);
        // Casts from below 0, and of NaN, give 0.
        let bin = ((value + 1.0) * 0.5 * bins as f32) as u64;
        cell * bins + bin.min(bins - 1)
    })
}

/// Q-values by cell; a cell never seen has none.
type Cells = BTreeMap<u64, Vec<f32>>;

/// Tabular Q-learning (Watkins 1989) over observations cut into bins.
#[derive(Debug)]
pub struct QTable<E: Environment> {
    config: QTableConfig,
    rollout: Rollout<E>,
    cells: Cells,
    updates: u64,
    loss: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Kept<S> {
    rollout: RolloutState<S>,
    updates: u64,
    loss: Option<f64>,
}

impl<E: Environment> QTable<E> {
    /// A learner at its beginning.
    pub fn new(environment: &E, config: QTableConfig, seed: u64) -> Result<Self, LearnerError> {
        config.check(environment)?;
        let rollout = Rollout::new(environment, config.environments, seed)?;
        Ok(Self { config, rollout, cells: Cells::new(), updates: 0, loss: None })
    }

    fn round(&mut self) -> Result<(), LearnerError> {
        let (cells, bins) = (&self.cells, &self.config.bins);
        let best = |_, observation: &[f32]| cells.get(&cell_of(bins, observation)).map_or(0, |values| greedy(values).unwrap_or(0));
        self.rollout.step(self.config.epsilon, best)?;
        let len = bins.len();
        let rows = self.rollout.before.chunks_exact(len).zip(self.rollout.vector.successors().chunks_exact(len));
        let done = self.rollout.actions.iter().zip(self.rollout.vector.steps());
        let actions = self.rollout.vector.environments()[0].action_count();
        for ((before, after), (action, step)) in rows.zip(done) {
            let worth = |values: &Vec<f32>| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let future = if step.terminated { 0.0 } else { self.cells.get(&cell_of(bins, after)).map_or(0.0, worth) };
            let values = self.cells.entry(cell_of(bins, before)).or_insert_with(|| vec![0.0; actions]);
            let error = step.reward + self.config.discount * f64::from(future) - f64::from(values[*action]);
            values[*action] += (self.config.learning_rate * error) as f32;
            self.updates += 1;
            // A running mean over about the last thousand steps.
            self.loss = Some(self.loss.map_or(error.abs(), |mean| mean + (error.abs() - mean) * 0.001));
        }
        Ok(())
    }

    fn table(&self) -> QTablePolicy {
        QTablePolicy::new(
            self.environment(),
            self.config.bins.clone(),
            self.rollout.vector.environments()[0].action_count(),
            self.cells.clone(),
        )
    }

    pub(super) fn resume(environment: &E, config: QTableConfig, checkpoint: &Checkpoint<'_>) -> Result<Self, LearnerError> {
        let kept: Kept<E::State> = checkpoint.state()?;
        let mut learner = Self::new(environment, config, 0)?;
        let names = checkpoint.u64("table.cells")?;
        let actions = environment.action_count();
        let values = checkpoint.f32("table.values", names.len() * actions)?;
        learner.cells = names.into_iter().zip(values.chunks_exact(actions).map(<[f32]>::to_vec)).collect();
        learner.rollout = Rollout::restore(environment, learner.config.environments, kept.rollout)?;
        Ok(Self { updates: kept.updates, loss: kept.loss, ..learner })
    }
}

impl<E: Environment> Learner for QTable<E> {
    fn algorithm(&self) -> &'static str {
        "Q-table"
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
        Ok(Arc::new(self.table()))
    }

    fn checkpoint(&self) -> Result<Vec<u8>, LearnerError> {
        let kept = Kept { rollout: self.rollout.state(), updates: self.updates, loss: self.loss };
        let values: Vec<f32> = self.cells.values().flatten().copied().collect();
        let numbers = vec![("table.cells", Numbers::u64(self.cells.keys().copied())), ("table.values", Numbers::f32(&values))];
        checkpoint::write(self.environment(), LearnerConfig::QTable(self.config.clone()), &kept, numbers)
    }
}

/// A table of Q-values as a policy. In a cell never seen every action scores 0.
#[derive(Clone, Debug)]
pub struct QTablePolicy {
    description: PolicyDescription,
    bins: Vec<u8>,
    actions: usize,
    cells: Cells,
}

impl QTablePolicy {
    fn new(environment: &str, bins: Vec<u8>, actions: usize, cells: Cells) -> Self {
        let bytes =
            cells.iter().flat_map(|(cell, values)| cell.to_le_bytes().into_iter().chain(values.iter().flat_map(|v| v.to_le_bytes())));
        let description = PolicyDescription {
            algorithm: "Q-table".to_owned(),
            architecture: format!("{} cells of {bins:?}", cells.len()),
            environment: Some(environment.to_owned()),
            version: super::version_of(bytes),
        };
        Self { description, bins, actions, cells }
    }

    /// How many cells were seen.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }
}

impl Policy for QTablePolicy {
    fn description(&self) -> &PolicyDescription {
        &self.description
    }

    fn observation_len(&self) -> usize {
        self.bins.len()
    }

    fn action_count(&self) -> usize {
        self.actions
    }

    fn act(&self, observation: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError> {
        PolicyError::check_lens(self, observation, scores)?;
        match self.cells.get(&cell_of(&self.bins, observation)) {
            Some(values) => scores.copy_from_slice(values),
            None => scores.fill(0.0),
        }
        Ok(Decision { action: greedy(scores)?, scores: ScoreKind::QValues, value: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_fall_into_the_cells_of_their_bins_and_never_outside() {
        let bins = [2, 1, 4];
        assert_eq!(cell_of(&bins, &[-1.0, 0.0, -1.0]), 0);
        assert_eq!(cell_of(&bins, &[1.0, 0.0, 1.0]), 7);
        assert_eq!(cell_of(&bins, &[0.0, 5.0, 0.1]), 6);
        assert_eq!(cell_of(&bins, &[f32::NAN, -9.0, 9.0]), 3);
    }
}
