//! `slipstream rl train`

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use slipstream_engine::rl::{EnvironmentKind, learners::LearnerConfig};

use super::{HEADING, environment, row};
use crate::{
    cli::{
        Outcome,
        exit::{Exit, Usage},
        print::out,
        progress::Progress,
        signals,
    },
    training::{Moment, Trained, TrainingOptions, curve_svg, train, write_file},
};

const EXAMPLES: &str = "\
Examples:
  slipstream rl train                                            the bus, by DQN, until the return is 420
  slipstream rl train --algorithm q-table --seed 3 --curve q.svg
  slipstream rl train --env avoidance --steps 400000 --checkpoint run.safetensors --resume

What is written is the best policy of all evaluations on the way. A checkpoint is written every ten
seconds and at the end; with --resume the run goes on from it exactly as it would have.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// Deep Q-network
    Dqn,
    /// A table of Q-values over a discretised observation
    QTable,
    /// Fitted Q iteration with extremely randomised trees
    FittedQ,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TrainArgs {
    /// What to learn in: daladala or avoidance
    #[arg(long = "env", value_name = "NAME", value_parser = environment, default_value = "daladala")]
    environment: EnvironmentKind,

    /// How to learn
    #[arg(long, value_name = "NAME", value_enum, default_value = "dqn")]
    algorithm: Algorithm,

    /// Settings of the learner as JSON, as in '{"algorithm":"dqn",...}'; - prints those in force and ends
    #[arg(long, value_name = "FILE")]
    learner: Option<PathBuf>,

    /// Everything random follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Steps in the environments at most [default: what suits environment and algorithm]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,

    /// End sooner, once the mean return of an evaluation is this [default for daladala: 420]
    #[arg(long, value_name = "RETURN", allow_hyphen_values = true)]
    until: Option<f64>,

    /// Steps between two evaluations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    evaluate_every: Option<u64>,

    /// Episodes of an evaluation on the way; the last one plays ten times as many
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    episodes: u32,

    /// Where the policy goes [default: <env>-<algorithm>.safetensors]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Where the picture of the returns goes, as SVG [default: beside the policy]
    #[arg(long, value_name = "FILE")]
    curve: Option<PathBuf>,

    /// Keep a checkpoint here
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,

    /// Go on from the checkpoint where there is one
    #[arg(long, requires = "checkpoint")]
    resume: bool,

    /// Say nothing on the way
    #[arg(long, short)]
    quiet: bool,
}

impl TrainArgs {
    fn options(&self) -> anyhow::Result<TrainingOptions> {
        let config = match (&self.learner, self.algorithm) {
            (Some(file), _) if file.as_os_str() != "-" => {
                let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
                serde_json::from_str(&text).with_context(|| format!("{} holds no settings of a learner", file.display()))?
            }
            (_, Algorithm::Dqn) => LearnerConfig::dqn(self.environment),
            (_, Algorithm::QTable) => LearnerConfig::q_table(self.environment),
            (_, Algorithm::FittedQ) => LearnerConfig::fitted_q(self.environment),
        };
        let defaults = TrainingOptions::of(self.environment, config);
        let until = self.until.or((self.environment == EnvironmentKind::Daladala).then_some(420.0));
        Ok(TrainingOptions {
            seed: self.seed,
            steps: self.steps.unwrap_or(defaults.steps),
            until,
            evaluate_every: self.evaluate_every.unwrap_or(defaults.evaluate_every),
            episodes: self.episodes as usize,
            checkpoint: self.checkpoint.clone(),
            resume: self.resume,
            ..defaults
        })
    }

    fn out(&self) -> PathBuf {
        let algorithm = self.algorithm.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        self.out.clone().unwrap_or_else(|| format!("{}-{algorithm}.safetensors", self.environment.name()).into())
    }
}

pub(super) fn run(args: &TrainArgs) -> Outcome {
    let options = args.options()?;
    if args.learner.as_deref() == Some(Path::new("-")) {
        out!("{}", serde_json::to_string_pretty(&options.config)?);
        return Ok(Exit::Done);
    }
    // Found out before anything is learnt, not after.
    for path in [Some(args.out()), args.curve.clone(), args.checkpoint.clone()].into_iter().flatten() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Usage(format!("{}: there is no folder {}; make it first", path.display(), folder.display())).into());
        }
    }
    let runtime = crate::cli::runtime()?;
    let stop = runtime.block_on(async { signals::stop() })?;
    let mut progress = Progress::new(&format!("learn {}", options.environment.name()), args.quiet);
    let mut evaluated = None;
    let trained = train(&options, |moment| {
        evaluated = moment.evaluation.as_ref().map(|e| e.mean).or(evaluated);
        progress.update(Some(moment.progress.steps as f64 / options.steps as f64), || words(moment, evaluated));
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    tell(args, &trained?)
}

/// Where it stands, in few words.
fn words(moment: &Moment, evaluated: Option<f64>) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let progress = &moment.progress;
    let loss = progress.loss.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.4}"));
    format!(
        "{} steps, {} episodes, reward {}, policy {}, loss {loss}, epsilon {:.2}",
        progress.steps,
        progress.episodes,
        number(progress.episode_reward),
        number(evaluated),
        progress.epsilon
    )
}

fn tell(args: &TrainArgs, trained: &Trained) -> Outcome {
    let out = args.out();
    let curve = args.curve.clone().unwrap_or_else(|| out.with_extension("svg"));
    let what = trained.policy.description();
    write_file(&out, &trained.file).with_context(|| format!("{} cannot be written", out.display()))?;
    let title = format!("{} learns {}", what.algorithm, args.environment.name());
    write_file(&curve, curve_svg(&title, &trained.moments)?.as_bytes())
        .with_context(|| format!("{} cannot be written", curve.display()))?;
    let last = trained.moments.last();
    let steps = last.map_or(0, |moment| moment.progress.steps);
    let learning = last.map_or(Duration::ZERO, |moment| moment.learning);
    out!("{HEADING}");
    out!("{}", row(&out.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()), &trained.evaluation));
    out!(
        "{} {}, version {}; {steps} steps learnt from in {:.2} s",
        what.algorithm,
        what.architecture,
        what.version,
        learning.as_secs_f64()
    );
    out!("policy {}, curve {}", out.display(), curve.display());
    let reached = args.until.is_none_or(|until| trained.evaluation.mean >= until);
    Ok(if trained.stopped || !reached { Exit::Partial } else { Exit::Done })
}
