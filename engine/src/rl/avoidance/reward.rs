use super::motion::{STEP_S, Told};
use super::physics::{drac_mps2, time_to_collision_s};
use super::state::State;

/// Time to collision below which a conflict is serious, s (Hayward 1972; van der Horst 1990).
const SERIOUS_TTC_S: f64 = 1.5;
/// Needed deceleration above which a conflict is serious, m/s² (Archer 2005).
const SERIOUS_DRAC_MPS2: f64 = 3.35;
/// Braking harder than this is harsh, m/s² (ISO 15622's limit for comfort systems).
const HARSH_MPS2: f64 = 3.5;
/// The impact speed at which a collision costs double, m/s: 70 km/h, where few walk away.
const GRAVE_IMPACT_MPS: f64 = 20.0;

/// The reward of the step that led to `state`.
pub(super) fn of(state: &State, told: Told) -> f64 {
    if let Some(impact) = state.impact_mps {
        // Injury risk grows with the energy of the impact.
        return -100.0 - 100.0 * (impact / GRAVE_IMPACT_MPS).powi(2).min(1.0);
    }
    let mut rate = -slowness(state);
    if let Some((gap, other)) = state.threat() {
        let closing = state.speed_mps - other.speed_mps;
        rate -= 4.0 * (1.0 - time_to_collision_s(gap, closing) / SERIOUS_TTC_S).max(0.0);
        rate -= 2.0 * (drac_mps2(gap, closing) / SERIOUS_DRAC_MPS2 - 1.0).clamp(0.0, 1.0);
    }
    rate -= 0.2 * (-state.acceleration_mps2 - HARSH_MPS2).max(0.0);
    let once = if told.changed { -0.5 } else { 0.0 } + if told.refused { -0.5 } else { 0.0 };
    rate * STEP_S + once
}

/// How much slower than he wants the driver goes though the way is free: 0 to 1. Behind somebody
/// slower, his speed is the measure.
fn slowness(state: &State) -> f64 {
    let wanted = state.scenario.speed_mps.max(1.0);
    let possible = match state.threat() {
        // Two seconds of headway, or 10 m, are no free way.
        Some((gap, other)) if gap < (2.0 * wanted).max(10.0) => other.speed_mps.min(wanted),
        _ => wanted,
    };
    ((possible - state.speed_mps) / wanted).clamp(0.0, 1.0)
}
