//! Collision avoidance between connected vehicles: the agent advises a driver whose car closes in on another.
//!
//! The agent knows a [`Situation`] of eight values and gives one of five pieces of [`Advice`] four times
//! a second for at most 30 s. The world is deliberately hard on it: the driver does nothing by
//! himself but hold his speed, follows new advice only after his reaction time (long where he is
//! distracted), brakes no harder than the road allows ([`physics`]: mu g by weather), and is asked
//! to change lanes without the agent seeing who is beside him; an attentive driver looks and
//! refuses. Traffic around follows the intelligent driver model.
//!
//! The reward is what a safety engineer weighs: a collision costs 100 to 200 by impact speed and ends the
//! episode; time to collision under 1.5 s and a needed deceleration above 3.35 m/s² cost by the second (the usual
//! thresholds of the surrogate measures); harsh braking, needless lane changes and creeping cost
//! little, so that standing still for ever is no way out.

mod baseline;
mod conditions;
mod motion;
pub mod physics;
mod reward;
mod scenario;
mod situation;
mod state;
#[cfg(test)]
mod tests;
mod traffic;

use super::{Environment, EnvironmentError, SplitMix64, Step};
pub use baseline::RuleBaseline;
pub use conditions::{Road, Weather};
pub use motion::{Advice, MAX_STEPS, STEP_S};
pub use scenario::Scenario;
pub use situation::{OBSERVATION_LEN, OBSERVATION_NAMES, SIGHT_M, Situation};
pub use state::State;
pub use traffic::{MAX_VEHICLES, Plan, VEHICLE_LENGTH_M, Vehicle};

/// The names of the actions, in order.
pub const ACTION_NAMES: [&str; 5] = ["maintain", "decelerate", "hard_brake", "change_left", "change_right"];

/// A conflict on the road, somewhere in an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Avoidance {
    state: State,
}

impl Avoidance {
    /// A road that waits for its first reset.
    pub fn new() -> Self {
        let scenario = Scenario::draw(&mut SplitMix64::new(0));
        Self { state: State { over: true, ..State::beginning(scenario) } }
    }

    /// The situation the agent is in, in units.
    pub fn situation(&self) -> Situation {
        self.state.situation()
    }

    /// The present state, without a copy.
    pub fn present(&self) -> &State {
        &self.state
    }

    /// The collision that ended the episode: its impact speed in m/s.
    pub fn impact_mps(&self) -> Option<f64> {
        self.state.impact_mps
    }
}

impl Default for Avoidance {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment for Avoidance {
    type Layout = Scenario;
    type State = State;

    fn name(&self) -> &'static str {
        "avoidance"
    }

    fn observation_len(&self) -> usize {
        OBSERVATION_LEN
    }

    fn observation_names(&self) -> &'static [&'static str] {
        &OBSERVATION_NAMES
    }

    fn action_names(&self) -> &'static [&'static str] {
        &ACTION_NAMES
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        let scenario = Scenario::draw(&mut SplitMix64::new(seed));
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        self.state = State::beginning(scenario);
        self.observe(observation)
    }

    fn reset_to(&mut self, scenario: &Scenario, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        scenario.check().map_err(EnvironmentError::Layout)?;
        self.state = State::beginning(*scenario);
        self.observe(observation)
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, EnvironmentError> {
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        let advice = Advice::from_index(action).ok_or(EnvironmentError::ActionOutOfRange { action, count: ACTION_NAMES.len() })?;
        if self.state.over {
            return Err(EnvironmentError::EpisodeOver);
        }
        let told = motion::advance(&mut self.state, advice);
        let terminated = self.state.impact_mps.is_some();
        let truncated = !terminated && self.state.step_count >= MAX_STEPS;
        self.state.over = terminated || truncated;
        self.observe(observation)?;
        Ok(Step { reward: reward::of(&self.state, told), terminated, truncated })
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        observation.copy_from_slice(&self.situation().observation());
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.state.over
    }

    fn state(&self) -> State {
        self.state
    }

    fn restore(&mut self, state: &State, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        state.check()?;
        self.state = *state;
        self.observe(observation)
    }
}
