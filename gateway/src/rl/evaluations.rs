//! Policies side by side: each plays the same seeded episodes, beside the live agents.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use slipstream_actors::Router;
use slipstream_engine::rl::{
    Decision, EnvironmentKind, Evaluation, Policy, PolicyDescription, PolicyError, Selection, UniformPolicy, evaluate,
};
use slipstream_protocol::{AgentId, Timestamp};
use tokio::sync::{Semaphore, oneshot};

use super::Models;
use crate::training::give_way;

/// Policies of one comparison at most.
pub const MAX_POLICIES: usize = 8;
/// Episodes of each at most.
pub const MAX_EPISODES: u64 = 10_000;
/// How long one comparison may play.
const PATIENCE: Duration = Duration::from_secs(30);
/// Comparisons remembered.
const REMEMBERED: usize = 8;
/// What names the policy that an agent plays now.
const AGENT: &str = "agent:";

/// Why policies could not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationRefusal {
    /// One comparison at a time.
    #[error("policies are being compared already: come back in some seconds")]
    Busy,
    /// No thread could be had.
    #[error("the comparison broke off")]
    BrokeOff,
}

impl EvaluationRefusal {
    /// Whether to try again without a change.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Busy)
    }
}

/// What is to be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contest {
    /// Where they play.
    pub environment: EnvironmentKind,
    /// Files of models, `built-in`, `random`, `rules`, or `agent:<id>`.
    pub policies: Vec<String>,
    /// Episodes of each.
    pub episodes: u64,
    /// Names the episodes: all play the same.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What was compared.
    #[serde(flatten)]
    pub contest: Contest,
    /// When.
    pub timestamp: Timestamp,
    /// One entry a policy, in the order asked for.
    pub results: Vec<Contestant>,
}

/// One policy's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contestant {
    /// As it was asked for.
    pub policy: String,
    /// What it is.
    pub description: Option<PolicyDescription>,
    /// How good it is.
    pub evaluation: Option<Evaluation>,
    /// Why that is not known.
    pub error: Option<String>,
}

/// Compares, one comparison at a time, and remembers the newest.
pub struct Evaluations {
    models: Models,
    router: Router,
    turn: Arc<Semaphore>,
    newest: Mutex<VecDeque<Arc<Comparison>>>,
    pub(crate) played: Counter,
}

impl Evaluations {
    pub(crate) fn new(models: Models, router: Router) -> Self {
        Self { models, router, turn: Arc::new(Semaphore::new(1)), newest: Mutex::default(), played: Counter::default() }
    }

    /// The newest comparisons, the newest first.
    pub fn newest(&self) -> Vec<Arc<Comparison>> {
        self.newest.lock().iter().cloned().collect()
    }

    /// Lets policies play the same episodes. One that cannot play says why, and the others play on.
    pub async fn compare(&self, contest: Contest, now: Timestamp) -> Result<Arc<Comparison>, EvaluationRefusal> {
        let turn = self.turn.clone().try_acquire_owned().map_err(|_| EvaluationRefusal::Busy)?;
        let mut players = Vec::with_capacity(contest.policies.len());
        for source in &contest.policies {
            players.push((source.clone(), self.policy(source, contest.environment).await));
        }
        let (tell, told) = oneshot::channel();
        let play = move || {
            give_way();
            let until = Instant::now() + PATIENCE;
            let results = players.into_iter().map(|(source, policy)| play(source, policy, &contest, until)).collect();
            // Who asked may have left; the turn ends either way.
            drop(turn);
            let _ = tell.send(Comparison { contest, timestamp: now, results });
        };
        thread::Builder::new().name("rl-evaluation".to_owned()).spawn(play).map_err(|_| EvaluationRefusal::BrokeOff)?;
        let comparison = Arc::new(told.await.map_err(|_| EvaluationRefusal::BrokeOff)?);
        self.played.inc();
        let mut newest = self.newest.lock();
        newest.truncate(REMEMBERED - 1);
        newest.push_front(comparison.clone());
        Ok(comparison)
    }

    async fn policy(&self, source: &str, environment: EnvironmentKind) -> Result<Arc<dyn Policy>, String> {
        match (source, environment) {
            ("random", _) => Ok(Arc::new(UniformPolicy::new(&environment.environment()))),
            ("rules", EnvironmentKind::Daladala) => Err("'rules' plays avoidance alone".to_owned()),
            (source, _) => match source.strip_prefix(AGENT) {
                Some(agent) => self.played_by(agent),
                None => self.models.named(source, environment).await.map(|played| played.policy).map_err(|error| error.to_string()),
            },
        }
    }

    fn played_by(&self, agent: &str) -> Result<Arc<dyn Policy>, String> {
        let view = self.router.views().agent(agent).ok_or_else(|| "there is no such agent".to_owned())?;
        view.policy.as_ref().map(|played| played.policy.clone()).ok_or_else(|| "this agent plays no policy".to_owned())
    }

    /// The agent whose policy a source names.
    pub fn agent_of(source: &str) -> Option<AgentId> {
        AgentId::new(source.strip_prefix(AGENT)?).ok()
    }
}

fn play(source: String, policy: Result<Arc<dyn Policy>, String>, contest: &Contest, until: Instant) -> Contestant {
    let policy = match policy {
        Ok(policy) => policy,
        Err(error) => return Contestant { policy: source, description: None, evaluation: None, error: Some(error) },
    };
    let description = Some(policy.description().clone());
    // Chance has no best action.
    let selection = if source == "random" { Selection::Sampled } else { Selection::Greedy };
    let timed = Timed { policy, until };
    let episodes = usize::try_from(contest.episodes).unwrap_or(usize::MAX);
    match evaluate(&timed, &contest.environment.environment(), episodes, contest.seed, selection) {
        Ok(evaluation) => Contestant { policy: source, description, evaluation: Some(evaluation), error: None },
        Err(error) => Contestant { policy: source, description, evaluation: None, error: Some(error.to_string()) },
    }
}

/// A policy that has no more to say once its time is over.
struct Timed {
    policy: Arc<dyn Policy>,
    until: Instant,
}

impl Timed {
    fn in_time(&self) -> Result<(), PolicyError> {
        if Instant::now() < self.until { Ok(()) } else { Err(PolicyError::OutOfTime) }
    }
}

impl Policy for Timed {
    fn description(&self) -> &PolicyDescription {
        self.policy.description()
    }

    fn observation_len(&self) -> usize {
        self.policy.observation_len()
    }

    fn action_count(&self) -> usize {
        self.policy.action_count()
    }

    fn act(&self, observation: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError> {
        self.in_time()?;
        self.policy.act(observation, scores)
    }

    fn act_batch(&self, observations: &[f32], scores: &mut [f32], decisions: &mut [Decision]) -> Result<(), PolicyError> {
        self.in_time()?;
        self.policy.act_batch(observations, scores, decisions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_whose_time_is_over_says_so_and_takes_no_step_more() {
        let environment = EnvironmentKind::Daladala;
        let contest = Contest { environment, policies: Vec::new(), episodes: 5, seed: 1 };
        let random = || Ok(Arc::new(UniformPolicy::new(&environment.environment())) as Arc<dyn Policy>);
        let late = play("random".to_owned(), random(), &contest, Instant::now());
        assert_eq!(late.error, Some(PolicyError::OutOfTime.to_string()));
        let played = play("random".to_owned(), random(), &contest, Instant::now() + PATIENCE);
        assert_eq!(played.evaluation.unwrap().episodes, 5);
    }
}
