use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// A world that an agent acts in, one action at a time.
///
/// The observation is written into the caller's buffer, so neither [`reset`](Self::reset) nor
/// [`step`](Self::step) allocates. The same seed and the same actions give the same episode.
///
/// ```
/// use slipstream_engine::rl::{Environment, daladala::Daladala};
///
/// let mut bus = Daladala::new();
/// let mut observation = vec![0.0; bus.observation_len()];
/// bus.reset(7, &mut observation).unwrap();
/// let mut total = 0.0;
/// loop {
///     let step = bus.step(0, &mut observation).unwrap();
///     total += step.reward;
///     if step.is_last() {
///         break;
///     }
/// }
/// // An episode that outlives its process: save the state, restore it elsewhere.
/// let state = bus.state();
/// let mut again = Daladala::new();
/// again.restore(&state, &mut observation).unwrap();
/// assert_eq!(again.state(), state);
/// ```
pub trait Environment: Clone + Send + 'static {
    /// What a seed would have drawn: the part of an episode that is given before its first step.
    type Layout: Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static;
    /// Everything that makes the rest of an episode: an environment restored from it goes on exactly
    /// as the one it was taken from.
    type State: Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static;

    /// The environment's name, as in commands and files: `daladala`.
    fn name(&self) -> &'static str;

    /// How many values an observation has.
    fn observation_len(&self) -> usize;

    /// What each value of an observation is, in order.
    fn observation_names(&self) -> &'static [&'static str];

    /// What each action does, in order: action 0 is the first.
    fn action_names(&self) -> &'static [&'static str];

    /// How many actions there are.
    fn action_count(&self) -> usize {
        self.action_names().len()
    }

    /// Begins the episode that `seed` names, and writes its first observation.
    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvironmentError>;

    /// Begins an episode with a given layout, and writes its first observation.
    fn reset_to(&mut self, layout: &Self::Layout, observation: &mut [f32]) -> Result<(), EnvironmentError>;

    /// Acts once and writes the observation that follows. On an error nothing has changed.
    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, EnvironmentError>;

    /// Writes the observation of the present state.
    fn observe(&self, observation: &mut [f32]) -> Result<(), EnvironmentError>;

    /// Whether the episode has ended: the next call must be a reset.
    fn is_over(&self) -> bool;

    /// The present state, to be kept for [`restore`](Self::restore).
    fn state(&self) -> Self::State;

    /// Goes on from a kept state, and writes its observation. A state that cannot occur is refused
    /// and changes nothing.
    fn restore(&mut self, state: &Self::State, observation: &mut [f32]) -> Result<(), EnvironmentError>;

    /// The best return the present episode's layout allows, where that is known.
    fn best_return(&self) -> Option<f64> {
        None
    }
}

/// What one action brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// The reward, in the environment's own unit.
    pub reward: f64,
    /// The episode ended in the world's own terms: arrived, crashed.
    pub terminated: bool,
    /// The episode was cut off at its longest allowed length; the state has a future nonetheless, and
    /// a learner may look into it.
    pub truncated: bool,
}

impl Step {
    /// Whether the episode is over, for either reason.
    pub fn is_last(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// Why an environment would not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// There is no such action.
    #[error("action {action} does not exist: actions are 0 to {}", .count.saturating_sub(1))]
    ActionOutOfRange {
        /// The action asked for.
        action: usize,
        /// How many there are.
        count: usize,
    },
    /// A step after the last, or before the first reset.
    #[error("the episode is over: reset the environment")]
    EpisodeOver,
    /// The caller's buffer does not fit the observation.
    #[error("the observation has {expected} values, the buffer {got}")]
    ObservationLength {
        /// Values in an observation.
        expected: usize,
        /// Values in the buffer.
        got: usize,
    },
    /// Another number of actions than environments.
    #[error("{expected} environments step together, {got} actions were given")]
    ActionCount {
        /// Environments.
        expected: usize,
        /// Actions given.
        got: usize,
    },
    /// A layout that cannot be.
    #[error("impossible layout: {0}")]
    Layout(String),
    /// A state that cannot be.
    #[error("impossible state: {0}")]
    State(String),
    /// There is no environment of this name.
    #[error("no environment is called {0:?}: there are daladala and avoidance")]
    UnknownEnvironment(String),
}

impl EnvironmentError {
    /// Whether the same call could succeed later: only after a reset, so never by itself.
    pub fn is_retryable(&self) -> bool {
        false
    }

    /// Refuses a buffer of another length than `expected`.
    pub(crate) fn check_len(expected: usize, observation: &[f32]) -> Result<(), Self> {
        if observation.len() == expected { Ok(()) } else { Err(Self::ObservationLength { expected, got: observation.len() }) }
    }
}
