use std::ops::ControlFlow;

use slipstream_engine::rl::{EnvironmentKind, learners::LearnerConfig};

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
