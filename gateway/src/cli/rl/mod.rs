//! `slipstream rl`: train, evaluate, play and convert policies, without a server.

mod convert;
mod eval;
mod play;
mod train;

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use slipstream_engine::rl::{EnvironmentKind, Evaluation, Policy, UniformPolicy, avoidance::RuleBaseline};

use super::{Outcome, exit::Usage};
use crate::training::read_policy_file;

const EXAMPLES: &str = "\
Examples:
  slipstream rl train --out bus.safetensors --curve bus.svg      learn to drive the bus with DQN
  slipstream rl train --env avoidance --algorithm q-table --steps 1000000
  slipstream rl eval best_dqn.zip best_ppo.zip bus.safetensors   compare policies over 2,000 episodes
  slipstream rl play bus.safetensors --seed 7                    watch one episode, step by step
  slipstream rl convert best_dqn.zip best_dqn.safetensors

Environments: daladala (a bus between Ubungo and Posta), avoidance (a driver who closes in on another).
Policies: Stable-Baselines3 .zip (DQN, PPO, A2C), PyTorch .pth, ONNX, and what `rl train` writes; nothing
in a file is ever executed. `random` and, in avoidance, `rules` are policies to compare with.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct RlArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Learn a policy; the first Ctrl-C stops and keeps what was learnt
    Train(Box<train::TrainArgs>),
    /// Tell how good policies are: mean return, deviation and confidence over seeded episodes
    Eval(eval::EvalArgs),
    /// Play one episode and print every step
    Play(play::PlayArgs),
    /// Write a policy that was trained elsewhere as safetensors
    Convert(convert::ConvertArgs),
}

pub(super) fn run(args: &RlArgs) -> Outcome {
    match &args.command {
        Command::Train(args) => train::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Play(args) => play::run(args),
        Command::Convert(args) => convert::run(args),
    }
}

fn environment(text: &str) -> Result<EnvironmentKind, String> {
    text.parse().map_err(|_| format!("the environments are {}", EnvironmentKind::ALL.map(EnvironmentKind::name).join(", ")))
}

/// A policy that plays by chance.
const RANDOM: &str = "random";
/// The rule-based baseline of the collision-avoidance environment.
const RULES: &str = "rules";

/// The policy of a file, or one that needs none.
fn policy_of(source: &str, kind: EnvironmentKind) -> anyhow::Result<Arc<dyn Policy>> {
    match (source, kind) {
        (RANDOM, _) => Ok(Arc::new(UniformPolicy::new(&kind.environment()))),
        (RULES, EnvironmentKind::Avoidance) => Ok(Arc::new(RuleBaseline::new())),
        (RULES, _) => Err(Usage(format!("'{RULES}' plays avoidance alone")).into()),
        (file, _) => read_policy_file(Path::new(file)).with_context(|| format!("{file} gives no policy")),
    }
}

/// The heading of [`row`].
const HEADING: &str = "policy                            episodes     mean      sd   95 % confidence       min      max   optimal";

/// One policy's line in a comparison.
fn row(name: &str, evaluation: &Evaluation) -> String {
    let Evaluation { episodes, mean, standard_deviation, confidence_95: (low, high), min, max, optimal_share, .. } = evaluation;
    let optimal = optimal_share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
    format!("{name:<32} {episodes:>9} {mean:>8.2} {standard_deviation:>7.2}   {low:>7.2} .. {high:<7.2} {min:>8.1} {max:>8.1} {optimal:>9}")
}
