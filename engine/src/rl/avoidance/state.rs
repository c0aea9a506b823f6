use serde::{Deserialize, Serialize};

use super::super::{EnvironmentError, SplitMix64};
use super::motion::MAX_STEPS;
use super::physics::{LANE_WIDTH_M, lane_change_s};
use super::scenario::Scenario;
use super::situation::{SIGHT_M, Situation};
use super::traffic::{MAX_VEHICLES, Vehicle, gap_m};

/// Where an episode stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What was given.
    pub scenario: Scenario,
    /// Steps taken.
    pub step_count: u32,
    /// The car's way since the beginning, m.
    pub position_m: f64,
    /// The car's speed, m/s.
    pub speed_mps: f64,
    /// The car's acceleration in the last step, m/s².
    pub acceleration_mps2: f64,
    /// The lane the car is in, or leaves.
    pub lane: u8,
    /// The lane it is changing to, and for how long it has been, s.
    pub changing: Option<(u8, f64)>,
    /// How long the driver has been told to do something, s: he acts once it exceeds his reaction time.
    pub warned_s: f64,
    /// The others, by their place along the road.
    pub vehicles: [Option<Vehicle>; MAX_VEHICLES],
    /// The impact speed of the collision that ended the episode, m/s.
    pub impact_mps: Option<f64>,
    /// What the driver does by chance.
    pub random: SplitMix64,
    /// Whether the episode has ended.
    pub over: bool,
}

impl State {
    /// An episode's first state.
    pub fn beginning(scenario: Scenario) -> Self {
        Self {
            scenario,
            step_count: 0,
            position_m: 0.0,
            speed_mps: scenario.speed_mps,
            acceleration_mps2: 0.0,
            lane: scenario.lane,
            changing: None,
            warned_s: 0.0,
            vehicles: scenario.vehicles,
            impact_mps: None,
            random: SplitMix64::new(scenario.seed),
            over: false,
        }
    }

    /// Whether the car is in this lane; while it changes it is in two.
    pub(super) fn occupies(&self, lane: u8) -> bool {
        self.lane == lane || self.changing.is_some_and(|(to, _)| to == lane)
    }

    /// The nearest vehicle ahead of the car in the lanes it occupies: gap (m, negative where they overlap) and the
    /// vehicle.
    pub(super) fn threat(&self) -> Option<(f64, Vehicle)> {
        let ahead = self.vehicles.iter().flatten().filter(|other| self.occupies(other.lane) && other.position_m > self.position_m);
        ahead.map(|other| (gap_m(self.position_m, other.position_m), *other)).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// How far the car is to the left of the middle of its lane 0, m.
    fn sideways_m(&self) -> f64 {
        let moved = self.changing.map_or(0.0, |(to, since_s)| {
            (f64::from(to) - f64::from(self.lane)) * (since_s / lane_change_s(self.scenario.weather)).min(1.0)
        });
        (f64::from(self.lane) + moved) * LANE_WIDTH_M
    }

    /// What the agent knows.
    pub(super) fn situation(&self) -> Situation {
        let Scenario { road, weather, hour, attention, .. } = self.scenario;
        let (gap, closing, bearing_deg) = self.threat().filter(|(gap, _)| *gap < SIGHT_M).map_or((SIGHT_M, 0.0, 0.0), |(gap, other)| {
            let left_m = f64::from(other.lane) * LANE_WIDTH_M - self.sideways_m();
            let bearing_deg = left_m.atan2(other.position_m - self.position_m).to_degrees();
            (gap, self.speed_mps - other.speed_mps, bearing_deg)
        });
        Situation::measured(gap, closing, bearing_deg, road, weather, hour, attention)
    }

    /// Refuses what no episode can reach.
    pub(super) fn check(&self) -> Result<(), EnvironmentError> {
        self.scenario.check().map_err(EnvironmentError::Layout)?;
        let state = |reason: &str| Err(EnvironmentError::State(reason.to_owned()));
        let finite = [self.position_m, self.speed_mps, self.acceleration_mps2, self.warned_s, self.impact_mps.unwrap_or(0.0)];
        let others = self.vehicles.iter().flatten().flat_map(|other| [other.position_m, other.speed_mps]);
        if finite.into_iter().chain(others).any(|value| !value.is_finite()) {
            return state("a number is not finite");
        }
        let lanes = self.scenario.road.lanes();
        let changing_to = self.changing.map_or(0, |(to, _)| to);
        if self.lane >= lanes || changing_to >= lanes || self.vehicles.iter().flatten().any(|other| other.lane >= lanes) {
            return state("a lane does not exist");
        }
        if self.step_count > MAX_STEPS || (!self.over && (self.step_count == MAX_STEPS || self.impact_mps.is_some())) {
            return state("the episode should be over");
        }
        Ok(())
    }
}
