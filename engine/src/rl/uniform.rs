use super::{Decision, Environment, Policy, PolicyDescription, PolicyError, ScoreKind};

/// Gives every action the same probability: chance, when sampled from. What any learner must beat.
#[derive(Clone, Debug)]
pub struct UniformPolicy {
    description: PolicyDescription,
    observation_len: usize,
    action_count: usize,
}

impl UniformPolicy {
    /// Chance in this environment.
    pub fn new(environment: &impl Environment) -> Self {
        Self {
            description: PolicyDescription {
                algorithm: "uniform".to_owned(),
                architecture: "every action alike".to_owned(),
                environment: Some(environment.name().to_owned()),
                version: "uniform-1".to_owned(),
            },
            observation_len: environment.observation_len(),
            action_count: environment.action_count(),
        }
    }
}

impl Policy for UniformPolicy {
    fn description(&self) -> &PolicyDescription {
        &self.description
    }

    fn observation_len(&self) -> usize {
        self.observation_len
    }

    fn action_count(&self) -> usize {
        self.action_count
    }

    fn act(&self, observation: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError> {
        PolicyError::check_lens(self, observation, scores)?;
        scores.fill(1.0 / self.action_count as f32);
        Ok(Decision { action: 0, scores: ScoreKind::Probabilities, value: None })
    }
}
