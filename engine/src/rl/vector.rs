use serde::{Deserialize, Serialize};

use super::{Environment, EnvironmentError, SplitMix64, Step};

/// Many copies of an environment, stepped together; one that ends begins its next episode by itself.
///
/// Everything follows from one seed: the n-th copy's episodes are named by its own stream of seeds, so a
/// copy plays the same episodes however many others there are.
#[derive(Clone, Debug)]
pub struct VectorEnvironment<E: Environment> {
    environments: Vec<E>,
    seeds: Vec<SplitMix64>,
    observation_len: usize,
    /// What is seen now, one row per copy.
    observations: Vec<f32>,
    /// What the step led to: the same, save where an episode ended, where it is the last observation of that one.
    successors: Vec<f32>,
    steps: Vec<Step>,
    /// Return and length of the running episodes.
    running: Vec<(f64, u32)>,
    finished: Vec<Episode>,
}

/// An episode that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The sum of its rewards.
    pub total_reward: f64,
    /// Its steps.
    pub steps: u32,
    /// The best return its layout allowed, where that is known.
    pub best_return: Option<f64>,
}

impl Episode {
    /// Whether nothing better was possible; `None` where that is not known.
    pub fn is_optimal(&self) -> Option<bool> {
        self.best_return.map(|best| self.total_reward >= best - 1e-9)
    }
}

/// What must be kept to go on with a [`VectorEnvironment`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorState<S> {
    environments: Vec<S>,
    seeds: Vec<SplitMix64>,
    running: Vec<(f64, u32)>,
}

impl<E: Environment> VectorEnvironment<E> {
    /// `count` copies (at least one) of `environment`, each at the beginning of its first episode.
    pub fn new(environment: &E, count: usize, seed: u64) -> Result<Self, EnvironmentError> {
        let count = count.max(1);
        let observation_len = environment.observation_len();
        let mut vector = Self {
            environments: vec![environment.clone(); count],
            seeds: (0..count as u64).map(|index| SplitMix64::stream(seed, index)).collect(),
            observation_len,
            observations: vec![0.0; count * observation_len],
            successors: vec![0.0; count * observation_len],
            steps: vec![Step::default(); count],
            running: vec![(0.0, 0); count],
            finished: Vec::new(),
        };
        for ((environment, seeds), row) in vector.rows() {
            environment.reset(seeds.next_u64(), row)?;
        }
        Ok(vector)
    }

    fn rows(&mut self) -> impl Iterator<Item = ((&mut E, &mut SplitMix64), &mut [f32])> {
        self.environments.iter_mut().zip(&mut self.seeds).zip(self.observations.chunks_exact_mut(self.observation_len))
    }

    /// How many copies there are.
    pub fn count(&self) -> usize {
        self.environments.len()
    }

    /// The copies.
    pub fn environments(&self) -> &[E] {
        &self.environments
    }

    /// What each copy sees now, row after row.
    pub fn observations(&self) -> &[f32] {
        &self.observations
    }

    /// What each copy's last step led to: differs from [`observations`](Self::observations) only where an episode
    /// ended.
    pub fn successors(&self) -> &[f32] {
        &self.successors
    }

    /// What each copy's last step brought.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Takes the episodes that have ended since the last call.
    pub fn drain_finished(&mut self) -> std::vec::Drain<'_, Episode> {
        self.finished.drain(..)
    }

    /// Acts once in every copy: `actions` has one for each. On an error (an action out of range) the copies
    /// before the wrong one have moved.
    pub fn step(&mut self, actions: &[usize]) -> Result<(), EnvironmentError> {
        if actions.len() != self.environments.len() {
            return Err(EnvironmentError::ActionCount { expected: self.environments.len(), got: actions.len() });
        }
        let len = self.observation_len;
        for (index, (environment, action)) in self.environments.iter_mut().zip(actions).enumerate() {
            let row = index * len..(index + 1) * len;
            let successor = &mut self.successors[row.clone()];
            let step = environment.step(*action, successor)?;
            self.steps[index] = step;
            let running = &mut self.running[index];
            running.0 += step.reward;
            running.1 += 1;
            if step.is_last() {
                let (total_reward, steps) = std::mem::take(running);
                self.finished.push(Episode { total_reward, steps, best_return: environment.best_return() });
                environment.reset(self.seeds[index].next_u64(), &mut self.observations[row])?;
            } else {
                self.observations[row].copy_from_slice(successor);
            }
        }
        Ok(())
    }

    /// What must be kept to go on later.
    pub fn state(&self) -> VectorState<E::State> {
        VectorState {
            environments: self.environments.iter().map(Environment::state).collect(),
            seeds: self.seeds.clone(),
            running: self.running.clone(),
        }
    }

    /// Goes on from a kept state, with as many copies as it had. Episodes not yet drained are forgotten.
    pub fn restore(&mut self, state: &VectorState<E::State>) -> Result<(), EnvironmentError> {
        let count = state.environments.len();
        if count == 0 || state.seeds.len() != count || state.running.len() != count {
            return Err(EnvironmentError::State("its lists differ in length".to_owned()));
        }
        let mut restored = Self::new(&self.environments[0], count, 0)?;
        for (((environment, _), row), state) in restored.rows().zip(&state.environments) {
            environment.restore(state, row)?;
        }
        restored.seeds.clone_from(&state.seeds);
        restored.running.clone_from(&state.running);
        *self = restored;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::daladala::Daladala;

    fn play(count: usize, steps: usize) -> (VectorEnvironment<Daladala>, Vec<Episode>) {
        let mut vector = VectorEnvironment::new(&Daladala::new(), count, 5).unwrap();
        let mut finished = Vec::new();
        for step in 0..steps {
            vector.step(&vec![step % 5; count]).unwrap();
            finished.extend(vector.drain_finished());
        }
        (vector, finished)
    }

    #[test]
    fn a_copy_plays_the_same_whatever_is_beside_it() {
        let (few, _) = play(2, 100);
        let (many, _) = play(7, 100);
        assert_eq!(few.observations(), &many.observations()[..2 * 14]);
        assert_ne!(few.observations()[..14], few.observations()[14..]);
    }

    #[test]
    fn ended_episodes_are_told_and_begin_again() {
        let (vector, finished) = play(3, 29 * 4);
        assert_eq!(finished.len(), 12);
        assert!(finished.iter().all(|episode| episode.steps == 29 && episode.is_optimal() == Some(false)));
        // The last step ended an episode everywhere: its last observation is kept, the new one's is shown.
        assert!(vector.steps().iter().all(|step| step.terminated));
        assert_ne!(vector.observations(), vector.successors());
        assert_eq!((vector.observations()[13], vector.environments()[0].position()), (-1.0, 0));
    }

    #[test]
    fn a_restored_vector_goes_on_the_same() {
        let (mut first, _) = play(3, 40);
        let text = serde_json::to_string(&first.state()).unwrap();
        let mut second = VectorEnvironment::new(&Daladala::new(), 1, 99).unwrap();
        second.restore(&serde_json::from_str(&text).unwrap()).unwrap();
        for _ in 0..60 {
            first.step(&[1, 3, 0]).unwrap();
            second.step(&[1, 3, 0]).unwrap();
            assert_eq!(first.observations(), second.observations());
            assert!(first.drain_finished().eq(second.drain_finished()));
        }
    }

    #[test]
    fn wrong_numbers_of_actions_are_refused() {
        let (mut vector, _) = play(2, 1);
        assert_eq!(vector.step(&[0]), Err(EnvironmentError::ActionCount { expected: 2, got: 1 }));
    }
}
