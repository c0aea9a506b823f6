use super::layout::Hazards;
use super::route::{CELLS, GRID, NO_STOP, ROUTE_LEN, STOP_AT};
use super::rules::{CAPACITY, MAX_STEPS, TOP_SPEED};
use super::state::State;

/// Values in an observation.
pub const OBSERVATION_LEN: usize = 14;

/// What the values are; each is scaled to [-1, 1].
pub const OBSERVATION_NAMES: [&str; OBSERVATION_LEN] = [
    "x",
    "y",
    "passengers",
    "money",
    "speed",
    "red_light_here",
    "police_here",
    "must_stop_here",
    "at_stop",
    "waiting_here",
    "must_stop_next",
    "next_light_distance",
    "next_police_distance",
    "step",
];

/// How many cells ahead the driver sees.
const SIGHT: u32 = 5;

/// The fares that scale to one, shillings.
const MONEY_SCALE: f64 = 150_000.0;

/// `value / most` scaled to [-1, 1]: in double precision until the end, as the reference has it.
const fn scaled(value: f64, most: f64) -> f32 {
    ((value / most) * 2.0 - 1.0) as f32
}

/// [`scaled`] for the whole numbers from 0 to `N - 1`: a look-up costs less than a division.
const fn table<const N: usize>(most: f64) -> [f32; N] {
    let mut values = [0.0; N];
    let mut value = 0;
    while value < N {
        values[value] = scaled(value as f64, most);
        value += 1;
    }
    values
}

static ALONG: [f32; GRID as usize] = table((GRID - 1) as f64);
static PASSENGERS: [f32; CAPACITY as usize + 1] = table(CAPACITY as f64);
static SPEED: [f32; TOP_SPEED as usize + 1] = table(TOP_SPEED as f64);
static DISTANCE: [f32; SIGHT as usize + 1] = table(SIGHT as f64);
/// One more than the longest episode: the step after a restored last step still has an observation.
static STEPS: [f32; MAX_STEPS as usize + 2] = table(MAX_STEPS as f64);

/// Writes the observation of a state; the buffer's length was checked.
#[inline]
pub(super) fn write(state: &State, hazards: Hazards, observation: &mut [f32]) {
    let here = state.pos_idx as usize;
    let next = (here + 1).min(ROUTE_LEN - 1);
    let cell = CELLS[here];
    let stop = STOP_AT[here];
    let waiting = if stop == NO_STOP { 0 } else { state.passengers_at_stop[stop as usize] };
    let flag = |set: bool| if set { 1.0 } else { -1.0 };
    observation.copy_from_slice(&[
        ALONG[cell.x as usize],
        ALONG[cell.y as usize],
        PASSENGERS[state.passengers as usize],
        scaled(f64::from(state.money), MONEY_SCALE),
        SPEED[state.speed as usize],
        flag(hazards.red_at(here)),
        flag(hazards.police_at(here)),
        flag(hazards.must_stop_at(here)),
        flag(stop != NO_STOP),
        scaled(f64::from(waiting), 10.0),
        flag(hazards.must_stop_at(next)),
        DISTANCE[distance(hazards.lights, here)],
        DISTANCE[distance(hazards.police, here)],
        STEPS[state.step_count as usize],
    ]);
}

/// Cells from here to the next hazard, as far as the driver sees.
#[inline]
fn distance(hazards: u32, here: usize) -> usize {
    // A bit set at the end of sight stands for "none nearer".
    let ahead = hazards >> (here + 1) | 1 << (SIGHT - 1);
    ahead.trailing_zeros() as usize + 1
}
