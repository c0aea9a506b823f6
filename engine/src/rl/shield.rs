//! A safety shield between policy and environment: actions that may not be taken where a declared
//! condition holds.
//!
//! ```
//! use slipstream_engine::rl::shield::{Condition, Rule, Shield};
//!
//! let rule = Rule {
//!     name: "stop at red".into(),
//!     when: vec![Condition { observation: "red light here".into(), above: Some(0.0), below: None }],
//!     forbid: vec!["Move".into(), "SpeedUp".into()],
//! };
//! let mut shield = Shield::new(vec![rule], &["red light here"], &["Move", "Stop", "SpeedUp"]).unwrap();
//! // The policy prefers Move; of what is allowed it prefers Stop.
//! let verdict = shield.judge(&[1.0], 0, &[3.0, 2.0, 1.0]);
//! assert_eq!((verdict.action, verdict.stopped_by), (1, Some(0)));
//! assert_eq!(shield.stopped(), 1);
//! ```

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Rules of one shield at most.
pub const MAX_RULES: usize = 64;

/// Where one value of the observation lies. With neither bound it always holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Name of the value, as the environment names it.
    pub observation: String,
    /// The value is greater than this.
    #[serde(default)]
    pub above: Option<f32>,
    /// The value is less than this.
    #[serde(default)]
    pub below: Option<f32>,
}

/// Actions that may not be taken where every condition holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// When it applies.
    pub when: Vec<Condition>,
    /// Names of the forbidden actions.
    pub forbid: Vec<String>,
}

/// Why rules are no shield.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShieldError {
    /// The environment has no such value.
    #[error("rule {rule:?}: the observation has no {name:?}; it has {known}")]
    UnknownObservation {
        /// Which rule.
        rule: String,
        /// What it asks for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The environment has no such action.
    #[error("rule {rule:?}: there is no action {name:?}; there are {known}")]
    UnknownAction {
        /// Which rule.
        rule: String,
        /// What it forbids.
        name: String,
        /// What there is.
        known: String,
    },
    /// A bound that is no number.
    #[error("rule {0:?}: a bound is not a finite number")]
    Bound(String),
    /// A rule that forbids everything or nothing.
    #[error("rule {0:?} must forbid at least one action and leave at least one")]
    Actions(String),
    /// More rules than a step has time for.
    #[error("{0} rules; at most {MAX_RULES} are taken")]
    TooMany(usize),
}

impl ShieldError {
    /// Whether the same rules could be taken later: never.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// What a shield says about an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The action to take.
    pub action: usize,
    /// The rule that forbade the wanted one.
    pub stopped_by: Option<usize>,
    /// Rules together forbid everything: the wanted action is taken nevertheless, and this is told.
    pub powerless: bool,
}

/// Compiled rules, and how often each stopped an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Shield {
    rules: Vec<Rule>,
    compiled: Vec<Compiled>,
    counts: Vec<u64>,
    powerless: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Compiled {
    /// Place in the observation, greater than, less than.
    when: Vec<(usize, f32, f32)>,
    forbidden: Vec<bool>,
}

impl Compiled {
    /// A value that is not a number meets every condition: what is not known is not safe.
    fn applies(&self, observation: &[f32]) -> bool {
        self.when.iter().all(|&(at, above, below)| observation.get(at).is_none_or(|v| v.is_nan() || (*v > above && *v < below)))
    }
}

impl Shield {
    /// The shield of `rules` in an environment with these names.
    pub fn new(rules: Vec<Rule>, observations: &[&str], actions: &[&str]) -> Result<Self, ShieldError> {
        if rules.len() > MAX_RULES {
            return Err(ShieldError::TooMany(rules.len()));
        }
        let compiled = rules.iter().map(|rule| compile(rule, observations, actions)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { counts: vec![0; rules.len()], compiled, rules, powerless: 0 })
    }

    /// Judges the wanted action. Where it is forbidden the allowed one with the best score is taken; where
    /// there are no scores, the first.
    pub fn judge(&mut self, observation: &[f32], wanted: usize, scores: &[f32]) -> Verdict {
        let forbids = |rule: &Compiled, action: usize| rule.forbidden.get(action) == Some(&true) && rule.applies(observation);
        let Some(stopped_by) = self.compiled.iter().position(|rule| forbids(rule, wanted)) else {
            return Verdict { action: wanted, stopped_by: None, powerless: false };
        };
        let actions = self.compiled[stopped_by].forbidden.len();
        let allowed = (0..actions).filter(|action| !self.compiled.iter().any(|rule| forbids(rule, *action)));
        let score = |action: usize| scores.get(action).copied().unwrap_or(0.0);
        let best = allowed.reduce(|best, action| if score(action) > score(best) { action } else { best });
        let Some(action) = best else {
            self.powerless += 1;
            return Verdict { action: wanted, stopped_by: Some(stopped_by), powerless: true };
        };
        self.counts[stopped_by] += 1;
        Verdict { action, stopped_by: Some(stopped_by), powerless: false }
    }

