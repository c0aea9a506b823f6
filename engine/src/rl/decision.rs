use thiserror::Error;

/// A way to choose an action from an observation.
///
/// Policies are immutable, so that one loaded model serves any number of agents (`Arc<dyn Policy>`),
/// and hold no randomness: [`Decision::action`] is the best-scored action; a caller who wants to
/// explore draws from the scores with its own generator. NaN never leaves a policy: it is an error.
pub trait Policy: Send + Sync {
    /// What this policy is, for publications and comparisons.
    fn description(&self) -> &PolicyDescription;

    /// How many values an observation must have.
    fn observation_len(&self) -> usize;

    /// How many actions it scores.
    fn action_count(&self) -> usize;

    /// Scores every action into `scores` (one place per action) and chooses the best; of equals the
    /// first.
    fn act(&self, observation: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError>;

    /// [`act`](Self::act) for many observations, one after the other in `observations`, with as many
    /// rows of `scores` and as many `decisions`. Networks override it: a batch costs less than its
    /// rows apart.
    fn act_batch(&self, observations: &[f32], scores: &mut [f32], decisions: &mut [Decision]) -> Result<(), PolicyError> {
        let rows = observations.chunks(self.observation_len()).zip(scores.chunks_mut(self.action_count()));
        for (decision, (observation, scores)) in decisions.iter_mut().zip(rows) {
            *decision = self.act(observation, scores)?;
        }
        Ok(())
    }
}

/// A choice; the scores behind it are in the buffer that was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The best-scored action.
    pub action: usize,
    /// What the scores are.
    pub scores: ScoreKind,
    /// What the policy thinks the state is worth, where it has an opinion (the critic of PPO and A2C).
    pub value: Option<f32>,
}

impl Default for Decision {
    fn default() -> Self {
        Self { action: 0, scores: ScoreKind::QValues, value: None }
    }
}

/// What a policy's scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// The expected discounted return of each action.
    QValues,
    /// The probability of each action; they sum to one.
    Probabilities,
}

/// What a policy is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PolicyDescription {
    /// How it was made: `DQN`, `PPO`, `Q-table`, `rules`.
    pub algorithm: String,
    /// Its shape, for a reader: `14-64-64-5 relu`.
    pub architecture: String,
    /// The environment it was trained in, where that is known.
    pub environment: Option<String>,
    /// Tells this policy from every other: by convention the first 16 hexadecimal digits of a hash
    /// of its weights, or a rule set's name and number.
    pub version: String,
}

/// Why a policy gave no action.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// An observation of another environment.
    #[error("the policy takes {expected} values, the observation has {got}")]
    ObservationLength {
        /// Values the policy takes.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// A score buffer of the wrong length.
    #[error("the policy scores {expected} actions, the buffer has {got} places")]
    ScoresLength {
        /// Actions scored.
        expected: usize,
        /// Places given.
        got: usize,
    },
    /// A score that is not a number: the weights or the observation are broken.
    #[error("the policy's scores are not numbers: its weights or the observation are broken")]
    NotANumber,
    /// Whoever asked gave it only so much time.
    #[error("the policy had no time left: ask for fewer episodes, or for fewer policies at once")]
    OutOfTime,
}

impl PolicyError {
    /// Whether the same call could succeed later: never.
    pub fn is_retryable(&self) -> bool {
        false
    }

    /// Refuses buffers that do not fit the policy.
    pub fn check_lens(policy: &(impl Policy + ?Sized), observation: &[f32], scores: &[f32]) -> Result<(), Self> {
        if observation.len() != policy.observation_len() {
            return Err(Self::ObservationLength { expected: policy.observation_len(), got: observation.len() });
        }
        if scores.len() != policy.action_count() {
            return Err(Self::ScoresLength { expected: policy.action_count(), got: scores.len() });
        }
        Ok(())
    }
}

/// The place of the highest score, the first of equals; an error where one is not a number.
pub fn greedy(scores: &[f32]) -> Result<usize, PolicyError> {
    let mut best = 0;
    for (action, score) in scores.iter().enumerate() {
        if score.is_nan() {
            return Err(PolicyError::NotANumber);
        }
        if *score > scores[best] {
            best = action;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_scores_is_chosen_and_nan_never() {
        assert_eq!(greedy(&[1.0, 3.0, 3.0]), Ok(1));
        assert_eq!(greedy(&[1.0, f32::NAN]), Err(PolicyError::NotANumber));
        assert_eq!(greedy(&[f32::NAN, 1.0]), Err(PolicyError::NotANumber));
        assert_eq!(greedy(&[f32::NEG_INFINITY, -5.0]), Ok(1));
    }
}
