use serde::{Deserialize, Serialize};

use super::super::SplitMix64;
use super::conditions::{Road, Weather};
use super::physics::deceleration_limit_mps2;
use super::traffic::{MAX_VEHICLES, Plan, VEHICLE_LENGTH_M, Vehicle};

/// What is given before an episode's first step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// The kind of road.
    pub road: Road,
    /// The weather.
    pub weather: Weather,
    /// Hour of the day, 0 to 23.
    pub hour: u8,
    /// The driver's attention, 0 to 1.
    pub attention: f64,
    /// The car's lane, 0 the rightmost.
    pub lane: u8,
    /// The car's speed, m/s.
    pub speed_mps: f64,
    /// The others, by their place relative to the car; the first is the one ahead in its lane.
    pub vehicles: [Option<Vehicle>; MAX_VEHICLES],
    /// Seeds what the driver does by chance.
    pub seed: u64,
}

impl Scenario {
    /// Draws a conflict: mostly fair weather, a leader who may slow, brake hard, or stand still, and traffic
    /// around as dense as road and hour have it.
    pub fn draw(random: &mut SplitMix64) -> Self {
        let road = Road::ALL[random.below(Road::ALL.len())];
        let weather = Weather::ALL[weighted(random, &[0.5, 0.2, 0.1, 0.12, 0.08])];
        let hour = random.below(24) as u8;
        let speed_mps = road.speed_limit_mps() * weather.prudence() * random.range(0.8, 1.1);
        let lane = random.below(road.lanes() as usize) as u8;
        let mut vehicles = [None; MAX_VEHICLES];
        vehicles[0] = Some(leader(random, lane, speed_mps, weather));
        let density = road.traffic_density(hour);
        let mut place = 1;
        for side in 0..road.lanes() {
            for ahead in [true, false] {
                if (side != lane || !ahead) && random.unit() < density {
                    vehicles[place] = Some(neighbour(random, side, side == lane, ahead, speed_mps));
                    place += 1;
                }
            }
        }
        Self { road, weather, hour, attention: random.range(0.2, 1.0), lane, speed_mps, vehicles, seed: random.next_u64() }
    }

    /// Says what is impossible about this scenario.
    pub(super) fn check(&self) -> Result<(), String> {
        let inside = |name: &str, value: f64, low: f64, high: f64| {
            if value >= low && value <= high { Ok(()) } else { Err(format!("{name} is {value}, not within {low} to {high}")) }
        };
        inside("hour", f64::from(self.hour), 0.0, 23.0)?;
        inside("attention", self.attention, 0.0, 1.0)?;
        inside("lane", f64::from(self.lane), 0.0, f64::from(self.road.lanes() - 1))?;
        inside("speed_mps", self.speed_mps, 0.0, 100.0)?;
        for vehicle in self.vehicles.iter().flatten() {
            inside("a vehicle's lane", f64::from(vehicle.lane), 0.0, f64::from(self.road.lanes() - 1))?;
            inside("a vehicle's place", vehicle.position_m, -1000.0, 1000.0)?;
            inside("a vehicle's speed", vehicle.speed_mps, 0.0, 100.0)?;
            if vehicle.lane == self.lane && vehicle.position_m.abs() <= VEHICLE_LENGTH_M {
                return Err("a vehicle stands where the car is".to_owned());
            }
        }
        Ok(())
    }
}

/// A place of `weights`, as likely as its weight; they sum to one.
fn weighted(random: &mut SplitMix64, weights: &[f64]) -> usize {
    let mut left = random.unit();
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return place;
        }
    }
    weights.len() - 1
}

/// The one ahead: at 0.8 to 2.5 s of headway, with a plan.
fn leader(random: &mut SplitMix64, lane: u8, speed_mps: f64, weather: Weather) -> Vehicle {
    let headway_m = speed_mps * random.range(0.8, 2.5);
    let cruising = speed_mps * random.range(0.6, 1.05);
    let at_s = random.range(1.0, 8.0);
    let (gap_m, speed, plan) = match weighted(random, &[0.3, 0.4, 0.15, 0.15]) {
        0 => (headway_m, cruising, Plan::cruise(cruising)),
        1 => (
            headway_m,
            cruising,
            Plan { at_s, deceleration_mps2: random.range(1.0, 3.0), ..Plan::cruise(cruising * random.range(0.2, 0.7)) },
        ),
        2 => (headway_m, cruising, Plan { at_s, deceleration_mps2: 0.8 * deceleration_limit_mps2(weather), ..Plan::cruise(0.0) }),
        // A standing obstacle is seen from further away.
        _ => (headway_m + speed_mps * random.range(2.0, 4.0), 0.0, Plan::cruise(0.0)),
    };
    Vehicle { lane, position_m: VEHICLE_LENGTH_M + gap_m.max(2.0), speed_mps: speed, plan }
}

/// One of the traffic around, beside, ahead or behind.
fn neighbour(random: &mut SplitMix64, lane: u8, own_lane: bool, ahead: bool, speed_mps: f64) -> Vehicle {
    let speed = speed_mps * random.range(0.8, 1.15);
    // In another lane somebody may be right beside the car.
    let nearest = if own_lane { VEHICLE_LENGTH_M + 0.8 * speed } else { 0.0 };
    let away = nearest + random.range(0.0, 2.0) * speed;
    Vehicle { lane, position_m: if ahead { away + VEHICLE_LENGTH_M } else { -away }, speed_mps: speed, plan: Plan::cruise(speed) }
}
