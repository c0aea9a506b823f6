use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Decision, Environment, EnvironmentError, Episode, Policy, PolicyError, ScoreKind, SplitMix64, VectorEnvironment};

/// How actions are taken from a policy's scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The best-scored action.
    Greedy,
    /// Drawn by the policy's probabilities; of Q-values the best.
    Sampled,
}

/// How good a policy is: returns over seeded episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Episodes played.
    pub episodes: usize,
    /// Mean return.
    pub mean: f64,
    /// Standard deviation of the returns (of the sample, n - 1).
    pub standard_deviation: f64,
    /// The 95 % confidence interval of the mean, by the normal approximation: mean ± 1.96 s / sqrt(n).
    pub confidence_95: (f64, f64),
    /// Lowest return.
    pub min: f64,
    /// Highest return.
    pub max: f64,
    /// Mean length, steps.
    pub mean_steps: f64,
    /// The share of episodes in which nothing better was possible, 0 to 1, where that is known.
    pub optimal_share: Option<f64>,
}

/// Why a policy could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The policy gave no action.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The environment refused.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The policy is one for another environment.
    #[error(
        "the policy takes {policy_observation} values and scores {policy_actions} actions; {environment} has {observation} and {actions}"
    )]
    Mismatch {
        /// The environment's name.
        environment: &'static str,
        /// Values of its observations.
        observation: usize,
        /// Its actions.
        actions: usize,
        /// Values the policy takes.
        policy_observation: usize,
        /// Actions the policy scores.
        policy_actions: usize,
    },
}

