//! Whether a vehicle that is away from its stop has set off, or its positions are strays.

use serde::{Deserialize, Serialize};

use super::{
    detector::{TripConfig, micros},
    fix::{Fix, STANDING_MPS},
};

/// Farther away than a stop reaches: it may be a stray position, and the vehicle be back at once.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Away {
    /// Where it was first.
    pub(super) first: Fix,
    /// Nobody could have driven there.
    pub(super) relocated: bool,
    /// Nobody could have driven there and stood: a vehicle that stays there was brought, or its positions are strays.
    pub(super) hopped: bool,
}

/// A vehicle that is away for so long has set off, µs; in a third of it, where it has gone on. Where a stop takes less than three
/// times as long, a third of a stop.
const AWAY_FOR: i64 = 60_000_000;

/// A reported speed, kept up since the vehicle was last in its place, has to lead so far along the way: between two samples it
/// may have been higher.
const SUPPORTING_SHARE: f64 = 0.25;

impl Away {
    /// Whether it has been away for so long, or gone on so far, that it is no stray position. Where nobody could have driven there, it
    /// stays where nobody could have stopped, or the speeds that were reported lead nowhere, positions have to last as long as a stop.
    pub(super) fn is_sure(&self, config: &TripConfig, now: &Fix, supported: bool) -> bool {
        let stop = micros(config.stop_after_s);
        let (elapsed, enough) = (now.at - self.first.at, AWAY_FOR.min(stop / 3));
        let has_gone_on = self.has_gone_on(config, now);
        if self.relocated || !supported || (self.hopped && !has_gone_on) {
            return elapsed >= stop;
        }
        elapsed >= enough || (elapsed >= enough / 3 && has_gone_on)
    }

    /// Whether it is elsewhere now than where it was first.
    pub(super) fn has_gone_on(&self, config: &TripConfig, now: &Fix) -> bool {
        self.first.distance_m(now) > config.leave_m
    }
}

/// Whether the highest speed that was reported within `elapsed`, µs, may lead `way_m` far; where none was, the positions decide.
pub(super) fn is_supported(reported_mps: Option<f64>, way_m: f64, elapsed: i64) -> bool {
    reported_mps.is_none_or(|reported| reported >= STANDING_MPS && reported * (elapsed as f64 / 1e6) >= way_m * SUPPORTING_SHARE)
}
