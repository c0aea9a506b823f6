use super::physics::{deceleration_limit_mps2, lane_change_s, reaction_time_s};
use super::state::State;
use super::traffic::{MAX_VEHICLES, VEHICLE_LENGTH_M, Vehicle, gap_m};

/// Length of a step, s.
pub const STEP_S: f64 = 0.25;

/// The longest episode, steps: 30 s.
pub const MAX_STEPS: u32 = 120;

/// Gradual deceleration, m/s²: comfortable, below the 3.5 m/s² that ISO 15622 allows adaptive cruise control.
const GRADUAL_MPS2: f64 = 2.5;

/// The most a brake gives on any road, m/s².
const BRAKE_LIMIT_MPS2: f64 = 9.0;

/// How a driver left alone comes back to his speed, m/s².
const RESUME_MPS2: f64 = 1.0;

/// The room, in seconds of the other's speed, that a driver who looks wants in the lane he changes to.
const ACCEPTED_HEADWAY_S: f64 = 0.5;

/// What the agent says to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Advice {
    /// Go on as you are: hold the road's speed.
    Maintain,
    /// Brake comfortably.
    Decelerate,
    /// Brake as hard as the road allows.
    HardBrake,
    /// Change to the lane on the left.
    ChangeLeft,
    /// Change to the lane on the right.
    ChangeRight,
}

impl Advice {
    /// The advice of a number.
    pub fn from_index(index: usize) -> Option<Self> {
        [Self::Maintain, Self::Decelerate, Self::HardBrake, Self::ChangeLeft, Self::ChangeRight].get(index).copied()
    }
}

/// What became of a step's advice, as far as the reward wants to know.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Told {
    /// A lane change began.
    pub(super) changed: bool,
    /// A lane change was asked for that there is no lane, or no room, for.
    pub(super) refused: bool,
}

/// Lets a step's time pass.
pub(super) fn advance(state: &mut State, advice: Advice) -> Told {
    state.step_count += 1;
    let reaction_s = reaction_time_s(state.scenario.attention);
    // A driver once warned stays ready for a while.
    let warned = if advice == Advice::Maintain { -STEP_S / 3.0 } else { STEP_S };
    state.warned_s = (state.warned_s + warned).clamp(0.0, reaction_s + STEP_S);
    let acts = state.warned_s >= reaction_s;
    let told = if acts { change_lane(state, advice) } else { Told::default() };
    let wish_mps2 = match advice {
        Advice::Decelerate if acts => -GRADUAL_MPS2,
        Advice::HardBrake if acts => -BRAKE_LIMIT_MPS2,
        _ => hold_speed(state),
    };
    move_all(state, wish_mps2.max(-deceleration_limit_mps2(state.scenario.weather)));
    told
}

/// The acceleration of a driver who holds the speed he began with.
fn hold_speed(state: &State) -> f64 {
    ((state.scenario.speed_mps - state.speed_mps) / 2.0).clamp(-RESUME_MPS2, RESUME_MPS2)
}

/// Begins the lane change that is advised, goes on with the one that has begun.
fn change_lane(state: &mut State, advice: Advice) -> Told {
    let target = match advice {
        Advice::ChangeLeft => state.lane.checked_add(1).filter(|lane| *lane < state.scenario.road.lanes()),
        Advice::ChangeRight => state.lane.checked_sub(1),
        _ => return Told::default(),
    };
    if state.changing.is_some() {
        return Told::default();
    }
    let Some(target) = target else { return Told { refused: true, ..Told::default() } };
    // Whether the driver looks is a matter of his attention; one who does not look just goes.
    if state.random.unit() < state.scenario.attention && !has_room(state, target) {
        return Told { refused: true, ..Told::default() };
    }
    state.changing = Some((target, 0.0));
    Told { changed: true, ..Told::default() }
}

/// Whether nobody in a lane is beside the car, or too close ahead or behind.
fn has_room(state: &State, lane: u8) -> bool {
    state.vehicles.iter().flatten().filter(|other| other.lane == lane).all(|other| {
        let (behind_mps, gap) = if other.position_m > state.position_m {
            (state.speed_mps, gap_m(state.position_m, other.position_m))
        } else {
            (other.speed_mps, gap_m(other.position_m, state.position_m))
        };
        gap > ACCEPTED_HEADWAY_S * behind_mps
    })
}

/// Moves the car and everyone else for one step and finds collisions.
fn move_all(state: &mut State, wish_mps2: f64) {
    let time_s = f64::from(state.step_count) * STEP_S;
    let accelerations = others_accelerations(state, time_s);
    let before = state.speed_mps;
    travel(&mut state.position_m, &mut state.speed_mps, wish_mps2);
    state.acceleration_mps2 = (state.speed_mps - before) / STEP_S;
    for (vehicle, acceleration) in state.vehicles.iter_mut().flatten().zip(accelerations) {
        travel(&mut vehicle.position_m, &mut vehicle.speed_mps, acceleration);
    }
    if let Some((to, since_s)) = &mut state.changing {
        *since_s += STEP_S;
        if *since_s >= lane_change_s(state.scenario.weather) {
            state.lane = *to;
            state.changing = None;
        }
    }
    let touching = |other: &&Vehicle| state.occupies(other.lane) && (other.position_m - state.position_m).abs() < VEHICLE_LENGTH_M;
    state.impact_mps = state.vehicles.iter().flatten().find(touching).map(|other| (other.speed_mps - state.speed_mps).abs());
}

/// What everyone else does: towards the nearest ahead in the lane, the car included.
fn others_accelerations(state: &State, time_s: f64) -> [f64; MAX_VEHICLES] {
    let limit = deceleration_limit_mps2(state.scenario.weather);
    let mut accelerations = [0.0; MAX_VEHICLES];
    for (vehicle, acceleration) in state.vehicles.iter().flatten().zip(&mut accelerations) {
        let others =
            state.vehicles.iter().flatten().filter(|other| other.lane == vehicle.lane).map(|other| (other.position_m, other.speed_mps));
        let car = state.occupies(vehicle.lane).then_some((state.position_m, state.speed_mps));
        let ahead = others
            .chain(car)
            .filter(|(position, _)| *position > vehicle.position_m)
            .map(|(position, speed)| (gap_m(vehicle.position_m, position), speed))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        *acceleration = vehicle.acceleration(time_s, ahead, limit);
    }
    accelerations
}

/// Uniform acceleration for a step; nobody drives backwards.
fn travel(position_m: &mut f64, speed_mps: &mut f64, acceleration: f64) {
    let after = *speed_mps + acceleration * STEP_S;
    if after >= 0.0 {
        *position_m += speed_mps.midpoint(after) * STEP_S;
        *speed_mps = after;
    } else {
        // Stops within the step: v² / (2 a).
        *position_m += *speed_mps * *speed_mps / (-2.0 * acceleration);
        *speed_mps = 0.0;
    }
}
