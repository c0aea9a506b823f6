//! What a difference costs: kinematics, corrected by the driver's own laps.
//!
//! Features are seconds, so that corners of any speed go into one model:
//! braking `d` m earlier drives `d` at the apex speed instead of the entry speed; a lower minimum
//! speed costs over the corner's slow length; picking the throttle up `d` m later drives `d` at
//! the apex speed instead of the next straight's. Their prior weights are below; smartcore's ridge
//! regression learns the corrections to the prior weights from what the laps really lost, so
//! regularisation pulls towards the kinematics instead of towards nothing.

use smartcore::{
    linalg::basic::{arrays::Array, matrix::DenseMatrix},
    linear::ridge_regression::{RidgeRegression, RidgeRegressionParameters},
};

use super::{Cause, LossByCause, corners::Corner, measure::Measured};

const FEATURES: usize = 3;

/// What one second of each feature costs before anything is known about the driver. An earlier
/// brake point is mostly taken back by braking less hard.
const PRIOR: [f64; FEATURES] = [0.6, 1.0, 0.8];

/// Strength of the prior: as much as about eight corners that differ by 0.05 s.
const ALPHA: f64 = 8.0 * 0.05 * 0.05;

/// No weight goes beyond this: a second of feature does not cost more.
const MOST: f64 = 2.5;

/// A smaller loss is told as none, s.
const NOTHING_S: f64 = 0.01;

/// One corner of one lap against the reference lap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Observation {
    /// Brake point, minimum speed, throttle pick-up; s.
    features: [f64; FEATURES],
    /// Time lost, s.
    pub(super) lost_s: f64,
}

impl Observation {
    pub(super) fn new(corner: &Corner, before: &Measured, after: &Measured) -> Self {
        let slow = 1.0 / corner.min_mps;
        let earlier_m = before.brake_m.zip(after.brake_m).map_or(0.0, |(b, a)| b - a);
        let later_m = before.pickup_m.zip(after.pickup_m).map_or(0.0, |(b, a)| a - b);
        let features = [
            earlier_m * (slow - 1.0 / corner.entry_mps.max(corner.min_mps)),
            corner.length_m * (1.0 / after.min_mps.max(1.0) - 1.0 / before.min_mps.max(1.0)),
            later_m * (slow - 1.0 / corner.exit_mps),
        ];
        Self { features, lost_s: after.time_s - before.time_s }
    }
}

/// What the driver's differences cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Model {
    weights: [f64; FEATURES],
    explained: f64,
    rows: usize,
}

impl Model {
    pub(super) fn fit(observations: &[Observation]) -> Self {
        let correction = ridge(observations).unwrap_or([0.0; FEATURES]);
        let mut weights = PRIOR;
        for (weight, by) in weights.iter_mut().zip(correction) {
            // Braking earlier or a slower apex never wins time by itself; where the data says so, something else did.
            *weight = (*weight + by).clamp(0.0, MOST);
        }
        let model = Self { weights, explained: 0.0, rows: observations.len() };
        let total: f64 = observations.iter().map(|o| o.lost_s * o.lost_s).sum();
        let rest: f64 = observations.iter().map(|o| (o.lost_s - model.predict(o)).powi(2)).sum();
        let explained = if total > 0.0 { (1.0 - rest / total).clamp(0.0, 1.0) } else { 0.0 };
        Self { explained, ..model }
    }

    /// Share of the squared losses that the model explains, 0 to 1.
    pub(super) const fn explained(&self) -> f64 {
        self.explained
    }

    fn parts(&self, o: &Observation) -> [f64; FEATURES] {
        [self.weights[0] * o.features[0], self.weights[1] * o.features[1], self.weights[2] * o.features[2]]
    }

    fn predict(&self, o: &Observation) -> f64 {
        self.parts(o).iter().sum()
    }

    pub(super) fn attribute(&self, o: &Observation) -> LossByCause {
        let [brake_point_s, min_speed_s, throttle_pickup_s] = self.parts(o);
        LossByCause { brake_point_s, min_speed_s, throttle_pickup_s, other_s: o.lost_s - brake_point_s - min_speed_s - throttle_pickup_s }
    }

    /// The model's fit, times how much of this corner it explains, times how much data there is
    /// (a half at two laps).
    pub(super) fn confidence(&self, lost_s: f64, loss: &LossByCause, laps: u32) -> f64 {
        let all = loss.brake_point_s.abs() + loss.min_speed_s.abs() + loss.throttle_pickup_s.abs();
        let here = if lost_s.abs() < NOTHING_S { 1.0 } else { all / (all + loss.other_s.abs()).max(1e-9) };
        let data = f64::from(laps.saturating_sub(1)) / f64::from(laps);
        let rows = self.rows as f64 / (self.rows as f64 + FEATURES as f64);
        (self.explained.sqrt() * here * data * rows).clamp(0.0, 1.0)
    }
}

/// The corrections to the prior weights; `None` where there are not more corners than weights.
fn ridge(observations: &[Observation]) -> Option<[f64; FEATURES]> {
    if observations.len() <= FEATURES {
        return None;
    }
    let rows: Vec<Vec<f64>> = observations.iter().map(|o| o.features.to_vec()).collect();
    let prior = |o: &Observation| o.features.iter().zip(PRIOR).map(|(f, w)| f * w).sum::<f64>();
    let rest: Vec<f64> = observations.iter().map(|o| o.lost_s - prior(o)).collect();
    let x = DenseMatrix::from_2d_vec(&rows).ok()?;
    // Not normalised: the features are seconds already, and zero means "as on the reference lap".
    let parameters = RidgeRegressionParameters::default().with_alpha(ALPHA).with_normalize(false);
    let fitted = RidgeRegression::fit(&x, &rest, parameters).ok()?;
    let weights = fitted.coefficients();
    let mut correction = [0.0; FEATURES];
    for (i, c) in correction.iter_mut().enumerate() {
        *c = Some(*weights.get((i, 0))).filter(|w| w.is_finite())?;
    }
    Some(correction)
}

/// The cause that took most of the time.
pub(super) fn main_cause(lost_s: f64, loss: &LossByCause) -> Cause {
    if lost_s < NOTHING_S {
        return Cause::None;
    }
    let parts = [
        (Cause::BrakePoint, loss.brake_point_s),
        (Cause::MinSpeed, loss.min_speed_s),
        (Cause::ThrottlePickup, loss.throttle_pickup_s),
        (Cause::Other, loss.other_s),
    ];
    parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(Cause::Other, |(cause, _)| cause)
}
