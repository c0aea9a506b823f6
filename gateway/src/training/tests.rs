use std::ops::ControlFlow;

use slipstream_engine::rl::{
    EnvironmentKind,
    learners::{DqnConfig, Epsilon, FittedQConfig, LearnerConfig},
};

use super::*;

fn small(kind: EnvironmentKind) -> TrainingOptions {
    TrainingOptions { steps: 6_000, evaluate_every: 2_000, episodes: 20, ..TrainingOptions::of(kind, LearnerConfig::q_table(kind)) }
}

const GO_ON: fn(&Moment) -> ControlFlow<()> = |_| ControlFlow::Continue(());

#[test]
fn a_run_evaluates_on_its_way_and_gives_a_policy_that_its_file_gives_again() {
    let trained = train(&small(EnvironmentKind::Daladala), GO_ON).unwrap();
    let looks: Vec<u64> = trained.moments.iter().filter(|m| m.evaluation.is_some()).map(|m| m.progress.steps).collect();
    assert_eq!(looks, [2_000, 4_000, 6_000]);
    assert!(!trained.stopped && trained.evaluation.mean > 100.0, "{:?}", trained.evaluation);
    let read = load_policy(&trained.file).unwrap();
    assert_eq!(read.description().version, trained.policy.description().version);
}

#[test]
fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        TrainingOptions { checkpoint: Some(folder.path().join("run/one.checkpoint")), resume: true, ..small(EnvironmentKind::Daladala) };
    let whole = train(&TrainingOptions { checkpoint: None, ..options.clone() }, GO_ON).unwrap();
    let stop = |moment: &Moment| if moment.progress.steps >= 3_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let part = train(&options, stop).unwrap();
    assert!(part.stopped && part.moments.last().unwrap().progress.steps < 6_000);
    let rest = train(&options, GO_ON).unwrap();
    assert_eq!(rest.moments.last().unwrap().progress, whole.moments.last().unwrap().progress);
}

/// Small learners of every kind; the network's seven environments step past the round numbers.
fn every_learner() -> Vec<TrainingOptions> {
    let kind = EnvironmentKind::Daladala;
    let epsilon = Epsilon { start: 1.0, end: 0.1, over_steps: 2_000 };
    let dqn = DqnConfig { hidden: vec![16], batch: 16, replay: 2_000, learn_after: 200, environments: 7, epsilon, ..DqnConfig::of(kind) };
    let fitted = FittedQConfig { trees: 3, depth: 6, replay: 1_000, fit_every: 400, epsilon, ..FittedQConfig::of(kind) };
    [LearnerConfig::q_table(kind), LearnerConfig::Dqn(dqn), LearnerConfig::FittedQ(fitted)]
        .map(|config| TrainingOptions { steps: 3_500, evaluate_every: 600, episodes: 10, seed: 5, ..TrainingOptions::of(kind, config) })
        .into()
}

/// The steps and mean returns of a run's evaluations.
fn evaluations(moments: &[Moment]) -> Vec<(u64, f64)> {
    moments.iter().filter_map(|m| Some((m.progress.steps, m.evaluation.as_ref()?.mean))).collect()
}

#[test]
fn a_run_suspended_anywhere_gives_the_same_best_policy_and_the_same_evaluations_bit_by_bit() {
    for options in every_learner() {
        let whole = train(&options, GO_ON).unwrap();
        let looks = whole.moments.len();
        assert!(looks > 5, "{looks}");
        // After every look alone, and again and again within one run.
        for rhythm in (1..=looks).chain([usize::MAX]) {
            let folder = tempfile::tempdir().unwrap();
            let options = TrainingOptions { checkpoint: Some(folder.path().join("one.checkpoint")), resume: true, ..options.clone() };
            let (mut points, mut parts, mut seen) = (Vec::new(), 0, 0);
            let rest = loop {
                let part = train_suspendable(&options, |moment| {
                    points.extend(evaluations(std::slice::from_ref(moment)));
                    seen += 1;
                    let now = if rhythm == usize::MAX { seen % 2 == 1 } else { seen == rhythm };
                    if now { ControlFlow::Break(Break::Suspend) } else { ControlFlow::Continue(()) }
                });
                parts += 1;
                if let Some(trained) = part.unwrap() {
                    break trained;
                }
            };
            assert!(parts > 1, "{rhythm}");
            assert_eq!(points, evaluations(&whole.moments), "{rhythm}");
            assert!(rest.file == whole.file, "the best policy's file differs after {rhythm}");
            assert_eq!(rest.evaluation, whole.evaluation, "{rhythm}");
            assert_eq!(rest.policy.description(), whole.policy.description(), "{rhythm}");
        }
    }
}

