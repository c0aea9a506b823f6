//! What a training beside live agents is asked to do, and how much it may ask for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use slipstream_engine::rl::{
    EnvironmentKind,
    learners::{self, LearnerConfig},
};

use crate::training::TrainingOptions;

/// Steps of a training at most.
pub const MAX_STEPS: u64 = 5_000_000;
/// Episodes of an evaluation on the way at most; the last one plays ten times as many.
pub const MAX_EPISODES: u64 = 2_000;
/// Evaluations on the way at most.
const MAX_EVALUATIONS: u64 = 500;
const MAX_ENVIRONMENTS: usize = 256;
const MAX_LAYERS: usize = 4;
const MAX_WIDTH: usize = 512;
const MAX_BATCH: usize = 2_048;
const MAX_REPLAY: usize = 200_000;
/// Fitted Q fits all of its replay, again and again.
const MAX_FITTED_REPLAY: usize = 50_000;
const MAX_TREES: u16 = 200;
const MAX_DEPTH: u16 = 32;
const MAX_CELLS: u64 = 1_000_000;

/// What is to be learnt, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// What to learn in: the agent's environment.
    pub environment: EnvironmentKind,
    /// How to learn.
    pub learner: LearnerConfig,
    /// Everything random follows from it.
    pub seed: u64,
    /// Steps in the environments at most.
    pub steps: u64,
    /// It ends sooner once an evaluation's mean return is this.
    pub until: Option<f64>,
    /// Steps between two evaluations.
    pub evaluate_every: u64,
    /// Episodes of an evaluation on the way.
    pub episodes: u64,
    /// Whether the agent plays the policy as soon as it is there.
    pub deploy: bool,
}

impl TrainingPlan {
    /// One that suits an environment, as `slipstream rl train` has it.
    pub fn of(environment: EnvironmentKind, learner: LearnerConfig) -> Self {
        let defaults = TrainingOptions::of(environment, learner);
        Self {
            environment,
            learner: defaults.config,
            seed: 1,
            steps: defaults.steps,
            until: (environment == EnvironmentKind::Daladala).then_some(420.0),
            evaluate_every: defaults.evaluate_every,
            episodes: defaults.episodes as u64,
            deploy: false,
        }
    }

    /// The name of the algorithm, as plans are asked for.
    pub const fn algorithm(&self) -> &'static str {
        match self.learner {
            LearnerConfig::Dqn(_) => "dqn",
            LearnerConfig::QTable(_) => "q-table",
            LearnerConfig::FittedQ(_) => "fitted-q",
        }
    }

    pub(super) fn options(&self, checkpoint: PathBuf, resume: bool) -> TrainingOptions {
        TrainingOptions {
            environment: self.environment,
            config: self.learner.clone(),
            seed: self.seed,
            steps: self.steps,
            until: self.until,
            evaluate_every: self.evaluate_every,
            episodes: usize::try_from(self.episodes).unwrap_or(usize::MAX),
            checkpoint: Some(checkpoint),
            resume,
        }
    }

    /// What is broken or asks for too much: the field and why.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let least_between = self.steps.div_ceil(MAX_EVALUATIONS);
        let mut faults = Vec::new();
        for (field, value, least, most) in [
            ("steps", self.steps, 1, MAX_STEPS),
            ("episodes", self.episodes, 1, MAX_EPISODES),
            ("evaluate_every", self.evaluate_every, least_between.max(1), MAX_STEPS),
        ] {
            if !(least..=most).contains(&value) {
                faults.push((field, format!("{least} to {most} is expected, not {value}")));
            }
        }
        faults.extend(too_large(&self.learner).map(|why| ("learner", why)));
        if faults.is_empty()
            && let Err(error) = learners::begin(self.environment, &self.learner, self.seed)
        {
            faults.push(("learner", error.to_string()));
        }
        faults
    }
}

/// The first setting that asks for more memory or time than a server gives.
fn too_large(learner: &LearnerConfig) -> Option<String> {
    let bounds: Vec<(&str, u64, u64)> = match learner {
        LearnerConfig::Dqn(c) => vec![
            ("environments", c.environments as u64, MAX_ENVIRONMENTS as u64),
            ("layers in hidden", c.hidden.len() as u64, MAX_LAYERS as u64),
            ("width in hidden", c.hidden.iter().copied().max().unwrap_or(1) as u64, MAX_WIDTH as u64),
            ("least width in hidden", c.hidden.iter().copied().min().unwrap_or(1) as u64, MAX_WIDTH as u64),
            ("batch", c.batch as u64, MAX_BATCH as u64),
            ("replay", c.replay as u64, MAX_REPLAY as u64),
        ],
        LearnerConfig::QTable(c) => {
            let cells = c.bins.iter().try_fold(1_u64, |cells, bins| cells.checked_mul(u64::from(*bins))).unwrap_or(u64::MAX);
            vec![("environments", c.environments as u64, MAX_ENVIRONMENTS as u64), ("product of bins", cells, MAX_CELLS)]
        }
        LearnerConfig::FittedQ(c) => vec![
            ("environments", c.environments as u64, MAX_ENVIRONMENTS as u64),
            ("trees", c.trees.into(), MAX_TREES.into()),
            ("depth", c.depth.into(), MAX_DEPTH.into()),
            ("replay", c.replay as u64, MAX_FITTED_REPLAY as u64),
        ],
    };
    let broken = bounds.into_iter().find(|(_, value, most)| *value == 0 || value > most);
    broken.map(|(what, value, most)| format!("{what}: 1 to {most} is expected, not {value}"))
}

