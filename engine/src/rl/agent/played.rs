use std::sync::Arc;

use super::super::{EnvironmentKind, Policy, avoidance::RuleBaseline, learners, policy};
use super::AgentError;

/// A policy, and the file it can be read from again.
#[derive(Clone)]
pub struct PlayedPolicy {
    /// What is played.
    pub policy: Arc<dyn Policy>,
    /// A file that [`PlayedPolicy::read`] reads; without one the policy does not outlive its process.
    pub file: Option<Arc<[u8]>>,
}

/// What stands for the rules where a file of weights would be.
const RULES: &[u8] = b"slipstream avoidance rules-1";

impl PlayedPolicy {
    /// The rules of collision avoidance, a policy that needs no training.
    pub fn rules() -> Self {
        Self { policy: Arc::new(RuleBaseline::new()), file: Some(RULES.into()) }
    }

    /// The policy in a file that was played in `environment` before; the file does not say so itself.
    pub fn read(file: &Arc<[u8]>, environment: EnvironmentKind) -> Result<Self, AgentError> {
        if **file == *RULES {
            return Ok(Self::rules());
        }
        let policy: Arc<dyn Policy> = match policy::load(file) {
            Ok(policy) => Arc::new(policy.trained_in(environment.name())),
            // What was learnt here and is no network is kept as its learner's checkpoint.
            Err(error) => learners::resume(file).and_then(|learner| learner.policy()).map_err(|_| AgentError::Saved(error.to_string()))?,
        };
        Ok(Self { policy, file: Some(file.clone()) })
    }
}
