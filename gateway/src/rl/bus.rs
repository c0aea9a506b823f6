//! The bus as clients of the Socket.IO door know it: names and value types are theirs.

use serde::Serialize;
use serde_json::{Value, json};
use slipstream_actors::AgentView;
use slipstream_engine::rl::{
    AnyState,
    daladala::{ACTION_NAMES, CAPACITY, Cell, GRID, LEGAL_PASSENGERS, MAX_STEPS, OBSERVATION_LEN, ROUTE_LEN, STOPS, State},
};
use slipstream_protocol::Timestamp;

/// The `data` of an `rl-update`: where the bus stands.
#[derive(Serialize)]
pub(crate) struct BusState<'v> {
    step: u32,
    x: u8,
    y: u8,
    pos_x: u8,
    pos_y: u8,
    position: Cell,
    passengers: u32,
    capacity: u32,
    money: f64,
    speed: f64,
    fined: u8,
    light_red: u8,
    police_here: u8,
    must_stop: u8,
    hazards: Vec<(u8, u8, &'static str)>,
    police_checkpoints: &'v [Cell],
    traffic_lights: &'v [Cell],
    traffic_light_states: Vec<u8>,
    high_demand_stops: &'static [Cell],
    light_cycle: u32,
    episode: u64,
    action: usize,
    reward: f64,
    total_reward: f64,
    terminated: bool,
    truncated: bool,
}

impl<'v> BusState<'v> {
    /// `None` where the agent drives no bus or stands at no beginning yet.
    pub(crate) fn of(view: &'v AgentView) -> Option<Self> {
        let Some(AnyState::Daladala(state)) = &view.state else { return None };
        let cell = cell_at(state.pos_idx);
        let here = |cells: &[Cell]| cells.iter().position(|c| *c == cell);
        let police_here = here(&state.layout.police).is_some();
        let light_red = here(&state.layout.lights).is_some_and(|light| state.layout.light_red[light]);
        let last = view.last;
        Some(Self {
            step: state.step_count,
            x: cell.x,
            y: cell.y,
            pos_x: cell.x,
            pos_y: cell.y,
            position: cell,
            passengers: state.passengers,
            capacity: CAPACITY,
            money: f64::from(state.money),
            speed: f64::from(state.speed),
            fined: u8::from(state.fined),
            light_red: u8::from(light_red),
            police_here: u8::from(police_here),
            must_stop: u8::from(police_here || light_red),
            hazards: hazards(state),
            police_checkpoints: &state.layout.police,
            traffic_lights: &state.layout.lights,
            traffic_light_states: state.layout.light_red.iter().map(|red| u8::from(*red)).collect(),
            high_demand_stops: &STOPS,
            light_cycle: state.light_cycle,
            episode: view.episode,
            // Before the first step of an episode there is none; clients expect numbers.
            action: last.map_or(0, |last| last.action),
            reward: last.map_or(0.0, |last| last.reward),
            total_reward: view.total_reward,
            terminated: last.is_some_and(|last| last.terminated),
            truncated: last.is_some_and(|last| last.truncated),
        })
    }
}

/// The whole `rl-update`.
#[derive(Serialize)]
pub(crate) struct BusUpdate<'v> {
    r#type: &'static str,
    data: BusState<'v>,
    /// Milliseconds since 1970.
    timestamp: i64,
}

impl<'v> BusUpdate<'v> {
    /// `None` where there is no [`BusState`].
    pub(crate) fn of(view: &'v AgentView, now: Timestamp) -> Option<Self> {
        Some(Self { r#type: "state-update", data: BusState::of(view)?, timestamp: now.millis() })
    }
}

fn hazards(state: &State) -> Vec<(u8, u8, &'static str)> {
    let named = |cells: &'static str| move |c: &Cell| (c.x, c.y, cells);
    state.layout.police.iter().map(named("police")).chain(state.layout.lights.iter().map(named("light"))).collect()
}

/// Where the bus is; `None` as with [`BusState`].
pub(crate) fn position(view: &AgentView) -> Option<Cell> {
    let Some(AnyState::Daladala(state)) = &view.state else { return None };
    Some(cell_at(state.pos_idx))
}

/// The cell of a place on the route.
fn cell_at(place: u8) -> Cell {
    let far = GRID - 1;
    if place <= far { Cell { x: place, y: far } } else { Cell { x: far, y: (2 * far).saturating_sub(place) } }
}

/// What there is to know of the environment before it is played.
pub(crate) fn environment_info() -> Value {
    json!({
        "name": "daladala",
        "grid_size": GRID,
        "route_length": ROUTE_LEN,
        "start": cell_at(0),
        "destination": cell_at(ROUTE_LEN as u8 - 1),
        "high_demand_stops": STOPS,
        "capacity": CAPACITY,
        "legal_capacity": LEGAL_PASSENGERS,
        "max_steps": MAX_STEPS,
        "observation_size": OBSERVATION_LEN,
        "action_size": ACTION_NAMES.len(),
        "actions": ACTION_NAMES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_the_route_are_where_the_environment_has_them() {
        for place in 0..ROUTE_LEN {
            assert_eq!(cell_at(place as u8).position(), Some(place));
        }
    }
}
