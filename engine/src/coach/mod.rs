//! The coach: where, how much and why a driver loses time against the own reference lap.
//!
//! 1. The corners are found on the reference lap: every place where the speed falls and rises again.
//!    The lap is cut before the brake points, so that each part holds one corner and the straight
//!    behind it; the parts' losses add up to the lap's.
//! 2. In every recent lap each corner is measured: brake point, minimum speed, throttle pick-up.
//! 3. Kinematics tell what each difference should cost; a ridge regression over all measured corners
//!    of the driver's own laps corrects how much it does cost this driver. With few laps the
//!    kinematics stand, with many the driver's data.
//! 4. The newest lap's losses are told with their causes; what the model cannot explain is told as
//!    such (the line, traffic, a gear).

mod attribution;
mod corners;
mod measure;
mod wording;

use std::sync::Arc;

use serde::Serialize;
use slipstream_protocol::Timestamp;

pub use crate::laps::LapBook;
use crate::laps::LapTrace;
use attribution::{Model, Observation};
use corners::{Corner, find_corners};
use measure::{Measured, measure};

/// Laps needed: one to compare with and one to compare.
pub const LAPS_NEEDED: usize = 2;

/// A lap slower than this many times the reference lap was not driven at pace.
pub const PACE: f64 = 1.07;

/// What the coach says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// In sentences made from the numbers below.
    pub text: String,
    /// When it was asked for.
    pub timestamp: Timestamp,
    /// Number of the lap compared with: the best one.
    pub reference_lap: u32,
    /// Its time, s.
    pub reference_time_s: f64,
    /// Number of the lap compared: the newest at pace.
    pub compared_lap: u32,
    /// Its time, s.
    pub compared_time_s: f64,
    /// The compared lap's time minus the reference lap's, s.
    pub total_lost_s: f64,
    /// Laps the model was fitted on, the reference lap included.
    pub laps_used: u32,
    /// How much of the time lost in the driver's corners the model explains, 0 to 1.
    pub explained: f64,
    /// Every corner, the one that lost most first.
    pub corners: Vec<CornerAdvice>,
}

/// What happened in one corner of the compared lap.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CornerAdvice {
    /// Number of the corner, from 1 after the line.
    pub corner: u32,
    /// Its apex (slowest place) on the reference lap, m after the line.
    pub distance_m: f64,
    /// Time lost from before its brake point to before the next one's, s; negative is won.
    pub time_lost_s: f64,
    /// How much earlier than on the reference lap the brake was used, m; absent where it was not.
    pub brake_point_delta_m: Option<f64>,
    /// Minimum speed minus the reference lap's, m/s.
    pub min_speed_delta_mps: f64,
    /// How much later the throttle was picked up, m; absent where it was never lifted.
    pub throttle_pickup_delta_m: Option<f64>,
    /// Speed where the next corner's part begins (on the straight, before its brake point) minus the
    /// reference lap's, m/s.
    pub straight_speed_delta_mps: f64,
    /// What explains most of the loss.
    pub cause: Cause,
    /// The loss by cause, s; together they are `time_lost_s`.
    pub loss_by_cause: LossByCause,
    /// How sure the cause is, 0 to 1.
    pub confidence: f64,
}

/// Why time was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// Braked earlier.
    BrakePoint,
    /// Slower at the slowest place.
    MinSpeed,
    /// Later on the throttle.
    ThrottlePickup,
    /// Nothing measured explains it: the line, traffic, traction, a gear.
    Other,
    /// No time was lost.
    None,
}

/// A loss, s, by its causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LossByCause {
    /// By the brake point.
    pub brake_point_s: f64,
    /// By the minimum speed.
    pub min_speed_s: f64,
    /// By the throttle pick-up.
    pub throttle_pickup_s: f64,
    /// By what was not measured.
    pub other_s: f64,
}

/// Why the coach cannot say anything yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoachError {
    /// Not enough whole laps with speed and position.
    #[error("{have} whole laps known, at least {need} are needed to compare: drive on and ask again")]
    NotEnoughLaps {
        /// Whole laps known.
        have: usize,
        /// Laps needed.
        need: usize,
    },
    /// The reference lap's speed never falls and rises again.
    #[error("the reference lap {lap} shows no corners: its speed never falls and rises by {by_mps} m/s")]
    NoCorners {
        /// The reference lap's number.
        lap: u32,
        /// The change of speed looked for, m/s.
        by_mps: u32,
    },
}

