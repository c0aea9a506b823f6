use super::super::tensor::Numbers;
use super::super::{Environment, SplitMix64};
use super::LearnerError;
use super::checkpoint::Checkpoint;
use super::rollout::Rollout;

/// What was experienced, the last `capacity` transitions of it, in flat arrays.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    observation_len: usize,
    capacity: usize,
    observations: Vec<f32>,
    successors: Vec<f32>,
    actions: Vec<u8>,
    rewards: Vec<f32>,
    /// Whether the world ended there; where an episode was merely cut off it did not.
    terminated: Vec<u8>,
    /// Where the next transition goes.
    next: usize,
}

/// Transitions drawn for learning, row after row.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) observations: Vec<f32>,
    pub(super) successors: Vec<f32>,
    pub(super) actions: Vec<usize>,
    pub(super) rewards: Vec<f32>,
    pub(super) terminated: Vec<bool>,
}

impl Replay {
    pub(super) fn new(observation_len: usize, capacity: usize) -> Self {
        Self {
            observation_len,
            capacity,
            observations: Vec::new(),
            successors: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            terminated: Vec::new(),
            next: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.actions.len()
    }

    /// Remembers the last step of every environment; rewards are multiplied by `scale`.
    pub(super) fn remember<E: Environment>(&mut self, rollout: &Rollout<E>, scale: f32) {
        let len = self.observation_len;
        let rows = rollout.before.chunks_exact(len).zip(rollout.vector.successors().chunks_exact(len));
        for ((observation, successor), (action, step)) in rows.zip(rollout.actions.iter().zip(rollout.vector.steps())) {
            let (reward, terminated) = (step.reward as f32 * scale, u8::from(step.terminated));
            if self.len() < self.capacity {
                self.observations.extend_from_slice(observation);
                self.successors.extend_from_slice(successor);
                self.actions.push(*action as u8);
                self.rewards.push(reward);
                self.terminated.push(terminated);
            } else {
                let place = self.next * len..(self.next + 1) * len;
                self.observations[place.clone()].copy_from_slice(observation);
                self.successors[place].copy_from_slice(successor);
                self.actions[self.next] = *action as u8;
                self.rewards[self.next] = reward;
                self.terminated[self.next] = terminated;
            }
            self.next = (self.next + 1) % self.capacity;
        }
    }

    /// Draws `rows` transitions evenly, with repetition; there is at least one.
    pub(super) fn draw(&self, rows: usize, random: &mut SplitMix64, batch: &mut Batch) {
        batch.clear();
        for _ in 0..rows {
            self.take(random.below(self.len()), batch);
        }
    }

    /// All of them, oldest places first.
    pub(super) fn all(&self, batch: &mut Batch) {
        batch.clear();
        (0..self.len()).for_each(|place| self.take(place, batch));
    }

    fn take(&self, place: usize, batch: &mut Batch) {
        let row = place * self.observation_len..(place + 1) * self.observation_len;
        batch.observations.extend_from_slice(&self.observations[row.clone()]);
        batch.successors.extend_from_slice(&self.successors[row]);
        batch.actions.push(usize::from(self.actions[place]));
        batch.rewards.push(self.rewards[place]);
        batch.terminated.push(self.terminated[place] == 1);
    }

    /// The tensors of a checkpoint.
    pub(super) fn numbers(&self) -> Vec<(&'static str, Numbers)> {
        vec![
            ("replay.observations", Numbers::f32(&self.observations)),
            ("replay.successors", Numbers::f32(&self.successors)),
            ("replay.actions", Numbers::bytes(self.actions.clone())),
            ("replay.rewards", Numbers::f32(&self.rewards)),
            ("replay.terminated", Numbers::bytes(self.terminated.clone())),
            ("replay.next", Numbers::u64(std::iter::once(self.next as u64))),
        ]
    }

    pub(super) fn read(checkpoint: &Checkpoint<'_>, environment: &impl Environment, capacity: usize) -> Result<Self, LearnerError> {
        let observation_len = environment.observation_len();
        let actions = checkpoint.bytes("replay.actions", safetensors::Dtype::U8)?.to_vec();
        let terminated = checkpoint.bytes("replay.terminated", safetensors::Dtype::U8)?.to_vec();
        let count = actions.len();
        let next = checkpoint.u64("replay.next")?.first().map_or(usize::MAX, |next| *next as usize);
        let known = |action: &u8| usize::from(*action) < environment.action_count();
        if count > capacity || terminated.len() != count || next >= capacity || !actions.iter().all(known) {
            return Err(LearnerError::Checkpoint("its replay buffer does not fit its settings".to_owned()));
        }
        Ok(Self {
            observation_len,
            capacity,
            observations: checkpoint.f32("replay.observations", count * observation_len)?,
            successors: checkpoint.f32("replay.successors", count * observation_len)?,
            rewards: checkpoint.f32("replay.rewards", count)?,
            actions,
            terminated,
            next,
        })
    }
}

impl Batch {
    fn clear(&mut self) {
        self.observations.clear();
        self.successors.clear();
        self.actions.clear();
        self.rewards.clear();
        self.terminated.clear();
    }
}