/// The settings of an algorithm that suit an environment, with those `given` in place of their own.
///
/// Fails with what is wrong about the algorithm's name or about what was given.
pub fn learner_config(environment: EnvironmentKind, algorithm: &str, given: &Map<String, Value>) -> Result<LearnerConfig, String> {
    let defaults = match algorithm.to_ascii_lowercase().replace('_', "-").as_str() {
        "dqn" => LearnerConfig::dqn(environment),
        "q-table" => LearnerConfig::q_table(environment),
        "fitted-q" => LearnerConfig::fitted_q(environment),
        other => return Err(format!("unknown algorithm '{}': dqn, q-table and fitted-q are known", shortened(other))),
    };
    let mut settings = serde_json::to_value(&defaults).map_err(|error| error.to_string())?;
    overlay(&mut settings, given, "")?;
    serde_json::from_value(settings).map_err(|error| error.to_string())
}

/// Puts what is given over settings of the same names, tables over tables.
fn overlay(settings: &mut Value, given: &Map<String, Value>, within: &str) -> Result<(), String> {
    let Some(settings) = settings.as_object_mut() else { return Err(format!("{within} is no table")) };
    for (name, value) in given {
        let known = settings.keys().filter(|key| *key != "algorithm").cloned().collect::<Vec<_>>().join(", ");
        match settings.get_mut(name) {
            // It may be said again, but names the same thing.
            Some(own) if name == "algorithm" && within.is_empty() => {
                if value != own {
                    return Err(format!("algorithm is {own} already"));
                }
            }
            Some(own) if own.is_object() && value.is_object() => {
                overlay(own, value.as_object().unwrap_or(&Map::new()), name)?;
            }
            Some(own) => *own = value.clone(),
            None => return Err(format!("there is no setting '{}': {known}", shortened(name))),
        }
    }
    Ok(())
}

/// Enough of a caller's text to find it again.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BUS: EnvironmentKind = EnvironmentKind::Daladala;

    fn of(algorithm: &str, given: &Value) -> Result<LearnerConfig, String> {
        learner_config(BUS, algorithm, given.as_object().unwrap())
    }

    #[test]
    fn settings_given_stand_in_place_of_those_that_suit_and_unknown_ones_are_named() {
        let LearnerConfig::Dqn(config) = of("DQN", &json!({"hidden": [8], "epsilon": {"end": 0.2}})).unwrap() else { panic!() };
        assert_eq!((config.hidden, config.epsilon.end, config.epsilon.start), (vec![8], 0.2, 1.0));
        assert!(of("fitted_q", &json!({"algorithm": "fitted_q"})).is_ok());
        for (algorithm, given, word) in [
            ("sarsa", json!({}), "unknown algorithm 'sarsa'"),
            ("dqn", json!({"hiden": [8]}), "hiden"),
            ("dqn", json!({"epsilon": {"last": 1}}), "last"),
            ("dqn", json!({"algorithm": "q_table"}), "already"),
            ("dqn", json!({"batch": "many"}), "many"),
        ] {
            let refused = of(algorithm, &given).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
    }

    #[test]
    fn a_plan_that_asks_for_too_much_says_which_field_and_how_much_is_taken() {
        let faults = |change: fn(&mut TrainingPlan)| {
            let mut plan = TrainingPlan::of(BUS, LearnerConfig::dqn(BUS));
            change(&mut plan);
            plan.faults().into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        assert_eq!(faults(|_| {}), [""; 0]);
        assert_eq!(faults(|p| p.steps = MAX_STEPS + 1), ["steps", "evaluate_every"]);
        assert_eq!(faults(|p| p.episodes = 0), ["episodes"]);
        assert_eq!(faults(|p| p.evaluate_every = 1), ["evaluate_every"]);
        for given in [
            json!({"hidden": [4096]}),
            json!({"hidden": [0]}),
            json!({"hidden": [8, 8, 8, 8, 8]}),
            json!({"replay": 9_000_000}),
            json!({"discount": 2.0}),
            json!({"environments": 0}),
        ] {
            let plan = TrainingPlan::of(BUS, of("dqn", &given).unwrap());
            assert_eq!(plan.faults().len(), 1, "{given}");
        }
        let plan = TrainingPlan::of(BUS, of("q-table", &json!({"bins": [99, 99, 99, 99, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]})).unwrap());
        assert!(plan.faults()[0].1.contains("product of bins"), "{:?}", plan.faults());
    }
}
