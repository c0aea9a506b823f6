//! Measures how one corner of one lap was driven.

use super::corners::Corner;
use crate::laps::{LapTrace, TracePoint};

/// The brake is used from this share of its greatest value in the lap on.
const BRAKE_ON: f64 = 0.1;

/// Without a brake signal: deceleration from which the car is braking, m/s².
const BRAKING_MPS2: f64 = 3.0;

/// The throttle is picked up at this share of its whole way.
const THROTTLE_ON: f64 = 0.3;

/// The whole way of a throttle told in %; sources that never tell more than 1 tell a share.
const WHOLE_PCT: f64 = 100.0;

/// Without a throttle signal: acceleration from which the throttle is on, m/s².
const DRIVING_MPS2: f64 = 0.7;

/// The own apex lies at most this far from the reference lap's, m.
const APEX_REACH_M: f64 = 60.0;

/// The throttle is looked for from this far before the own apex, m.
const PICKUP_BEFORE_M: f64 = 40.0;

/// Distance between looks, m: finer than the trace, because crossings fall between its points.
const LOOK_M: f64 = 1.0;

/// One corner as it was driven, by places on the reference lap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// Where braking began, m after the line.
    pub(super) brake_m: Option<f64>,
    /// Lowest speed, m/s.
    pub(super) min_mps: f64,
    /// Where the throttle was picked up, m after the line.
    pub(super) pickup_m: Option<f64>,
    /// Speed at the cut before the next corner, m/s.
    pub(super) straight_mps: f64,
    /// Time from the corner's cut to the next, s.
    pub(super) time_s: f64,
}

/// A lap read by places of the reference lap: laps differ a little in length.
struct ByPlace<'a> {
    lap: &'a LapTrace,
    scale: f64,
}

impl ByPlace<'_> {
    fn at(&self, place_m: f64) -> TracePoint {
        self.lap.at(place_m * self.scale).unwrap_or(NOWHERE)
    }

    fn speed(&self, place_m: f64) -> f64 {
        f64::from(self.at(place_m).speed_mps)
    }

    /// Time since the line; exact at both ends of the lap.
    fn time(&self, place_m: f64) -> f64 {
        let own_m = place_m * self.scale;
        let end_m = self.lap.step_m * (self.lap.points.len() as f64 - 1.0);
        if own_m <= end_m {
            return f64::from(self.at(place_m).time_s);
        }
        let rest = ((own_m - end_m) / (self.lap.length_m - end_m).max(1e-6)).clamp(0.0, 1.0);
        let at_end = self.lap.points.last().map_or(0.0, |p| f64::from(p.time_s));
        at_end + (self.lap.time_s - at_end) * rest
    }

    /// Longitudinal acceleration over 10 m, m/s².
    fn accel(&self, place_m: f64) -> f64 {
        let (a, b) = (self.speed(place_m - 5.0), self.speed(place_m + 5.0));
        (b * b - a * a) / 20.0
    }
}

const NOWHERE: TracePoint =
    TracePoint { time_s: 0.0, speed_mps: 0.0, throttle_pct: f32::NAN, brake: f32::NAN, x_m: f32::NAN, y_m: f32::NAN };

pub(super) fn measure(reference: &LapTrace, lap: &LapTrace, corner: &Corner) -> Measured {
    let lap = ByPlace { lap, scale: lap.length_m / reference.length_m };
    let apex_m = looks((corner.apex_m - APEX_REACH_M).max(corner.from_m), (corner.apex_m + APEX_REACH_M).min(corner.to_m))
        .min_by(|a, b| lap.speed(*a).total_cmp(&lap.speed(*b)))
        .unwrap_or(corner.apex_m);
    Measured {
        brake_m: brake_point(&lap, corner, apex_m),
        min_mps: lap.speed(apex_m),
        pickup_m: pickup(&lap, corner, apex_m),
        straight_mps: lap.speed(corner.to_m),
        time_s: lap.time(corner.to_m) - lap.time(corner.from_m),
    }
}

fn looks(from_m: f64, to_m: f64) -> impl Iterator<Item = f64> {
    let count = ((to_m - from_m) / LOOK_M).max(0.0) as usize;
    (0..=count).map(move |i| from_m + i as f64 * LOOK_M)
}

/// The first place before the apex from which the brake is used, where it is.
fn brake_point(lap: &ByPlace<'_>, corner: &Corner, apex_m: f64) -> Option<f64> {
    let greatest = lap.lap.points.iter().map(|p| f64::from(p.brake)).filter(|b| b.is_finite()).fold(f64::NAN, f64::max);
    let braking = |place: f64| {
        if greatest > 0.0 { f64::from(lap.at(place).brake) >= greatest * BRAKE_ON } else { lap.accel(place) <= -BRAKING_MPS2 }
    };
    looks(corner.from_m, apex_m).find(|place| braking(*place) && braking(place + 5.0))
}

/// The first place around the apex from which the throttle stays on; none where it was never off.
fn pickup(lap: &ByPlace<'_>, corner: &Corner, apex_m: f64) -> Option<f64> {
    let greatest = lap.lap.points.iter().map(|p| f64::from(p.throttle_pct)).filter(|t| t.is_finite()).fold(0.0, f64::max);
    let whole = if greatest <= 1.0 { 1.0 } else { WHOLE_PCT };
    let on = |place: f64| {
        if greatest > 0.0 { f64::from(lap.at(place).throttle_pct) >= THROTTLE_ON * whole } else { lap.accel(place) >= DRIVING_MPS2 }
    };
    let from_m = (apex_m - PICKUP_BEFORE_M).max(corner.from_m);
    if on(from_m) {
        // Already on: only a lift behind this place is a pick-up of this corner.
        let lift = looks(from_m, apex_m + PICKUP_BEFORE_M).find(|place| !on(*place))?;
        return looks(lift, corner.to_m).find(|place| on(*place) && on(place + 15.0));
    }
    looks(from_m, corner.to_m).find(|place| on(*place) && on(place + 15.0))
}
