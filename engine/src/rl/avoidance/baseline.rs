use super::super::{Decision, Policy, PolicyDescription, PolicyError, ScoreKind};
use super::ACTION_NAMES;
use super::motion::Advice;
use super::physics::{reaction_time_s, time_to_collision_s};
use super::situation::{OBSERVATION_LEN, Situation};

/// Headway beyond the driver's reaction time, s.
const SPARE_S: f64 = 0.3;

/// The rules a learner is compared with: brake hard where a collision is likely or less than 2.5 s away, gradually
/// where it is possible or less than 6 s away or the headway is shorter than the driver's reaction and does
/// not open, else go on. They never advise a lane change: they cannot see who is beside.
#[derive(Clone, Debug)]
pub struct RuleBaseline {
    description: PolicyDescription,
}

impl RuleBaseline {
    /// The rules.
    pub fn new() -> Self {
        Self {
            description: PolicyDescription {
                algorithm: "rules".to_owned(),
                architecture: "time to collision and collision probability".to_owned(),
                environment: Some("avoidance".to_owned()),
                version: "rules-1".to_owned(),
            },
        }
    }

    fn advise(observation: &[f32; OBSERVATION_LEN]) -> Advice {
        let Situation { distance_m, relative_speed_mps, road, weather, attention, collision_probability, .. } =
            Situation::of_observation(observation);
        let ttc_s = time_to_collision_s(distance_m, relative_speed_mps);
        // The car's own speed is not in the observation: take what one drives on such a road.
        let usual_mps = road.speed_limit_mps() * weather.prudence();
        let headway_m = usual_mps * (reaction_time_s(attention) + SPARE_S);
        if collision_probability > 0.3 || ttc_s < 2.5 {
            Advice::HardBrake
        } else if collision_probability > 0.02 || ttc_s < 6.0 || (distance_m < headway_m && relative_speed_mps > -1.0) {
            Advice::Decelerate
        } else {
            Advice::Maintain
        }
    }
}

impl Default for RuleBaseline {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for RuleBaseline {
    fn description(&self) -> &PolicyDescription {
        &self.description
    }

    fn observation_len(&self) -> usize {
        OBSERVATION_LEN
    }

    fn action_count(&self) -> usize {
        ACTION_NAMES.len()
    }

    fn act(&self, observation: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError> {
        PolicyError::check_lens(self, observation, scores)?;
        if observation.iter().any(|value| value.is_nan()) {
            return Err(PolicyError::NotANumber);
        }
        let expected = OBSERVATION_LEN;
        let observation = observation.try_into().map_err(|_| PolicyError::ObservationLength { expected, got: observation.len() })?;
        let action = Self::advise(observation) as usize;
        scores.fill(0.0);
        scores[action] = 1.0;
        Ok(Decision { action, scores: ScoreKind::Probabilities, value: None })
    }
}
