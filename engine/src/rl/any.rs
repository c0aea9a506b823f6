use serde::{Deserialize, Serialize};

use super::avoidance::{self, Avoidance};
use super::daladala::{self, Daladala};
use super::{Environment, EnvironmentError, Step};

/// The environments there are, for whoever chooses one by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentKind {
    /// [`Daladala`].
    Daladala,
    /// [`Avoidance`].
    Avoidance,
}

impl EnvironmentKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Daladala, Self::Avoidance];

    /// Its name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Daladala => "daladala",
            Self::Avoidance => "avoidance",
        }
    }

    /// A new environment, waiting for its first reset.
    pub fn environment(self) -> AnyEnvironment {
        match self {
            Self::Daladala => AnyEnvironment::Daladala(Daladala::new()),
            Self::Avoidance => AnyEnvironment::Avoidance(Avoidance::new()),
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
#[expect(clippy::large_enum_variant, reason = "one per agent, seldom moved: a box would cost more than it saves")]
#[derive(Clone, Debug)]
pub enum AnyEnvironment {
    /// The bus.
    Daladala(Daladala),
    /// The conflict on the road.
    Avoidance(Avoidance),
}

/// A layout of one of the environments.
#[expect(clippy::large_enum_variant, reason = "one per agent, seldom moved: a box would cost more than it saves")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "environment", content = "layout", rename_all = "snake_case")]
pub enum AnyLayout {
    /// Of the bus.
    Daladala(daladala::Layout),
    /// Of the conflict on the road.
    Avoidance(avoidance::Scenario),
}

/// A state of one of the environments.
#[expect(clippy::large_enum_variant, reason = "one per agent, seldom moved: a box would cost more than it saves")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "environment", content = "state", rename_all = "snake_case")]
pub enum AnyState {
    /// Of the bus.
    Daladala(daladala::State),
    /// Of the conflict on the road.
    Avoidance(avoidance::State),
}

impl AnyState {
    /// The kind of environment this is a state of.
    pub fn kind(&self) -> EnvironmentKind {
        match self {
            Self::Daladala(_) => EnvironmentKind::Daladala,
            Self::Avoidance(_) => EnvironmentKind::Avoidance,
        }
    }
}

/// Calls the same method on whichever environment it is.
macro_rules! each {
    ($any:expr, $environment:ident => $call:expr) => {
        match $any {
            AnyEnvironment::Daladala($environment) => $call,
            AnyEnvironment::Avoidance($environment) => $call,
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
            (Self::Avoidance(environment), AnyLayout::Avoidance(layout)) => environment.reset_to(layout, observation),
            _ => Err(EnvironmentError::Layout("it is another environment's".to_owned())),
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
            Self::Avoidance(environment) => AnyState::Avoidance(environment.state()),
        }
    }

    fn restore(&mut self, state: &AnyState, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        match (self, state) {
            (Self::Daladala(environment), AnyState::Daladala(state)) => environment.restore(state, observation),
            (Self::Avoidance(environment), AnyState::Avoidance(state)) => environment.restore(state, observation),
            _ => Err(EnvironmentError::State("it is another environment's".to_owned())),
        }
    }

    fn best_return(&self) -> Option<f64> {
        each!(self, environment => environment.best_return())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_is_found_by_its_name_and_plays_from_its_serialised_state() {
        for kind in EnvironmentKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            let mut first = kind.environment();
            assert_eq!(first.name(), kind.name());
            let mut observation = vec![0.0; first.observation_len()];
            assert_eq!(first.observation_names().len(), observation.len());
            first.reset(3, &mut observation).unwrap();
            first.step(1, &mut observation).unwrap();
            let text = serde_json::to_string(&first.state()).unwrap();
            let state: AnyState = serde_json::from_str(&text).unwrap();
            assert_eq!(state.kind(), kind);
            let mut second = kind.environment();
            let mut restored = vec![0.0; observation.len()];
            second.restore(&state, &mut restored).unwrap();
            assert_eq!((second.state(), restored), (state, observation));
        }
        assert!("chess".parse::<EnvironmentKind>().is_err());
    }

    #[test]
    fn a_state_of_another_environment_is_refused() {
        let (mut bus, road) = (EnvironmentKind::Daladala.environment(), EnvironmentKind::Avoidance.environment());
        assert!(matches!(bus.restore(&road.state(), &mut [0.0; 14]), Err(EnvironmentError::State(_))));
    }
}
