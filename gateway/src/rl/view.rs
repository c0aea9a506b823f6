//! An agent as JSON.

use serde_json::{Value, json};
use slipstream_actors::AgentView;
use slipstream_engine::rl::{agent::PlayedPolicy, shield::Rule};

/// Where an agent stands.
pub(crate) fn agent_json(view: &AgentView) -> Value {
    let described = |played: &Option<PlayedPolicy>| played.as_ref().map(|p| json!(p.policy.description()));
    let shield = view.shield.as_ref().map(|shield| {
        let rule =
            |(rule, stopped): (&Rule, &u64)| json!({ "name": rule.name, "when": rule.when, "forbid": rule.forbid, "stopped": stopped });
        let rules: Vec<_> = shield.rules.iter().zip(&shield.counts).map(rule).collect();
        json!({ "rules": rules, "stopped": shield.counts.iter().sum::<u64>(), "powerless": shield.powerless })
    });
    let attached = view.attached.as_ref().map(|attached| {
        let every_ms = attached.every.as_millis() as u64;
        json!({
            "vehicle": attached.vehicle, "leader": attached.leader, "road": attached.road, "weather": attached.weather,
            "attention": attached.attention, "every_ms": every_ms, "advice": view.advised,
        })
    });
    json!({
        "id": view.id,
        "environment": view.environment,
        "state": view.state.as_ref().map(|state| json!(state)["state"].take()),
        "observation": view.observation,
        "actions": view.action_names,
        "episode": view.episode,
        "total_reward": view.total_reward,
        "last": view.last,
        "over": view.is_over,
        "counts": view.counts,
        "best_return": view.best_return,
        "policy": described(&view.policy),
        "shadow": described(&view.shadow),
        "shield": shield,
        "playing_every_ms": view.playing.map(|every| every.as_millis() as u64),
        "attached": attached,
    })
}
