//! Where a training stands, as it is told and kept.

use serde::{Deserialize, Serialize};
use slipstream_engine::rl::{Evaluation, PolicyDescription, learners::Progress};
use slipstream_protocol::{AgentId, SessionId, Timestamp};

use super::TrainingPlan;
use crate::training::Moment;

/// Points of the learning curve kept; more are thinned out.
const MAX_POINTS: usize = 512;

/// What a training does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingState {
    /// It learns.
    Running,
    /// It was told to stop and tells how good it is by then.
    Stopping,
    /// It came to its end.
    Done,
    /// It was stopped.
    Stopped,
    /// It could not go on.
    Failed,
    /// The server went down under it, and it does not go on by itself.
    Interrupted,
}

impl TrainingState {
    /// Every state, in the order of a training's life.
    pub const ALL: [Self; 6] = [Self::Running, Self::Stopping, Self::Done, Self::Stopped, Self::Failed, Self::Interrupted];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether nothing more comes of it by itself.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Stopping)
    }
}

/// Where a training stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingStatus {
    /// Tells this training from others; the session of its time series.
    pub id: SessionId,
    /// Whose.
    pub agent: AgentId,
    /// What it does.
    pub state: TrainingState,
    /// What it was asked to do.
    pub plan: TrainingPlan,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// How far it has come.
    pub progress: Progress,
    /// For how long this process has learnt, s, evaluations left out.
    pub learning_s: f64,
    /// The curves.
    pub curve: Curve,
    /// How often it went on after a stop, a drain or a crash.
    pub resumed: u32,
    /// The step it went on from by itself the last time.
    pub resumed_from: Option<u64>,
    /// What came of it.
    pub outcome: Option<TrainingOutcome>,
    /// Why it is as it is, and what to do.
    pub message: Option<String>,
}

/// What came of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingOutcome {
    /// How good the best policy of all evaluations is.
    pub evaluation: Evaluation,
    /// What it is.
    pub policy: PolicyDescription,
    /// Its file, as models are named.
    pub model: String,
    /// Whether the agent plays it.
    pub deployed: bool,
}

impl TrainingStatus {
    pub(super) fn new(agent: AgentId, id: SessionId, plan: TrainingPlan, now: Timestamp) -> Self {
        Self {
            id,
            agent,
            state: TrainingState::Running,
            plan,
            started_at: now,
            ended_at: None,
            progress: Progress::default(),
            learning_s: 0.0,
            curve: Curve::default(),
            resumed: 0,
            resumed_from: None,
            outcome: None,
            message: None,
        }
    }

    pub(super) fn look(&mut self, moment: &Moment) {
        self.progress = moment.progress;
        self.learning_s = moment.learning.as_secs_f64();
        self.curve.add(moment);
    }
}

/// How a training went so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// While learning, by chance included.
    pub learning: Vec<LearningPoint>,
    /// The policy alone.
    pub evaluated: Vec<EvaluatedPoint>,
}

/// A moment of learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningPoint {
    /// Steps taken.
    pub steps: u64,
    /// Mean return of the last 100 episodes.
    pub episode_reward: Option<f64>,
    /// How wrong the last predictions were.
    pub loss: Option<f64>,
    /// The share of actions taken by chance.
    pub epsilon: f64,
}

/// An evaluation on the way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluatedPoint {
    /// Steps taken.
    pub steps: u64,
    /// Mean return.
    pub mean: f64,
    /// Where its 95 % confidence interval begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

impl Curve {
    fn add(&mut self, moment: &Moment) {
        let Progress { steps, episode_reward, loss, epsilon, .. } = moment.progress;
        // One that goes on may begin before the newest point.
        self.learning.retain(|point| point.steps < steps);
        if self.learning.len() >= MAX_POINTS {
            let mut odd = true;
            self.learning.retain(|_| {
                odd = !odd;
                !odd
            });
        }
        self.learning.push(LearningPoint { steps, episode_reward, loss, epsilon });
        if let Some(Evaluation { mean, confidence_95: (low, high), .. }) = moment.evaluation {
            self.evaluated.retain(|point| point.steps < steps);
            self.evaluated.push(EvaluatedPoint { steps, mean, low, high });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_long_curve_is_thinned_out_and_keeps_beginning_end_and_order() {
        let mut curve = Curve::default();
        for steps in 1..=5_000 {
            let progress = Progress { steps, episode_reward: Some(steps as f64), ..Progress::default() };
            curve.add(&Moment { progress, evaluation: None, learning: Duration::ZERO });
        }
        assert!((MAX_POINTS / 2..=MAX_POINTS).contains(&curve.learning.len()), "{}", curve.learning.len());
        assert!(curve.learning.is_sorted_by(|a, b| a.steps < b.steps));
        assert!(curve.learning[0].steps < 50 && curve.learning.last().unwrap().steps == 5_000);
        let progress = Progress { steps: 100, ..Progress::default() };
        curve.add(&Moment { progress, evaluation: None, learning: Duration::ZERO });
        assert_eq!(curve.learning.last().unwrap().steps, 100, "one that goes on from an older checkpoint draws that part anew");
    }
}
