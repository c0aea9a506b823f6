//! A policy that was trained somewhere: what it is, and what it thinks of an observation.

use std::{cell::RefCell, fmt::Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    super::{Decision, Policy, PolicyDescription, PolicyError, ScoreKind, greedy},
    LoadError, Mlp, Scratch,
};

thread_local! {
    /// Space for the layers between: one for each thread serves every policy on it.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How a policy was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Deep Q-network.
    Dqn,
    /// Proximal policy optimisation.
    Ppo,
    /// Advantage actor-critic.
    A2c,
    /// Monte-Carlo policy gradient.
    Reinforce,
    /// The file does not say (ONNX).
    Unknown,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Dqn, Self::Ppo, Self::A2c, Self::Reinforce, Self::Unknown];

    /// `DQN`, `PPO`, `A2C`, `REINFORCE`, `UNKNOWN`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dqn => "DQN",
            Self::Ppo => "PPO",
            Self::A2c => "A2C",
            Self::Reinforce => "REINFORCE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The algorithm of that name, in capitals or not.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }
}

/// What the numbers of a policy's last layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Expected return of each action.
    QValues,
    /// Logarithms of probabilities, up to a constant.
    Logits,
}

impl Head {
    /// `q_values` or `logits`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QValues => "q_values",
            Self::Logits => "logits",
        }
    }
}

/// A policy read from a file. It does not change: one serves any number of agents.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedPolicy {
    algorithm: Algorithm,
    head: Head,
    actor: Mlp,
    critic: Option<Mlp>,
    description: PolicyDescription,
}

impl TrainedPolicy {
    /// The policy that `actor` plays; `critic` tells the value of a state, where there is one.
    pub fn new(algorithm: Algorithm, head: Head, actor: Mlp, critic: Option<Mlp>) -> Self {
        let description = PolicyDescription {
            algorithm: algorithm.name().to_owned(),
            architecture: actor.architecture(),
            environment: None,
            version: version(&actor, critic.as_ref()),
        };
        Self { algorithm, head, actor, critic, description }
    }

    /// The same policy, known to be trained in this environment.
    #[must_use]
    pub fn trained_in(mut self, environment: &str) -> Self {
        self.description.environment = Some(environment.to_owned());
        self
    }

    /// How it was trained.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What its scores are.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The network that scores actions.
    pub const fn actor(&self) -> &Mlp {
        &self.actor
    }

    /// The network that values states.
    pub const fn critic(&self) -> Option<&Mlp> {
        self.critic.as_ref()
    }

    /// How many numbers an observation has.
    pub fn observations(&self) -> usize {
        self.actor.inputs()
    }

    /// How many actions it chooses from.
    pub fn actions(&self) -> usize {
        self.actor.outputs()
    }

    /// Whether it fits an environment.
    pub fn fits(&self, observations: usize, actions: usize) -> Result<(), LoadError> {
        for (what, found, expected) in [("observations", self.observations(), observations), ("actions", self.actions(), actions)] {
            if found != expected {
                return Err(LoadError::WrongEnvironment { what, found, expected });
            }
        }
        Ok(())
    }

    /// The numbers of the last layer: Q-values or logits, as [`TrainedPolicy::head`] says.
    pub fn raw_scores<'s>(&self, observation: &[f32], scratch: &'s mut Scratch) -> &'s [f32] {
        self.actor.forward(observation, scratch)
    }
}

impl Policy for TrainedPolicy {
    fn description(&self) -> &PolicyDescription {
        &self.description
    }

    fn observation_len(&self) -> usize {
        self.observations()
    }

    fn action_count(&self) -> usize {
        self.actions()
    }

