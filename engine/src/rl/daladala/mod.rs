//! The bus of the Ubungo-Posta route (a daladala), exactly as its rules have it: 29 cells along two
//! sides of a 15 x 15 grid, four busy stops, three police checkpoints and four traffic lights.
//!
//! ```
//! use slipstream_engine::rl::{Environment, daladala::{Action, Daladala}};
//!
//! let mut bus = Daladala::new();
//! let mut observation = [0.0; 14];
//! bus.reset(42, &mut observation).unwrap();
//! let step = bus.step(Action::Move as usize, &mut observation).unwrap();
//! assert_eq!((bus.position(), step.is_last()), (1, false));
//! ```

mod layout;
mod observation;
mod route;
mod rules;
mod state;
#[cfg(test)]
mod tests;

use super::{Environment, EnvironmentError, SplitMix64, Step};
pub use layout::Layout;
pub use observation::{OBSERVATION_LEN, OBSERVATION_NAMES};
pub use route::{Cell, GRID, ROUTE_LEN, STOP_POSITIONS, STOPS};
pub use rules::{Action, CAPACITY, LEGAL_PASSENGERS, MAX_STEPS, RECKLESS_PASSENGERS, TOP_SPEED};
pub use state::State;

/// The names of the actions, in order.
pub const ACTION_NAMES: [&str; 5] = ["Move", "Pickup", "Dropoff", "Stop", "SpeedUp"];

/// The bus, somewhere in an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Daladala {
    state: State,
    /// The layout as one bit per cell of the route, so that a step looks nothing up.
    hazards: layout::Hazards,
}

impl Daladala {
    /// A bus that waits for its first reset.
    pub fn new() -> Self {
        let layout = Layout::draw(&mut SplitMix64::new(0));
        Self { state: State { over: true, ..State::beginning(layout) }, hazards: layout.hazards() }
    }

    /// What the present episode's seed drew.
    pub fn layout(&self) -> &Layout {
        &self.state.layout
    }

    /// The present state, without a copy.
    pub fn present(&self) -> &State {
        &self.state
    }

    /// The bus's place on the route, 0 to 28.
    pub fn position(&self) -> usize {
        self.state.pos_idx as usize
    }

    /// The bus's cell on the grid.
    pub fn cell(&self) -> Cell {
        route::CELLS[self.position()]
    }

    /// Whether a red light is here.
    pub fn red_light_here(&self) -> bool {
        self.hazards.red_at(self.position())
    }

    /// Whether a police checkpoint is here.
    pub fn police_here(&self) -> bool {
        self.hazards.police_at(self.position())
    }

    /// Whether the bus must stop here: a red light or police.
    pub fn must_stop_here(&self) -> bool {
        self.hazards.must_stop_at(self.position())
    }

    fn begin(&mut self, layout: Layout, observation: &mut [f32]) {
        self.state = State::beginning(layout);
        self.hazards = layout.hazards();
        observation::write(&self.state, self.hazards, observation);
    }
}

impl Default for Daladala {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment for Daladala {
    type Layout = Layout;
    type State = State;

    fn name(&self) -> &'static str {
        "daladala"
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
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        self.begin(Layout::draw(&mut SplitMix64::new(seed)), observation);
        Ok(())
    }

    fn reset_to(&mut self, layout: &Layout, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        layout.check().map_err(EnvironmentError::Layout)?;
        self.begin(*layout, observation);
        Ok(())
    }

    #[inline]
    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, EnvironmentError> {
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        let action = Action::from_index(action).ok_or(EnvironmentError::ActionOutOfRange { action, count: ACTION_NAMES.len() })?;
        if self.state.over {
            return Err(EnvironmentError::EpisodeOver);
        }
        let step = rules::step(&mut self.state, self.hazards, action);
        observation::write(&self.state, self.hazards, observation);
        Ok(step)
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), EnvironmentError> {
        EnvironmentError::check_len(OBSERVATION_LEN, observation)?;
        observation::write(&self.state, self.hazards, observation);
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
        self.hazards = state.layout.hazards();
        observation::write(&self.state, self.hazards, observation);
        Ok(())
    }

    fn best_return(&self) -> Option<f64> {
        Some(314.0 + 22.0 * f64::from(self.hazards.must_stop_count()))
    }
}
