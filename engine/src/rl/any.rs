use serde::{Deserialize, Serialize};

use super::daladala::{self, Daladala};
use super::{Environment, EnvironmentError, Step};

/// The environments there are, for whoever chooses one by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentKind {
    /// [`Daladala`].
    Daladala,
}

impl EnvironmentKind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::Daladala];

    /// Its name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Daladala => "daladala",
        }
    }

    /// A new environment, waiting for its first reset.
    pub fn environment(self) -> AnyEnvironment {
        match self {
            Self::Daladala => AnyEnvironment::Daladala(Daladala::new()),
        }
    }
}

impl std::str::FromStr for EnvironmentKind {
    type Err = EnvironmentError;

    fn from_str(name: &str) -> Result<Self, EnvironmentError> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| EnvironmentError::UnknownEnvironment(name.to_owned()))
    }
}

/// One of the environments, chosen while the program runs; where the type is known beforehand, use it
/// directly.
#[derive(Clone, Debug)]
pub enum AnyEnvironment {
    /// The bus.
    Daladala(Daladala),
}

/// A layout of one of the environments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "environment", content = "layout", rename_all = "snake_case")]
pub enum AnyLayout {
    /// Of the bus.
    Daladala(daladala::Layout),
}

/// A state of one of the environments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "environment", content = "state", rename_all = "snake_case")]
pub enum AnyState {
    /// Of the bus.
    Daladala(daladala::State),
}

impl AnyState {
    /// The kind of environment this is a state of.
    pub fn kind(&self) -> EnvironmentKind {
        match self {
            Self::Daladala(_) => EnvironmentKind::Daladala,
        }
    }
}

/// Calls the same method on whichever environment it is.
macro_rules! each {
    ($any:expr, $environment:ident => $call:expr) => {
        match $any {
            AnyEnvironment::Daladala($environment) => $call,
        }
    };
}

impl Environment for AnyEnvironment {
    type Layout = AnyLayout;
    type State = AnyState;

    fn name(&self) -> &'static str {
        each!(self, environment => environment.name())
    }

    fn observation_len(&self) -> usize {
        each!(self, environment => environment.observation_len())
    }

    fn observation_names(&self) -> &'static [&'static str] {
        each!(self, environment => environment.observation_names())
    }

    fn action_names(&self) -> &'static [&'static str] {
        each!(self, environment => environment.action_names())
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        each!(self, environment => environment.reset(seed, observation))
    }

    fn reset_to(&mut self, layout: &AnyLayout, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        match (self, layout) {
            (Self::Daladala(environment), AnyLayout::Daladala(layout)) => environment.reset_to(layout, observation),
        }
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, EnvironmentError> {
        each!(self, environment => environment.step(action, observation))
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        each!(self, environment => environment.observe(observation))
    }

    fn is_over(&self) -> bool {
        each!(self, environment => environment.is_over())
    }

    fn state(&self) -> AnyState {
        match self {
            Self::Daladala(environment) => AnyState::Daladala(environment.state()),
        }
    }

    fn restore(&mut self, state: &AnyState, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        match (self, state) {
            (Self::Daladala(environment), AnyState::Daladala(state)) => environment.restore(state, observation),
        }
    }

    fn best_return(&self) -> Option<f64> {
        each!(self, environment => environment.best_return())
    }
}
