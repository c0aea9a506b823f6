use super::super::{Decision, Policy, PolicyError};
use super::{Agent, AgentError, Opinion};

/// What is to be done about an observation, and who thought what.
pub(super) struct Judgement {
    pub(super) opinion: Option<Opinion>,
    pub(super) shadow: Option<Opinion>,
    /// What policy or caller wanted.
    pub(super) wanted: usize,
    /// What the shield lets through.
    pub(super) action: usize,
    pub(super) stopped_by: Option<String>,
}

/// What an agent advises on an observation that is not its environment's.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// What the policy thought.
    pub opinion: Opinion,
    /// What the shadow thought; absent without one.
    pub shadow: Option<Opinion>,
    /// What the policy wanted.
    pub wanted: usize,
    /// What the shield lets through: the advice.
    pub action: usize,
    /// The rule that forbade the wanted action.
    pub stopped_by: Option<String>,
}

impl Agent {
    /// Advises on an observation from elsewhere: a live vehicle's. The episode stays where it is.
    pub fn advise(&mut self, observation: &[f32]) -> Result<Advice, AgentError> {
        let Judgement { opinion, shadow, wanted, action, stopped_by } = self.judge(observation, None)?;
        let opinion = opinion.ok_or(AgentError::NoPolicy)?;
        self.counts.advised += 1;
        self.counts.differed += u64::from(shadow.as_ref().is_some_and(|shadow| shadow.action != wanted));
        Ok(Advice { opinion, shadow, wanted, action, stopped_by })
    }

    /// Asks policy, shadow and shield about an observation; `action` where a caller chose.
    pub(super) fn judge(&mut self, observation: &[f32], action: Option<usize>) -> Result<Judgement, AgentError> {
        let opinion = self.policy.as_ref().map(|p| opinion(&*p.policy, observation, &mut self.scores)).transpose()?;
        let wanted = match (action, &opinion) {
            (Some(action), _) => action,
            (None, Some(opinion)) => opinion.action,
            (None, None) => return Err(AgentError::NoPolicy),
        };
        // A shadow that cannot decide is no reason to stop.
        let shadow = self.shadow.as_ref().and_then(|p| self::opinion(&*p.policy, observation, &mut self.shadow_scores).ok());
        let scores = if opinion.is_some() { &self.scores[..] } else { &[] };
        let verdict = self.shield.as_mut().map(|shield| shield.judge(observation, wanted, scores));
        let stopped_by = verdict.and_then(|v| v.stopped_by).and_then(|rule| self.shield.as_ref()?.rules().get(rule));
        Ok(Judgement {
            opinion,
            shadow,
            wanted,
            action: verdict.map_or(wanted, |v| v.action),
            stopped_by: stopped_by.map(|rule| rule.name.clone()),
        })
    }
}

fn opinion(policy: &dyn Policy, observation: &[f32], scores: &mut [f32]) -> Result<Opinion, PolicyError> {
    let Decision { action, scores: kind, value } = policy.act(observation, scores)?;
    Ok(Opinion { version: policy.description().version.clone(), action, score_kind: kind, scores: scores.to_vec(), value })
}
