use serde::{Deserialize, Serialize};

use super::super::EnvironmentError;
use super::layout::Layout;
use super::route::{ROUTE_LEN, STOPS};
use super::rules::{CAPACITY, MAX_STEPS, TOP_SPEED};

/// Passengers waiting at the stops when an episode begins.
const WAITING_AT_FIRST: [u32; STOPS.len()] = [8, 5, 1, 1];

/// Where an episode stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where the hazards are.
    pub layout: Layout,
    /// Steps taken.
    pub step_count: u32,
    /// The bus's place on the route, 0 to 28.
    pub pos_idx: u8,
    /// Passengers on board.
    pub passengers: u32,
    /// Fares taken, shillings.
    pub money: u32,
    /// Speed, 0 to 3.
    pub speed: u8,
    /// Whether police have fined the bus.
    pub fined: bool,
    /// Counts the steps, as lights do.
    pub light_cycle: u32,
    /// Passengers waiting at the four stops, in the route's order.
    pub passengers_at_stop: [u32; STOPS.len()],
    /// Whether the episode has ended.
    #[serde(default)]
    pub over: bool,
}

impl State {
    /// An episode's first state.
    pub fn beginning(layout: Layout) -> Self {
        Self {
            layout,
            step_count: 0,
            pos_idx: 0,
            passengers: 0,
            money: 0,
            speed: 0,
            fined: false,
            light_cycle: 0,
            passengers_at_stop: WAITING_AT_FIRST,
            over: false,
        }
    }

    /// Refuses what no episode can reach and no step could bear.
    pub(super) fn check(&self) -> Result<(), EnvironmentError> {
        self.layout.check().map_err(EnvironmentError::Layout)?;
        let bounds = [
            ("pos_idx", u32::from(self.pos_idx), ROUTE_LEN as u32 - 1),
            ("passengers", self.passengers, CAPACITY),
            ("speed", u32::from(self.speed), u32::from(TOP_SPEED)),
            ("step_count", self.step_count, MAX_STEPS + u32::from(self.over)),
            ("light_cycle", self.light_cycle, u32::MAX - MAX_STEPS),
        ];
        match bounds.into_iter().find(|(_, value, most)| value > most) {
            Some((name, value, most)) => Err(EnvironmentError::State(format!("{name} is {value}, at most {most}"))),
            None => Ok(()),
        }
    }
}
