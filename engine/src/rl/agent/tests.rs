use std::{path::Path, sync::Arc};

use super::super::{Decision, Policy, PolicyDescription, PolicyError, ScoreKind, greedy, policy, shield::Condition};

use super::*;

/// Scores that never change.
struct Fixed(PolicyDescription, Vec<f32>);

impl Policy for Fixed {
    fn description(&self) -> &PolicyDescription {
        &self.0
    }

    fn observation_len(&self) -> usize {
        14
    }

    fn action_count(&self) -> usize {
        self.1.len()
    }

    fn act(&self, _: &[f32], scores: &mut [f32]) -> Result<Decision, PolicyError> {
        scores.copy_from_slice(&self.1);
        Ok(Decision { action: greedy(scores)?, scores: ScoreKind::QValues, value: None })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a swap takes")]
fn fixed(version: &str, scores: &[f32]) -> Option<PlayedPolicy> {
    let description =
        PolicyDescription { algorithm: "fixed".into(), architecture: String::new(), environment: None, version: version.into() };
    Some(PlayedPolicy { policy: Arc::new(Fixed(description, scores.to_vec())), file: None })
}

fn agent() -> Agent {
    Agent::new(EnvironmentKind::Daladala, 7)
}

fn steps(agent: &mut Agent, action: Option<usize>) -> Vec<Update> {
    let mut updates = Vec::new();
    agent.step(action, &mut updates).unwrap();
    updates
}

#[test]
fn what_cannot_be_done_is_told_and_changes_nothing() {
    let mut agent = agent();
    assert_eq!(agent.step(Some(0), &mut vec![]), Err(AgentError::EpisodeOver));
    agent.start(Some(1)).unwrap();
    let before = agent.save();
    assert_eq!(agent.step(None, &mut vec![]), Err(AgentError::NoPolicy));
    assert_eq!(agent.step(Some(5), &mut vec![]), Err(AgentError::ActionOutOfRange { action: 5, count: 5 }));
    let few = agent.swap(fixed("few", &[1.0, 2.0])).unwrap_err();
    assert_eq!(few, AgentError::WrongEnvironment { what: "actions", found: 2, expected: 5 });
    assert_eq!(agent.save(), before);
}

#[test]
fn an_episode_ends_once_with_the_sum_of_its_rewards() {
    let mut agent = agent();
    agent.swap(fixed("move", &[1.0, 0.0, 0.0, 0.0, 0.0])).unwrap();
    agent.start(Some(3)).unwrap();
    let (mut sum, mut ends) = (0.0, Vec::new());
    while !agent.is_over() {
        for update in steps(&mut agent, None) {
            match update {
                Update::Step(step) => sum += step.reward,
                Update::EpisodeEnded(end) => ends.push(end),
                _ => {}
            }
        }
    }
    assert_eq!(ends.len(), 1);
    assert_eq!((ends[0].total_reward, ends[0].terminated), (sum, true));
    assert_eq!(agent.step(None, &mut vec![]), Err(AgentError::EpisodeOver));
}

#[test]
fn a_policy_is_swapped_between_two_steps_and_the_episode_goes_on() {
    let mut agent = agent();
    agent.swap(fixed("one", &[1.0, 0.0, 0.0, 0.0, 0.0])).unwrap();
    agent.start(Some(3)).unwrap();
    let Update::Step(first) = steps(&mut agent, None).remove(0) else { panic!() };
    agent.swap(fixed("two", &[0.0, 0.0, 0.0, 0.0, 1.0])).unwrap();
    let Update::Step(second) = steps(&mut agent, None).remove(0) else { panic!() };
    assert_eq!((first.action_name, second.action_name), ("Move", "SpeedUp"));
    assert_eq!((first.policy.unwrap().version, second.policy.unwrap().version), ("one".into(), "two".into()));
    assert_eq!(first.episode, second.episode);
}

#[test]
fn a_shadow_is_told_where_it_differs_and_never_obeyed() {
    let mut agent = agent();
    agent.swap(fixed("one", &[1.0, 0.0, 0.0, 0.0, 0.0])).unwrap();
    agent.set_shadow(fixed("other", &[0.0, 0.0, 0.0, 9.0, 0.0])).unwrap();
    agent.start(Some(3)).unwrap();
    let updates = steps(&mut agent, None);
    let [Update::Step(step), Update::ShadowDiffers { action: 0, shadow, .. }] = &updates[..] else { panic!("{updates:?}") };
    assert_eq!((step.action, shadow.action, shadow.version.as_str()), (0, 3, "other"));
    assert_eq!(steps(&mut agent, Some(3)).len(), 1, "here both wanted the same");
    assert_eq!(agent.counts().differed, 1);
}

#[test]
fn a_shield_stops_what_it_forbids_and_says_which_rule_did() {
    let mut agent = agent();
    agent.swap(fixed("fast", &[1.0, 0.0, 0.0, 0.5, 2.0])).unwrap();
    let name = agent.observation_names()[0];
    let rule = Rule {
        name: "slowly".into(),
        when: vec![Condition { observation: name.into(), above: None, below: Some(0.0) }],
        forbid: vec!["SpeedUp".into(), "Move".into()],
    };
    agent.set_shield(vec![rule]).unwrap();
    agent.start(Some(3)).unwrap();
    let Update::Step(step) = steps(&mut agent, None).remove(0) else { panic!() };
    assert_eq!((step.action, step.wanted, step.stopped_by.as_deref()), (3, Some(4), Some("slowly")));
    assert_eq!(agent.shield().unwrap().stopped(), 1);
    // A caller's wish is judged as the policy's is.
    let Update::Step(step) = steps(&mut agent, Some(0)).remove(0) else { panic!() };
    assert_eq!((step.action, step.chosen_by), (3, Chooser::Caller));
}

#[test]
fn an_agent_goes_on_from_what_was_kept_of_it_as_if_nothing_had_happened() {
    let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/policy_files/torch")).unwrap();
    let mut agent = agent();
    // The file is of another environment: it can be kept, but not played here.
    let stranger = PlayedPolicy { policy: Arc::new(policy::load(&file).unwrap()), file: Some(file.into()) };
    assert!(agent.swap(Some(stranger)).is_err());
    agent.set_shield(vec![Rule { name: "never".into(), when: vec![], forbid: vec!["SpeedUp".into()] }]).unwrap();
    agent.start(None).unwrap();
    for _ in 0..9 {
        steps(&mut agent, Some(4));
    }
    let saved = agent.save();
    let bytes = postcard::to_stdvec(&saved).unwrap();
    let mut again = Agent::restore(&postcard::from_bytes(&bytes).unwrap()).unwrap();
    assert_eq!(again.save(), saved);
    while !agent.is_over() {
        assert_eq!(steps(&mut again, Some(1)), steps(&mut agent, Some(1)));
    }
    assert_eq!(again.start(None), agent.start(None), "the next episode is the same one, too");
    let counts = AgentCounts { episodes: 2, completed: 1, ..agent.counts() };
    assert_eq!((agent.counts(), again.counts()), (counts, counts));
}

#[test]
fn updates_are_json_objects_that_say_their_kind() {
    let mut agent = agent();
    let started = agent.start(Some(1)).unwrap().to_json();
    let value: serde_json::Value = serde_json::from_str(&started).unwrap();
    assert_eq!((value["kind"].as_str(), value["episode"].as_u64()), (Some("episode_started"), Some(1)));
    let step = steps(&mut agent, Some(3)).remove(0).to_json();
    let value: serde_json::Value = serde_json::from_str(&step).unwrap();
    assert_eq!((value["kind"].as_str(), value["action_name"].as_str()), (Some("step"), Some("Stop")));
    assert_eq!(value["state"]["step_count"], 1);
}