    fn act(&self, observation: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError> {
        PolicyError::check_lens(self, observation, scores)?;
        SCRATCH.with_borrow_mut(|scratch| {
            scores.copy_from_slice(self.actor.forward(observation, scratch));
            // Before the softmax: far logits become equal probabilities.
            let action = greedy(scores)?;
            let kind = match self.head {
                Head::QValues => ScoreKind::QValues,
                Head::Logits => {
                    softmax(scores);
                    ScoreKind::Probabilities
                }
            };
            let value = self.critic.as_ref().and_then(|critic| critic.forward(observation, scratch).first().copied());
            if value.is_some_and(f32::is_nan) || scores.iter().any(|s| s.is_nan()) {
                return Err(PolicyError::NotANumber);
            }
            Ok(Decision { action, scores: kind, value })
        })
    }

    fn act_batch(&self, observations: &[f32], scores: &mut [f32], decisions: &mut [Decision]) -> Result<(), PolicyError> {
        let rows = decisions.len();
        let (expected, got) = (rows * self.observations(), observations.len());
        if expected != got {
            return Err(PolicyError::ObservationLength { expected, got });
        }
        let (expected, got) = (rows * self.actions(), scores.len());
        if expected != got {
            return Err(PolicyError::ScoresLength { expected, got });
        }
        SCRATCH.with_borrow_mut(|scratch| {
            scores.copy_from_slice(self.actor.forward_batch(observations, scratch));
            for (decision, scores) in decisions.iter_mut().zip(scores.chunks_exact_mut(self.actions())) {
                let action = greedy(scores)?;
                let scores = match self.head {
                    Head::QValues => ScoreKind::QValues,
                    Head::Logits => {
                        softmax(scores);
                        ScoreKind::Probabilities
                    }
                };
                *decision = Decision { action, scores, value: None };
            }
            if let Some(critic) = &self.critic {
                for (decision, value) in decisions.iter_mut().zip(critic.forward_batch(observations, scratch)) {
                    decision.value = Some(*value);
                }
            }
            if decisions.iter().any(|decision| decision.value.is_some_and(f32::is_nan)) || scores.iter().any(|score| score.is_nan()) {
                return Err(PolicyError::NotANumber);
            }
            Ok(())
        })
    }
}

/// The first 16 hexadecimal digits of a hash of the weights.
fn version(actor: &Mlp, critic: Option<&Mlp>) -> String {
    let mut hash = Sha256::new();
    for network in std::iter::once(actor).chain(critic) {
        hash.update(network.architecture());
        for layer in network.layers() {
            for number in layer.weights.iter().chain(&layer.bias) {
                hash.update(number.to_le_bytes());
            }
        }
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Turns logits into probabilities.
pub fn softmax(logits: &mut [f32]) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = (*logit - highest).exp();
        sum += *logit;
    }
    for p in logits {
        *p /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{SplitMix64, network::Network};
    use super::*;

    #[test]
    fn a_batch_gives_what_its_rows_give_apart() {
        let net = |outputs| {
            let network = Network::new(&[3, 9, 6, outputs], &mut SplitMix64::new(outputs as u64)).unwrap();
            network.to_policy(Algorithm::Dqn).unwrap().actor().clone()
        };
        let mut random = SplitMix64::new(3);
        let observations: Vec<f32> = (0..21).map(|_| random.range(-1.0, 1.0) as f32).collect();
        for policy in [
            TrainedPolicy::new(Algorithm::Dqn, Head::QValues, net(4), None),
            TrainedPolicy::new(Algorithm::Ppo, Head::Logits, net(4), Some(net(1))),
        ] {
            let (mut together, mut decisions) = ([0.0; 28], [Decision::default(); 7]);
            policy.act_batch(&observations, &mut together, &mut decisions).unwrap();
            for (row, decision) in decisions.iter().enumerate() {
                let mut alone = [0.0; 4];
                let expected = policy.act(&observations[row * 3..row * 3 + 3], &mut alone).unwrap();
                assert_eq!((decision.action, decision.scores), (expected.action, expected.scores));
                let far = |a: f32, b: f32| (a - b).abs() > 1e-5;
                assert!(!alone.iter().zip(&together[row * 4..]).any(|(a, b)| far(*a, *b)));
                assert_eq!(decision.value.is_some(), expected.value.is_some());
                assert!(!far(decision.value.unwrap_or(0.0), expected.value.unwrap_or(0.0)));
            }
        }
    }

    #[test]
    fn probabilities_of_far_logits_neither_overflow_nor_vanish() {
        let mut logits = [1000.0, 0.0, 1000.0];
        softmax(&mut logits);
        assert_eq!(logits, [0.5, 0.0, 0.5]);
    }
}
