use super::*;
use crate::rl::{Evaluation, Selection, UniformPolicy, evaluate, policy};

const KINDS: [EnvironmentKind; 2] = EnvironmentKind::ALL;

fn small_dqn() -> DqnConfig {
    DqnConfig {
        hidden: vec![32],
        batch: 32,
        replay: 4_000,
        learn_after: 500,
        epsilon: Epsilon { start: 1.0, end: 0.1, over_steps: 4_000 },
        ..DqnConfig::of(EnvironmentKind::Daladala)
    }
}

fn small_fitted_q(regressor: Regressor) -> FittedQConfig {
    let epsilon = Epsilon { start: 1.0, end: 0.2, over_steps: 1_500 };
    FittedQConfig { regressor, trees: 5, depth: 8, replay: 3_000, fit_every: 500, epsilon, ..FittedQConfig::of(EnvironmentKind::Daladala) }
}

fn judged(learner: &dyn Learner) -> Evaluation {
    evaluate(&*learner.policy().unwrap(), &Daladala::new(), 100, 99, Selection::Greedy).unwrap()
}

fn chance() -> Evaluation {
    evaluate(&UniformPolicy::new(&Daladala::new()), &Daladala::new(), 100, 99, Selection::Sampled).unwrap()
}

#[test]
fn a_table_learns_to_drive_the_bus_optimally() {
    let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::q_table(EnvironmentKind::Daladala), 1).unwrap();
    let progress = learner.advance(100_000).unwrap();
    let evaluation = judged(&*learner);
    assert!(evaluation.optimal_share > Some(0.95) && evaluation.mean > 415.0, "{progress:?} {evaluation:?}");
}

#[test]
fn a_deep_network_learns_to_drive_the_bus_far_better_than_chance() {
    let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::Dqn(small_dqn()), 1).unwrap();
    let progress = learner.advance(6_000).unwrap();
    let evaluation = judged(&*learner);
    println!("{progress:?} {evaluation:?}");
    assert!(evaluation.min > chance().max && evaluation.mean > 300.0, "{progress:?} {evaluation:?}");
}

#[test]
fn fitted_trees_learn_to_drive_the_bus_far_better_than_chance() {
    for regressor in [Regressor::ExtraTrees, Regressor::RandomForest] {
        let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::FittedQ(small_fitted_q(regressor)), 1).unwrap();
        let progress = learner.advance(3_000).unwrap();
        let evaluation = judged(&*learner);
        println!("{regressor:?}: {progress:?} {evaluation:?}");
        assert!(evaluation.mean > chance().mean + 150.0, "{progress:?} {evaluation:?}");
    }
}

#[test]
fn every_learner_resumes_from_its_checkpoint_exactly() {
    for kind in KINDS {
        let fitted_q = FittedQConfig { fit_every: 200, trees: 3, ..small_fitted_q(Regressor::ExtraTrees) };
        let dqn = DqnConfig { learn_after: 100, ..small_dqn() };
        for config in [LearnerConfig::q_table(kind), LearnerConfig::FittedQ(fitted_q), LearnerConfig::Dqn(dqn)] {
            let mut first = begin(kind, &config, 5).unwrap();
            first.advance(250).unwrap();
            let kept = first.checkpoint().unwrap();
            let mut second = resume(&kept).unwrap();
            assert_eq!((second.algorithm(), second.environment()), (first.algorithm(), kind.name()));
            assert_eq!(first.advance(230).unwrap(), second.advance(230).unwrap());
            first.drain_episodes();
            second.drain_episodes();
            assert_eq!(first.checkpoint().unwrap(), second.checkpoint().unwrap(), "{config:?}");
            let versions = [&first, &second].map(|learner| learner.policy().unwrap().description().version.clone());
            assert_eq!(versions[0], versions[1]);
        }
    }
}

#[test]
fn the_same_seed_learns_the_same_and_another_seed_does_not() {
    let run = |seed| {
        let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::Dqn(small_dqn()), seed).unwrap();
        (learner.advance(1_000).unwrap(), learner.policy().unwrap().description().version.clone())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).1, run(4).1);
}

#[test]
fn a_learnt_network_is_exported_as_a_file_that_is_read_again() {
    let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::Dqn(small_dqn()), 1).unwrap();
    learner.advance(700).unwrap();
    let read = policy::load(&learner.export().unwrap().unwrap()).unwrap();
    let (mut scores, mut again) = ([0.0; 5], [0.0; 5]);
    let observation = [0.25; 14];
    let decisions = (learner.policy().unwrap().act(&observation, &mut scores).unwrap(), read.act(&observation, &mut again).unwrap());
    assert_eq!((decisions.0, scores), (decisions.1, again));
}

#[test]
fn episodes_are_told_once() {
    let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::q_table(EnvironmentKind::Daladala), 1).unwrap();
    learner.advance(29 * 8).unwrap();
    assert_eq!(learner.drain_episodes().len(), 8);
    assert_eq!(learner.drain_episodes().len(), 0);
}

#[test]
fn settings_that_cannot_be_are_refused_with_their_name() {
    let kind = EnvironmentKind::Daladala;
    let wrong = [
        (LearnerConfig::Dqn(DqnConfig { hidden: vec![0], ..small_dqn() }), "hidden"),
        (LearnerConfig::Dqn(DqnConfig { batch: 0, ..small_dqn() }), "batch"),
        (LearnerConfig::Dqn(DqnConfig { learning_rate: f32::NAN, ..small_dqn() }), "learning_rate"),
        (LearnerConfig::QTable(QTableConfig { bins: vec![2; 3], ..QTableConfig::of(kind) }), "bins"),
        (LearnerConfig::QTable(QTableConfig { environments: 0, ..QTableConfig::of(kind) }), "environments"),
        (LearnerConfig::FittedQ(FittedQConfig { trees: 0, ..FittedQConfig::of(kind) }), "trees"),
    ];
    for (config, setting) in wrong {
        let error = begin(kind, &config, 1).err().unwrap();
        assert!(error.to_string().starts_with(setting), "{error}");
    }
}

#[test]
fn learning_that_diverges_is_an_error_and_no_policy() {
    let config = DqnConfig { learning_rate: 1e30, final_learning_rate: 1e30, ..small_dqn() };
    let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::Dqn(config), 1).unwrap();
    assert!(matches!(learner.advance(5_000), Err(LearnerError::Diverged { .. })));
    assert!(matches!(learner.policy(), Err(LearnerError::Diverged { .. })));
}

#[test]
fn damaged_checkpoints_are_refused() {
    let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::Dqn(small_dqn()), 1).unwrap();
    learner.advance(600).unwrap();
    let kept = learner.checkpoint().unwrap();
    for bytes in [&[][..], b"nonsense", &kept[..kept.len() - 1], &kept[..40]] {
        assert!(matches!(resume(bytes), Err(LearnerError::Checkpoint(_))));
    }
    let policy = learner.export().unwrap().unwrap();
    assert!(resume(&policy).err().unwrap().to_string().contains("none of ours"));
    // Not a number among the weights.
    let mut broken = kept.clone();
    // Behind the numbers are the bytes of the 608 transitions: what was done, and whether it was the end.
    let end = broken.len() - 2 * 608;
    broken[end - 8..end].copy_from_slice(&[0xff; 8]);
    assert!(resume(&broken).is_err());
}
