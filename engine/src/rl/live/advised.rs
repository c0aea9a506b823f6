use serde::Serialize;
use slipstream_protocol::{AgentId, Timestamp, VehicleId};

use super::{Attachment, Sighting};
use crate::rl::{
    ScoreKind,
    agent::{Agent, AgentError, Opinion},
    avoidance::{ACTION_NAMES, Situation},
};

/// How sure a policy is of an action, 0 to 1: its probability; of Q-values their softmax.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Confidence(pub f64);

impl Confidence {
    /// The confidence in `action`.
    pub fn of(kind: ScoreKind, scores: &[f32], action: usize) -> Self {
        let score = |at: usize| scores.get(at).copied().map_or(f64::NEG_INFINITY, f64::from);
        if kind == ScoreKind::Probabilities {
            return Self(score(action).clamp(0.0, 1.0));
        }
        let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = scores.iter().map(|s| f64::from(s - best).exp()).sum();
        Self(((score(action) - f64::from(best)).exp() / total).clamp(0.0, 1.0))
    }
}

/// Advice for a live vehicle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advised {
    /// Who advises.
    pub agent: AgentId,
    /// For whom.
    pub vehicle: VehicleId,
    /// The vehicle in front; absent: nobody within sight.
    pub leader: Option<VehicleId>,
    /// The action's number.
    pub action: usize,
    /// What it is called.
    pub action_name: &'static str,
    /// How sure the policy is of it.
    pub confidence: Confidence,
    /// Why.
    pub reasons: Vec<String>,
    /// The situation it was decided on, in units.
    pub state: Situation,
    /// Time to collision, s; absent where nothing closes.
    pub ttc_s: Option<f64>,
    /// The deceleration that avoids a collision, m/s².
    pub drac_mps2: f64,
    /// What the policy thought.
    pub policy: Opinion,
    /// What the shadow thought; absent without one.
    pub shadow: Option<Opinion>,
    /// The action that was wanted, where the shield stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<usize>,
    /// The rule that forbade the wanted action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// When the newest sample was measured, by its source's clock.
    pub source_time: Timestamp,
    /// From that sample's arrival at the door to the advice, ms.
    pub latency_ms: f64,
}

impl Advised {
    /// Lets `agent` advise on what was seen; `now` and `received_at` are the server's time.
    pub fn by(
        agent: &mut Agent,
        id: &AgentId,
        attachment: &Attachment,
        seen: Sighting,
        (source_time, received_at): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<Self, AgentError> {
        let judged = agent.advise(&seen.situation.observation())?;
        let confidence = Confidence::of(judged.opinion.score_kind, &judged.opinion.scores, judged.action);
        Ok(Self {
            agent: id.clone(),
            vehicle: attachment.vehicle.clone(),
            action: judged.action,
            action_name: ACTION_NAMES[judged.action],
            confidence,
            reasons: reasons(&seen, judged.stopped_by.as_deref()),
            leader: seen.leader,
            state: seen.situation,
            ttc_s: seen.ttc_s,
            drac_mps2: seen.drac_mps2,
            wanted: (judged.wanted != judged.action).then_some(judged.wanted),
            policy: judged.opinion,
            shadow: judged.shadow,
            stopped_by: judged.stopped_by,
            source_time,
            latency_ms: now.since(received_at).as_secs_f64() * 1e3,
        })
    }
}

fn reasons(seen: &Sighting, stopped_by: Option<&str>) -> Vec<String> {
    let Situation { distance_m, relative_speed_mps: closing, collision_probability, .. } = seen.situation;
    let mut reasons = Vec::new();
    match &seen.leader {
        None => reasons.push("nobody within sight ahead".to_owned()),
        Some(leader) if closing > 0.0 => {
            let ttc_s = seen.ttc_s.unwrap_or(f64::INFINITY);
            reasons.push(format!(
                "{leader} is {distance_m:.1} m ahead and the gap closes at {closing:.1} m/s: {ttc_s:.1} s to a collision, {:.1} m/s² avoid it",
                seen.drac_mps2
            ));
            reasons.push(format!("the driver reacts too late with a probability of {collision_probability:.2}"));
        }
        Some(leader) => reasons.push(format!("{leader} is {distance_m:.1} m ahead and the gap does not close")),
    }
    reasons.extend(seen.remarks.iter().cloned());
    reasons.extend(stopped_by.map(|rule| format!("the shield's rule '{rule}' forbids what the policy wanted")));
    reasons
}
