//! The bus as clients of the Socket.IO door know it: names and value types are theirs.

use serde_json::{Value, json};
use slipstream_actors::AgentView;
use slipstream_engine::rl::{
    AnyState,
    daladala::{ACTION_NAMES, CAPACITY, Cell, GRID, LEGAL_PASSENGERS, MAX_STEPS, OBSERVATION_LEN, ROUTE_LEN, STOPS, State},
};
use slipstream_protocol::Timestamp;

/// The `data` of an `rl-update`; `None` where the agent drives no bus or stands at no beginning yet.
pub(crate) fn state(view: &AgentView) -> Option<Value> {
    let Some(AnyState::Daladala(state)) = &view.state else { return None };
    let cell = cell_at(state.pos_idx);
    let here = |cells: &[Cell]| cells.iter().position(|c| *c == cell);
    let police_here = here(&state.layout.police).is_some();
    let light_red = here(&state.layout.lights).is_some_and(|light| state.layout.light_red[light]);
    let last = view.last;
    Some(json!({
        "step": state.step_count,
        "x": cell.x,
        "y": cell.y,
        "pos_x": cell.x,
        "pos_y": cell.y,
        "position": cell,
        "passengers": state.passengers,
        "capacity": CAPACITY,
        "money": f64::from(state.money),
        "speed": f64::from(state.speed),
        "fined": u8::from(state.fined),
        "light_red": u8::from(light_red),
        "police_here": u8::from(police_here),
        "must_stop": u8::from(police_here || light_red),
        "hazards": hazards(state),
        "police_checkpoints": state.layout.police,
        "traffic_lights": state.layout.lights,
        "traffic_light_states": state.layout.light_red.map(u8::from),
        "high_demand_stops": STOPS,
        "light_cycle": state.light_cycle,
        "episode": view.episode,
        // Before the first step of an episode there is none; clients expect numbers.
        "action": last.map_or(0, |last| last.action),
        "reward": last.map_or(0.0, |last| last.reward),
        "total_reward": view.total_reward,
        "terminated": last.is_some_and(|last| last.terminated),
        "truncated": last.is_some_and(|last| last.truncated),
    }))
}

/// The whole `rl-update`.
pub(crate) fn update(view: &AgentView, now: Timestamp) -> Option<Value> {
    Some(json!({ "type": "state-update", "data": state(view)?, "timestamp": now.millis() }))
}

fn hazards(state: &State) -> Vec<Value> {
    let named = |cells: &[Cell], name: &str| cells.iter().map(|c| json!([c.x, c.y, name])).collect::<Vec<_>>();
    [named(&state.layout.police, "police"), named(&state.layout.lights, "light")].concat()
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
