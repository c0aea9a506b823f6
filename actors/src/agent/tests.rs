use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use slipstream_engine::rl::{
    Decision, EnvironmentKind, Policy, PolicyDescription, PolicyError, ScoreKind,
    agent::{AgentError, PlayedPolicy},
    greedy,
};
use slipstream_protocol::{AgentId, Sample, WireFormat};

use crate::{
    ActorSystem, AgentCommand, AgentView, CommandError, Outbox, OutboxLimits, Probe, Router, SystemConfig,
    harness::{config, read_until, request, system, wait_for},
};

/// Scores that never change.
struct Fixed(PolicyDescription, [f32; 5]);

impl Policy for Fixed {
    fn description(&self) -> &PolicyDescription {
        &self.0
    }

    fn observation_len(&self) -> usize {
        14
    }

    fn action_count(&self) -> usize {
        5
    }

    fn act(&self, _: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError> {
        scores.copy_from_slice(&self.1);
        Ok(Decision { action: greedy(scores)?, scores: ScoreKind::QValues, value: None })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a swap takes")]
fn policy(version: &str, best: usize) -> Option<PlayedPolicy> {
    let mut scores = [0.0; 5];
    scores[best] = 1.5;
    let description =
        PolicyDescription { algorithm: "fixed".into(), architecture: String::new(), environment: None, version: version.into() };
    Some(PlayedPolicy { policy: Arc::new(Fixed(description, scores)), file: None })
}

fn id(text: &str) -> AgentId {
    AgentId::new(text).unwrap()
}

const CREATE: AgentCommand = AgentCommand::Create { environment: EnvironmentKind::Daladala, seed: 5 };
const STEP: AgentCommand = AgentCommand::Step { action: None };

/// An agent that plays `version`, at the beginning of an episode.
async fn started(router: &Router, agent: &AgentId, version: &str) {
    router.command(agent, CREATE).await.unwrap();
    router.command(agent, AgentCommand::Swap(policy(version, 0))).await.unwrap();
    router.command(agent, AgentCommand::Start { seed: Some(3) }).await.unwrap();
}

fn steps_of(view: &AgentView) -> u64 {
    view.counts.steps
}

#[tokio::test]
async fn who_listens_before_the_agent_is_made_hears_every_step_with_version_and_scores() {
    let (system, _) = system(config());
    let router = system.router();
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
    let subscriber = router.connect(outbox.clone());
    router.subscribe(&subscriber, request("rl:bus")).await;
    started(&router, &id("bus"), "one").await;
    router.command(&id("bus"), STEP).await.unwrap();
    router.command(&id("bus"), AgentCommand::Swap(policy("two", 4))).await.unwrap();
    router.command(&id("bus"), STEP).await.unwrap();
    let heard = read_until(&outbox, |m| m.iter().filter(|m| m["update"]["kind"] == "step").count() == 2).await;
    let kinds: Vec<_> = heard.iter().filter_map(|m| m["update"]["kind"].as_str()).collect();
    assert_eq!(kinds, ["policy_swapped", "episode_started", "step", "policy_swapped", "step"]);
    let offsets: Vec<_> = heard.iter().filter(|m| m["type"] == "rl_update").map(|m| m["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, [1, 2, 3, 4, 5]);
    let steps: Vec<_> = heard.iter().map(|m| &m["update"]).filter(|u| u["kind"] == "step").collect();
    assert_eq!((steps[0]["policy"]["version"].as_str(), steps[1]["policy"]["version"].as_str()), (Some("one"), Some("two")));
    assert_eq!((steps[0]["action_name"].as_str(), steps[1]["action_name"].as_str()), (Some("Move"), Some("SpeedUp")));
    assert_eq!(steps[1]["policy"]["scores"], serde_json::json!([0.0, 0.0, 0.0, 0.0, 1.5]));
    assert_eq!(router.views().agent("bus").map(|v| steps_of(&v)), Some(2));
}

/// Panics once, before the fourth step.
struct PanicsOnce(AtomicBool);

impl Probe for PanicsOnce {
    fn inspect(&self, _: &Sample) {}

    fn inspect_step(&self, _: &AgentId, steps: u64) {
        assert!(steps != 3 || self.0.swap(true, Ordering::SeqCst), "a fault of this step");
    }
}

#[tokio::test]
async fn an_episode_survives_a_crash_of_its_actor_and_the_others_play_on() {
    let probe = Arc::new(PanicsOnce(AtomicBool::new(false)));
    let (system, _) = system(SystemConfig { probe: Some(probe), ..config() });
    let router = system.router();
    started(&router, &id("bus"), "one").await;
    started(&router, &id("other"), "one").await;
    for _ in 0..3 {
        router.command(&id("bus"), STEP).await.unwrap();
    }
    let before = router.views().agent("bus").unwrap();
    assert_eq!(router.command(&id("bus"), STEP).await.err(), Some(CommandError::Interrupted));
    router.command(&id("other"), STEP).await.unwrap();
    let after = router.command(&id("bus"), AgentCommand::State).await.unwrap();
    assert_eq!((&after.state, after.episode, after.total_reward), (&before.state, before.episode, before.total_reward));
    let next = router.command(&id("bus"), STEP).await.unwrap();
    assert_eq!(steps_of(&next), 4);
    assert_eq!(router.health().restarts, 1);
    assert_eq!(router.health().incidents[0].actor, "rl:bus");
}

#[tokio::test]
async fn an_episode_goes_on_in_the_next_system_and_so_does_its_channel() {
    let (system, clock) = system(config());
    let router = system.router();
    started(&router, &id("bus"), "one").await;
    for _ in 0..5 {
        router.command(&id("bus"), AgentCommand::Step { action: Some(4) }).await.unwrap();
    }
    let before = router.views().agent("bus").unwrap();
    let snapshot = system.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(router.command(&id("bus"), STEP).await.err(), Some(CommandError::Draining));

    let next = ActorSystem::start(config(), clock);
    next.restore(snapshot);
    let router = next.router();
    wait_for("the agent is there again", || router.views().agent("bus").is_some()).await;
    let after = router.command(&id("bus"), AgentCommand::Step { action: Some(4) }).await.unwrap();
    assert_eq!(steps_of(&after), steps_of(&before) + 1);
    assert_eq!(after.episode, before.episode);
    let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
    let subscriber = router.connect(outbox.clone());
    router.subscribe(&subscriber, request("rl:bus")).await;
    let heard = read_until(&outbox, |m| !m.is_empty()).await;
    assert_eq!(heard[0]["offset"], 8, "two beginnings, five steps, and one more after the restart: {heard:?}");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_the_others_play_on() {
    let (system, _) = system(SystemConfig { max_agents: 2, ..config() });
    let router = system.router();
    assert_eq!(router.command(&id("bus"), STEP).await.err(), Some(CommandError::Absent));
    router.command(&id("bus"), CREATE).await.unwrap();
    assert_eq!(router.command(&id("bus"), CREATE).await.err(), Some(CommandError::Exists));
    router.command(&id("other"), CREATE).await.unwrap();
    assert_eq!(router.command(&id("third"), CREATE).await.err(), Some(CommandError::TooMany(2)));
    assert_eq!(router.command(&id("bus"), STEP).await.err(), Some(CommandError::Agent(AgentError::EpisodeOver)));
    router.command(&id("bus"), AgentCommand::Start { seed: None }).await.unwrap();
    assert_eq!(router.command(&id("bus"), STEP).await.err(), Some(CommandError::Agent(AgentError::NoPolicy)));
    let play = AgentCommand::Play { every: Duration::from_millis(1) };
    assert_eq!(router.command(&id("bus"), play).await.err(), Some(CommandError::Agent(AgentError::NoPolicy)));
    router.command(&id("bus"), AgentCommand::Step { action: Some(0) }).await.unwrap();
    router.command(&id("bus"), AgentCommand::Remove).await.unwrap();
    assert_eq!(router.command(&id("bus"), STEP).await.err(), Some(CommandError::Absent));
    router.command(&id("third"), CREATE).await.unwrap();
    assert_eq!(router.views().agents(), [id("other"), id("third")]);
}

#[tokio::test]
async fn an_agent_plays_by_itself_episode_after_episode_until_it_is_told_to_pause() {
    let (system, _) = system(config());
    let router = system.router();
    let bus = id("bus");
    router.command(&bus, CREATE).await.unwrap();
    router.command(&bus, AgentCommand::Swap(policy("one", 0))).await.unwrap();
    router.command(&bus, AgentCommand::Play { every: Duration::from_millis(1) }).await.unwrap();
    wait_for("two episodes are over", || router.views().agent("bus").is_some_and(|v| v.counts.completed >= 2)).await;
    let paused = router.command(&bus, AgentCommand::Pause).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let later = router.command(&bus, AgentCommand::State).await.unwrap();
    assert_eq!((steps_of(&later), later.playing), (steps_of(&paused), None));
}

#[tokio::test]
async fn a_hundred_agents_play_at_once_each_its_own_episode() {
    let (system, _) = system(config());
    let router = system.router();
    let play = |n: u32| {
        let router = router.clone();
        async move {
            let agent = id(&format!("bus-{n}"));
            started(&router, &agent, "one").await;
            for _ in 0..20 {
                router.command(&agent, STEP).await.unwrap();
            }
        }
    };
    futures_util::future::join_all((0..100).map(play)).await;
    assert_eq!(router.views().agents().len(), 100);
    assert!(router.views().agents().iter().all(|a| steps_of(&router.views().agent(a.as_str()).unwrap()) == 20));
    assert_eq!(router.stats().rl_steps.get(), 2_000);
}

#[tokio::test]
async fn a_restored_agent_can_be_read_once_it_is_said_to_be_resumed() {
    let (before, _) = system(config());
    started(&before.router(), &id("bus"), "v1").await;
    let snapshot = before.drain(Duration::from_secs(5)).await.unwrap();
    let (after, _) = system(config());
    after.restore(snapshot);
    let router = after.router();
    router.agents_resumed(Duration::from_secs(10)).await;
    assert!(router.views().agent("bus").is_some());
    after.drain(Duration::from_secs(5)).await.unwrap();
}
