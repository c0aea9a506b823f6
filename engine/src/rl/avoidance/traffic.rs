use serde::{Deserialize, Serialize};

use super::physics::GRAVITY_MPS2;

/// The most vehicles beside the car itself: one ahead and one behind in each of three lanes.
pub const MAX_VEHICLES: usize = 6;

/// Length of every vehicle, m.
pub const VEHICLE_LENGTH_M: f64 = 4.8;

/// What a vehicle means to do by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// When it acts, s after the beginning.
    pub at_s: f64,
    /// How hard it brakes then, m/s².
    pub deceleration_mps2: f64,
    /// The speed it brakes down to, m/s.
    pub to_mps: f64,
}

impl Plan {
    /// Goes on at this speed.
    pub(super) fn cruise(to_mps: f64) -> Self {
        Self { at_s: 0.0, deceleration_mps2: 0.0, to_mps }
    }
}

/// Another vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vehicle {
    /// Its lane, 0 the rightmost.
    pub lane: u8,
    /// The middle of it along the road, m; the car began at 0.
    pub position_m: f64,
    /// Its speed, m/s.
    pub speed_mps: f64,
    /// What it means to do.
    pub plan: Plan,
}

/// The way between two vehicles' bumpers, m, the second ahead; negative where they overlap.
pub(super) fn gap_m(behind: f64, ahead: f64) -> f64 {
    ahead - behind - VEHICLE_LENGTH_M
}

impl Vehicle {
    /// Its acceleration, m/s²: its plan, and never less careful than the intelligent driver model towards
    /// whoever is ahead (`gap` m, `ahead_mps`).
    pub(super) fn acceleration(&self, time_s: f64, ahead: Option<(f64, f64)>, limit_mps2: f64) -> f64 {
        let planned = if time_s >= self.plan.at_s && self.speed_mps > self.plan.to_mps { -self.plan.deceleration_mps2 } else { 0.0 };
        let careful = ahead.map_or(0.0, |(gap, speed)| following(self.speed_mps, gap, speed));
        planned.min(careful).max(-limit_mps2)
    }
}

/// The braking term of the intelligent driver model, m/s² (Treiber, Hennecke and Helbing, Physical Review E 62,
/// 2000): -a (s*/s)², s* = s0 + v T + v dv / (2 sqrt(a b)); free acceleration is left out, as traffic
/// holds its speed. Headway 1 s, standstill gap 2 m.
fn following(speed: f64, gap: f64, ahead: f64) -> f64 {
    const ACCELERATION: f64 = 1.5;
    const COMFORTABLE: f64 = 2.0;
    let wished = 2.0 + (speed + speed * (speed - ahead) / (2.0 * (ACCELERATION * COMFORTABLE).sqrt())).max(0.0);
    let ratio = wished / gap.max(0.1);
    // Where the wish is met nobody brakes.
    if ratio <= 1.0 { 0.0 } else { -(ACCELERATION * ratio * ratio).min(GRAVITY_MPS2) }
}