#[test]
fn evaluations_come_at_multiples_of_their_distance_however_wide_a_round_is() {
    let points: Vec<u64> = evaluations(&train(&every_learner()[1], GO_ON).unwrap().moments).into_iter().map(|(steps, _)| steps).collect();
    let due = [600, 1_200, 1_800, 2_400, 3_000, 3_500];
    assert_eq!(points.len(), due.len(), "{points:?}");
    assert!(points.iter().zip(due).all(|(steps, due)| (due..due + 7).contains(steps)), "{points:?}");
}

#[test]
fn a_run_suspended_by_the_evaluation_that_reaches_its_aim_ends_there() {
    let folder = tempfile::tempdir().unwrap();
    let aim = TrainingOptions { until: Some(60.0), ..small(EnvironmentKind::Daladala) };
    let whole = train(&aim, GO_ON).unwrap();
    let end = whole.moments.last().unwrap().progress;
    assert!(end.steps < 6_000, "{end:?}");
    let options = TrainingOptions { checkpoint: Some(folder.path().join("one.checkpoint")), resume: true, ..aim };
    let suspend = |moment: &Moment| {
        if moment.progress.steps >= end.steps { ControlFlow::Break(Break::Suspend) } else { ControlFlow::Continue(()) }
    };
    assert!(train_suspendable(&options, suspend).unwrap().is_none());
    let rest = train(&options, GO_ON).unwrap();
    assert!(rest.moments.is_empty() && rest.file == whole.file, "{:?}", rest.moments);
}

#[test]
fn a_checkpoint_without_the_run_of_an_earlier_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.checkpoint");
    let options = TrainingOptions { checkpoint: Some(path.clone()), resume: true, ..small(EnvironmentKind::Daladala) };
    let mut learner = learners::begin(options.environment, &options.config, options.seed).unwrap();
    learner.advance(1_000).unwrap();
    write_file(&path, &learner.checkpoint().unwrap()).unwrap();
    assert_eq!(evaluations(&train(&options, GO_ON).unwrap().moments).len(), 3);
}

#[test]
fn a_checkpoint_of_another_environment_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Some(folder.path().join("one.checkpoint"));
    let bus = TrainingOptions { checkpoint: checkpoint.clone(), steps: 100, ..small(EnvironmentKind::Daladala) };
    train(&bus, GO_ON).unwrap();
    let road = TrainingOptions { checkpoint, resume: true, ..small(EnvironmentKind::Avoidance) };
    let Err(error) = train(&road, GO_ON) else { panic!("it went on") };
    assert!(matches!(&error, TrainingError::OtherRun { found, .. } if found == "daladala"), "{error}");
}

#[test]
fn the_curve_shows_both_lines() {
    let trained = train(&small(EnvironmentKind::Daladala), GO_ON).unwrap();
    let svg = curve_svg("Q-table in daladala", &trained.moments).unwrap();
    for part in ["<svg", "Q-table in daladala", "while learning", "policy, evaluated", "return of an episode"] {
        assert!(svg.contains(part), "{part} is missing");
    }
    assert!(curve_svg("nothing yet", &[]).is_ok());
}

#[test]
fn what_is_no_policy_is_refused() {
    assert!(matches!(load_policy(b"PK\x03\x04 and nothing more"), Err(PolicyFileError::Load(_))));
    assert!(matches!(read_policy_file(std::path::Path::new("/nowhere.zip")), Err(PolicyFileError::Read(_))));
}
