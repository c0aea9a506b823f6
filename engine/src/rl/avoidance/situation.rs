use serde::{Deserialize, Serialize};

use super::conditions::{Road, Weather};
use super::physics::collision_probability;

/// Values in an observation.
pub const OBSERVATION_LEN: usize = 8;

/// What the values are; each is scaled to [-1, 1].
pub const OBSERVATION_NAMES: [&str; OBSERVATION_LEN] =
    ["distance", "relative_speed", "bearing", "road", "weather", "hour", "attention", "collision_probability"];

/// The distance beyond which another vehicle is no threat, m.
pub const SIGHT_M: f64 = 200.0;

/// The relative speed that scales to one, m/s.
const SPEED_SCALE_MPS: f64 = 40.0;

/// What the agent knows: the state of the conflict with the most threatening vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// Free way between the two, m; [`SIGHT_M`] where there is nobody.
    pub distance_m: f64,
    /// How fast the gap closes, m/s; negative where it opens.
    pub relative_speed_mps: f64,
    /// Direction of the other seen from the car's heading, degrees: 0 ahead, positive to the left.
    pub bearing_deg: f64,
    /// The kind of road.
    pub road: Road,
    /// The weather.
    pub weather: Weather,
    /// Hour of the day, 0 to 23.
    pub hour: u8,
    /// The driver's attention, 0 (distracted) to 1 (alert).
    pub attention: f64,
    /// The probability that the driver reacts too late, 0 to 1.
    pub collision_probability: f64,
}

impl Situation {
    /// The situation of a measured gap and closing speed; the probability follows from the physics.
    pub fn measured(gap_m: f64, closing_mps: f64, bearing_deg: f64, road: Road, weather: Weather, hour: u8, attention: f64) -> Self {
        Self {
            distance_m: gap_m.clamp(0.0, SIGHT_M),
            relative_speed_mps: closing_mps,
            bearing_deg,
            road,
            weather,
            hour,
            attention,
            collision_probability: if gap_m >= SIGHT_M { 0.0 } else { collision_probability(gap_m, closing_mps, weather, attention) },
        }
    }

    /// The same as a network reads it: each value scaled to [-1, 1].
    pub fn observation(&self) -> [f32; OBSERVATION_LEN] {
        let unit = |value: f64| (value.clamp(0.0, 1.0) * 2.0 - 1.0) as f32;
        [
            unit(self.distance_m / SIGHT_M),
            (self.relative_speed_mps / SPEED_SCALE_MPS).clamp(-1.0, 1.0) as f32,
            (self.bearing_deg / 180.0).clamp(-1.0, 1.0) as f32,
            unit(f64::from(self.road as u8) / (Road::ALL.len() - 1) as f64),
            unit(f64::from(self.weather as u8) / (Weather::ALL.len() - 1) as f64),
            unit(f64::from(self.hour) / 23.0),
            unit(self.attention),
            unit(self.collision_probability),
        ]
    }

    /// What an observation was made of; values outside [-1, 1] count as the nearest bound.
    pub fn of_observation(observation: &[f32; OBSERVATION_LEN]) -> Self {
        let unit = |place: usize| f64::from(observation[place]).midpoint(1.0).clamp(0.0, 1.0);
        let number = |place: usize, most: usize| (unit(place) * most as f64).round() as usize;
        Self {
            distance_m: unit(0) * SIGHT_M,
            relative_speed_mps: f64::from(observation[1]) * SPEED_SCALE_MPS,
            bearing_deg: f64::from(observation[2]) * 180.0,
            road: Road::ALL[number(3, Road::ALL.len() - 1)],
            weather: Weather::ALL[number(4, Weather::ALL.len() - 1)],
            hour: number(5, 23) as u8,
            attention: unit(6),
            collision_probability: unit(7),
        }
    }
}
