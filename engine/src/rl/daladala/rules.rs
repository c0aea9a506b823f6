use super::super::Step;
use super::layout::Hazards;
use super::route::{NO_STOP, ROUTE_LEN, STOP_AT};
use super::state::State;

/// Seats and standing room.
pub const CAPACITY: u32 = 50;
/// The most passengers the law allows: more, and police fine the bus.
pub const LEGAL_PASSENGERS: u32 = 33;
/// More than these, and speeding up or meeting police ends the episode.
pub const RECKLESS_PASSENGERS: u32 = 40;
/// The highest speed.
pub const TOP_SPEED: u8 = 3;
/// The longest episode, steps.
pub const MAX_STEPS: u32 = 350;

/// Paid for each passenger who gets off, shillings.
const FARE: u32 = 1000;

/// What the driver can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// Drive on.
    Move,
    /// Take passengers on.
    Pickup,
    /// Let passengers off.
    Dropoff,
    /// Slow down, as police and red lights demand.
    Stop,
    /// Go faster.
    SpeedUp,
}

impl Action {
    /// The action of a number.
    #[inline]
    pub fn from_index(index: usize) -> Option<Self> {
        [Self::Move, Self::Pickup, Self::Dropoff, Self::Stop, Self::SpeedUp].get(index).copied()
    }
}

/// Drives one cell on and judges `action` by the cell the bus was in.
#[inline]
pub(super) fn step(state: &mut State, hazards: Hazards, action: Action) -> Step {
    let here = state.pos_idx as usize;
    state.step_count += 1;
    state.light_cycle += 1;
    let mut terminated = here + 1 >= ROUTE_LEN;
    if !terminated {
        state.pos_idx += 1;
    }
    let (mut reward, reckless) = judge(state, action, hazards.must_stop_at(here), STOP_AT[here]);
    terminated |= reckless;
    if hazards.police_at(state.pos_idx as usize) {
        if state.passengers > RECKLESS_PASSENGERS {
            reward -= 50.0;
            state.fined = true;
            terminated = true;
        } else if state.passengers > LEGAL_PASSENGERS {
            reward -= 20.0;
            state.fined = true;
        }
    }
    reward += 1.0;
    if terminated {
        reward += 100.0;
        if state.passengers <= LEGAL_PASSENGERS && !state.fined {
            reward += 50.0;
        }
    }
    let truncated = state.step_count >= MAX_STEPS;
    state.over = terminated || truncated;
    Step { reward, terminated, truncated }
}

/// What the action does and earns where it was taken; and whether it was so reckless that it ends the
/// episode.
#[inline]
fn judge(state: &mut State, action: Action, must_stop: bool, stop: u8) -> (f64, bool) {
    let penalty = |amount: f64| if must_stop { -amount } else { 0.0 };
    match action {
        Action::Move => (2.0 + penalty(40.0), false),
        Action::Pickup => (pick_up(state, stop) + penalty(10.0), false),
        Action::Dropoff => (drop_off(state, stop) + penalty(10.0), false),
        Action::Stop => {
            state.speed = state.speed.saturating_sub(1);
            (if must_stop { 25.0 } else { -3.0 }, false)
        }
        Action::SpeedUp => {
            let reckless = state.passengers > RECKLESS_PASSENGERS;
            if !must_stop && !reckless {
                state.speed = TOP_SPEED.min(state.speed + 1);
                return (3.0, false);
            }
            (penalty(15.0) - if reckless { 30.0 } else { 0.0 }, reckless)
        }
    }
}

fn pick_up(state: &mut State, stop: u8) -> f64 {
    if stop == NO_STOP || state.passengers >= CAPACITY {
        return -5.0;
    }
    let waiting = &mut state.passengers_at_stop[stop as usize];
    let boarding = (*waiting).max(3).min(CAPACITY - state.passengers);
    state.passengers += boarding;
    *waiting = waiting.saturating_sub(boarding);
    15.0
}

fn drop_off(state: &mut State, stop: u8) -> f64 {
    if stop == NO_STOP || state.passengers == 0 {
        return -8.0;
    }
    let leaving = state.passengers.min((state.passengers / 2 + 1).max(3));
    state.passengers -= leaving;
    state.money = state.money.saturating_add(FARE * leaving);
    12.0
}