impl EvaluationError {
    /// Whether the same call could succeed later: never.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// Refuses a policy that does not fit an environment.
pub fn check_fits(policy: &(impl Policy + ?Sized), environment: &impl Environment) -> Result<(), EvaluationError> {
    let (policy_observation, policy_actions) = (policy.observation_len(), policy.action_count());
    let (observation, actions) = (environment.observation_len(), environment.action_count());
    if (policy_observation, policy_actions) == (observation, actions) {
        return Ok(());
    }
    Err(EvaluationError::Mismatch { environment: environment.name(), observation, actions, policy_observation, policy_actions })
}

/// How many episodes run side by side.
const SIDE_BY_SIDE: usize = 64;

/// Plays exactly the episodes named by `episodes` seeds drawn from `seed`, and sums up.
pub fn evaluate<E: Environment>(
    policy: &(impl Policy + ?Sized),
    environment: &E,
    episodes: usize,
    seed: u64,
    selection: Selection,
) -> Result<Evaluation, EvaluationError> {
    check_fits(policy, environment)?;
    let copies = episodes.clamp(1, SIDE_BY_SIDE);
    let mut vector = VectorEnvironment::new(environment, copies, seed)?;
    let mut random = SplitMix64::stream(seed, u64::MAX);
    let mut scores = vec![0.0; copies * policy.action_count()];
    let mut decisions = vec![Decision::default(); copies];
    let mut actions = vec![0; copies];
    // Every copy plays the same number of episodes, so that short ones are not preferred.
    let each = episodes.max(1).div_ceil(copies);
    let mut played = vec![Vec::with_capacity(each); copies];
    while played.iter().any(|episodes| episodes.len() < each) {
        policy.act_batch(vector.observations(), &mut scores, &mut decisions)?;
        for ((action, decision), scores) in actions.iter_mut().zip(&decisions).zip(scores.chunks_exact(policy.action_count())) {
            *action = select(*decision, scores, selection, &mut random);
        }
        vector.step(&actions)?;
        let ended: Vec<usize> = (0..copies).filter(|copy| vector.steps()[*copy].is_last()).collect();
        for (copy, episode) in ended.into_iter().zip(vector.drain_finished()) {
            if played[copy].len() < each {
                played[copy].push(episode);
            }
        }
    }
    // Copy by copy, the first episodes of each, until there are as many as asked for.
    let in_order = (0..each).flat_map(|round| played.iter().map(move |episodes| episodes[round]));
    Ok(Evaluation::of(&in_order.take(episodes.max(1)).collect::<Vec<_>>()))
}

/// The action to take.
pub fn select(decision: Decision, scores: &[f32], selection: Selection, random: &mut SplitMix64) -> usize {
    if selection == Selection::Greedy || decision.scores != ScoreKind::Probabilities {
        return decision.action;
    }
    let mut left = random.unit() as f32;
    for (action, probability) in scores.iter().enumerate() {
        left -= probability;
        if left < 0.0 {
            return action;
        }
    }
    decision.action
}

impl Evaluation {
    /// Sums up episodes; of none everything is 0.
    pub fn of(episodes: &[Episode]) -> Self {
        let count = episodes.len().max(1) as f64;
        let returns = || episodes.iter().map(|episode| episode.total_reward);
        let mean = returns().sum::<f64>() / count;
        let squares: f64 = returns().map(|total| (total - mean).powi(2)).sum();
        let standard_deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        let half = 1.96 * standard_deviation / count.sqrt();
        let optimal: Option<Vec<bool>> = episodes.iter().map(Episode::is_optimal).collect();
        Self {
            episodes: episodes.len(),
            mean,
            standard_deviation,
            confidence_95: (mean - half, mean + half),
            min: returns().reduce(f64::min).unwrap_or(0.0),
            max: returns().reduce(f64::max).unwrap_or(0.0),
            mean_steps: episodes.iter().map(|episode| f64::from(episode.steps)).sum::<f64>() / count,
            optimal_share: optimal.map(|optimal| optimal.iter().filter(|optimal| **optimal).count() as f64 / count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::UniformPolicy;
    use crate::rl::avoidance::{Avoidance, RuleBaseline};
    use crate::rl::daladala::Daladala;

    fn episode(total_reward: f64, best: f64) -> Episode {
        Episode { total_reward, steps: 29, best_return: Some(best) }
    }

    #[test]
    fn the_summary_is_that_of_the_textbook() {
        let evaluation = Evaluation::of(&[episode(1.0, 9.0), episode(2.0, 2.0), episode(3.0, 9.0), episode(6.0, 6.0)]);
        assert_eq!((evaluation.mean, evaluation.min, evaluation.max, evaluation.optimal_share), (3.0, 1.0, 6.0, Some(0.5)));
        assert!((evaluation.standard_deviation - (14.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((evaluation.confidence_95.1 - 3.0 - 0.98 * (14.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn chance_earns_on_the_bus_what_the_reference_says() {
        // The reference: 85.25 over 2,000 episodes.
        let policy = UniformPolicy::new(&Daladala::new());
        let evaluation = evaluate(&policy, &Daladala::new(), 2000, 1, Selection::Sampled).unwrap();
        let (low, high) = evaluation.confidence_95;
        assert!(low - 3.0 < 85.25 && 85.25 < high + 3.0, "{evaluation:?}");
        assert_eq!((evaluation.episodes, evaluation.mean_steps, evaluation.optimal_share), (2000, 29.0, Some(0.0)));
    }

    #[test]
    fn the_same_seed_gives_the_same_evaluation_and_another_seed_another() {
        let run = |seed| evaluate(&RuleBaseline::new(), &Avoidance::new(), 50, seed, Selection::Greedy).unwrap();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1).mean, run(2).mean);
        assert_eq!(run(1).optimal_share, None);
    }

    #[test]
    fn a_policy_for_another_environment_is_refused() {
        let error = evaluate(&RuleBaseline::new(), &Daladala::new(), 10, 1, Selection::Greedy).unwrap_err();
        assert!(matches!(error, EvaluationError::Mismatch { environment: "daladala", observation: 14, policy_observation: 8, .. }));
        assert_eq!(error.to_string(), "the policy takes 8 values and scores 5 actions; daladala has 14 and 5");
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let decision = Decision { action: 1, scores: ScoreKind::Probabilities, value: None };
        let mut random = SplitMix64::new(2);
        let ones = (0..10_000).filter(|_| select(decision, &[0.25, 0.75], Selection::Sampled, &mut random) == 1).count();
        assert!(ones.abs_diff(7500) < 200, "{ones}");
        assert_eq!(select(decision, &[0.25, 0.75], Selection::Greedy, &mut random), 1);
    }
}