    /// Its rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How often each rule stopped an action.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Actions stopped.
    pub fn stopped(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Times that all actions were forbidden.
    pub const fn powerless(&self) -> u64 {
        self.powerless
    }

    /// Takes over counts from an earlier life of the same rules.
    pub fn resume(&mut self, counts: &[u64], powerless: u64) {
        if counts.len() == self.counts.len() {
            self.counts.copy_from_slice(counts);
            self.powerless = powerless;
        }
    }
}

fn compile(rule: &Rule, observations: &[&str], actions: &[&str]) -> Result<Compiled, ShieldError> {
    let mut when = Vec::with_capacity(rule.when.len());
    for condition in &rule.when {
        let at = observations.iter().position(|name| *name == condition.observation).ok_or_else(|| ShieldError::UnknownObservation {
            rule: rule.name.clone(),
            name: condition.observation.clone(),
            known: observations.join(", "),
        })?;
        let (above, below) = (condition.above.unwrap_or(f32::NEG_INFINITY), condition.below.unwrap_or(f32::INFINITY));
        if [condition.above, condition.below].into_iter().flatten().any(|bound| !bound.is_finite()) {
            return Err(ShieldError::Bound(rule.name.clone()));
        }
        when.push((at, above, below));
    }
    let mut forbidden = vec![false; actions.len()];
    for name in &rule.forbid {
        let at = actions.iter().position(|known| known == name).ok_or_else(|| ShieldError::UnknownAction {
            rule: rule.name.clone(),
            name: name.clone(),
            known: actions.join(", "),
        })?;
        forbidden[at] = true;
    }
    let some = forbidden.contains(&true) && forbidden.contains(&false);
    if some { Ok(Compiled { when, forbidden }) } else { Err(ShieldError::Actions(rule.name.clone())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBSERVATIONS: [&str; 2] = ["red", "crowd"];
    const ACTIONS: [&str; 3] = ["Move", "Stop", "SpeedUp"];

    fn rule(name: &str, observation: &str, above: Option<f32>, forbid: &[&str]) -> Rule {
        let when = vec![Condition { observation: observation.into(), above, below: None }];
        Rule { name: name.into(), when, forbid: forbid.iter().map(|f| (*f).to_owned()).collect() }
    }

    fn shield(rules: Vec<Rule>) -> Result<Shield, ShieldError> {
        Shield::new(rules, &OBSERVATIONS, &ACTIONS)
    }

    #[test]
    fn only_forbidden_actions_are_stopped_and_each_is_counted_for_its_rule() {
        let rules = vec![rule("red", "red", Some(0.5), &["Move", "SpeedUp"]), rule("crowd", "crowd", Some(0.9), &["SpeedUp"])];
        let mut shield = shield(rules).unwrap();
        let scores = [2.0, 0.0, 1.0];
        assert_eq!(shield.judge(&[0.0, 0.0], 2, &scores), Verdict { action: 2, stopped_by: None, powerless: false });
        assert_eq!(shield.judge(&[1.0, 0.0], 0, &scores).action, 1);
        // The best of what is left, not the first.
        assert_eq!(shield.judge(&[0.0, 1.0], 2, &scores), Verdict { action: 0, stopped_by: Some(1), powerless: false });
        assert_eq!(shield.judge(&[1.0, 1.0], 1, &scores).stopped_by, None);
        assert_eq!((shield.counts(), shield.stopped()), (&[1, 1][..], 2));
    }

    #[test]
    fn an_observation_that_is_no_number_counts_as_dangerous() {
        let mut shield = shield(vec![rule("red", "red", Some(0.5), &["Move"])]).unwrap();
        assert_eq!(shield.judge(&[f32::NAN, 0.0], 0, &[]).action, 1);
        assert_eq!(shield.judge(&[], 0, &[]).action, 1);
    }

    #[test]
    fn rules_that_together_forbid_everything_are_told_and_counted_apart() {
        let mut shield = shield(vec![rule("a", "red", None, &["Move", "SpeedUp"]), rule("b", "red", None, &["Stop"])]).unwrap();
        assert_eq!(shield.judge(&[0.0, 0.0], 2, &[]), Verdict { action: 2, stopped_by: Some(0), powerless: true });
        assert_eq!((shield.stopped(), shield.powerless()), (0, 1));
    }

    #[test]
    fn rules_that_name_what_is_not_there_are_refused() {
        let error = |rules| shield(rules).unwrap_err();
        assert!(matches!(error(vec![rule("r", "green", None, &["Move"])]), ShieldError::UnknownObservation { .. }));
        assert!(matches!(error(vec![rule("r", "red", None, &["Fly"])]), ShieldError::UnknownAction { .. }));
        assert!(matches!(error(vec![rule("r", "red", Some(f32::NAN), &["Move"])]), ShieldError::Bound(_)));
        assert!(matches!(error(vec![rule("r", "red", None, &[])]), ShieldError::Actions(_)));
        assert!(matches!(error(vec![rule("r", "red", None, &ACTIONS)]), ShieldError::Actions(_)));
        assert!(matches!(error(vec![rule("r", "red", None, &["Move"]); MAX_RULES + 1]), ShieldError::TooMany(_)));
    }
}