impl CoachError {
    /// Whether asking again after more laps can help.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::NotEnoughLaps { .. } | Self::NoCorners { .. } => true,
        }
    }
}

/// One lap's corners against the reference lap's.
struct Compared<'a> {
    lap: &'a LapTrace,
    corners: Vec<(Measured, Observation)>,
}

/// Compares the newest lap at pace with the reference lap.
pub fn advise(book: &LapBook, now: Timestamp) -> Result<Advice, CoachError> {
    let not_enough = |have| CoachError::NotEnoughLaps { have, need: LAPS_NEEDED };
    let reference = book.reference().ok_or_else(|| not_enough(0))?;
    let others: Vec<&Arc<LapTrace>> = book.laps().filter(|lap| !Arc::ptr_eq(lap, reference)).collect();
    let newest = *others.last().ok_or_else(|| not_enough(1))?;
    let corners = find_corners(reference);
    if corners.is_empty() {
        return Err(CoachError::NoCorners { lap: reference.lap, by_mps: corners::PROMINENCE_MPS as u32 });
    }
    let base: Vec<Measured> = corners.iter().map(|c| measure(reference, reference, c)).collect();
    let compare = |lap| compare(reference, lap, &corners, &base);
    let mut at_pace: Vec<Compared<'_>> =
        others.iter().filter(|lap| lap.time_s <= reference.time_s * PACE).map(|lap| compare(lap)).collect();
    if at_pace.is_empty() {
        at_pace.push(compare(newest));
    }
    let observations: Vec<Observation> = at_pace.iter().flat_map(|c| c.corners.iter().map(|(_, o)| *o)).collect();
    let model = Model::fit(&observations);
    let laps_used = at_pace.len() as u32 + 1;
    let compared = &at_pace[at_pace.len() - 1];
    let mut told: Vec<CornerAdvice> = corners
        .iter()
        .zip(&base)
        .zip(&compared.corners)
        .enumerate()
        .map(|(i, ((corner, before), (after, observed)))| corner_advice(i, corner, before, after, observed, &model, laps_used))
        .collect();
    told.sort_by(|a, b| b.time_lost_s.total_cmp(&a.time_lost_s).then(a.corner.cmp(&b.corner)));
    let mut advice = Advice {
        text: String::new(),
        timestamp: now,
        reference_lap: reference.lap,
        reference_time_s: reference.time_s,
        compared_lap: compared.lap.lap,
        compared_time_s: compared.lap.time_s,
        total_lost_s: compared.lap.time_s - reference.time_s,
        laps_used,
        explained: model.explained(),
        corners: told,
    };
    advice.text = wording::text(&advice, &base);
    Ok(advice)
}

fn compare<'a>(reference: &LapTrace, lap: &'a LapTrace, corners: &[Corner], base: &[Measured]) -> Compared<'a> {
    let corners = corners.iter().zip(base).map(|(corner, before)| {
        let after = measure(reference, lap, corner);
        let observed = Observation::new(corner, before, &after);
        (after, observed)
    });
    Compared { lap, corners: corners.collect() }
}

fn corner_advice(
    i: usize,
    corner: &Corner,
    before: &Measured,
    after: &Measured,
    observed: &Observation,
    model: &Model,
    laps: u32,
) -> CornerAdvice {
    let loss_by_cause = model.attribute(observed);
    CornerAdvice {
        corner: i as u32 + 1,
        distance_m: corner.apex_m,
        time_lost_s: observed.lost_s,
        brake_point_delta_m: before.brake_m.zip(after.brake_m).map(|(b, a)| b - a),
        min_speed_delta_mps: after.min_mps - before.min_mps,
        throttle_pickup_delta_m: before.pickup_m.zip(after.pickup_m).map(|(b, a)| a - b),
        straight_speed_delta_mps: after.straight_mps - before.straight_mps,
        cause: attribution::main_cause(observed.lost_s, &loss_by_cause),
        confidence: model.confidence(observed.lost_s, &loss_by_cause, laps),
        loss_by_cause,
    }
}

#[cfg(test)]
mod tests;
