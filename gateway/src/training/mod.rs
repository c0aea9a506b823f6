//! Training runs: a learner is driven, watched, checkpointed and drawn.
//!
//! [`train`] blocks its thread for as long as the run lasts: whoever calls it gives it a thread of its own.
//! It is stopped between two advances by what watches it, and goes on from its checkpoint exactly as it
//! would have: the checkpoint holds the learner and what the run knows besides ([`kept`]), and whether an evaluation is due
//! follows from the steps alone.

mod curve;
mod kept;
mod policy_file;
mod priority;

use std::{
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use slipstream_engine::rl::{
    Environment as _, EnvironmentKind, Evaluation, EvaluationError, Policy, Selection, evaluate,
    learners::{self, Learner, LearnerConfig, LearnerError, Progress},
};

pub use curve::{CurveError, curve_svg};
use kept::{Best, Kept};
pub(crate) use policy_file::read_network;
pub use policy_file::{PolicyFileError, load_policy, read_policy_file, write_file};
pub(crate) use priority::give_way;

/// Steps between two looks at the learner.
const ADVANCE: u64 = 1_000;

/// Between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// What tells evaluation's episodes from those of training, whatever the run's seed.
const EVALUATION_SEED: u64 = 0x0e7a_1000;

/// How a run goes.
#[derive(Clone, Debug)]
pub struct TrainingOptions {
    /// What to learn in.
    pub environment: EnvironmentKind,
    /// How to learn.
    pub config: LearnerConfig,
    /// Everything random follows from it.
    pub seed: u64,
    /// Steps in the environments until it ends, those before a resumed checkpoint included.
    pub steps: u64,
    /// It ends sooner once the policy reaches this mean return over [`episodes`](Self::episodes) episodes.
    pub until: Option<f64>,
    /// An evaluation is due at every multiple of so many steps.
    pub evaluate_every: u64,
    /// Episodes of an evaluation.
    pub episodes: usize,
    /// Where it is kept, every ten seconds and at the end.
    pub checkpoint: Option<PathBuf>,
    /// Goes on from the checkpoint where there is one.
    pub resume: bool,
}

impl TrainingOptions {
    /// A run that suits an environment.
    pub fn of(environment: EnvironmentKind, config: LearnerConfig) -> Self {
        let (steps, evaluate_every) = match (&config, environment) {
            (LearnerConfig::FittedQ(_), _) => (20_000, 2_000),
            (_, EnvironmentKind::Daladala) => (60_000, 2_500),
            (_, EnvironmentKind::Avoidance) => (400_000, 20_000),
        };
        Self { environment, config, seed: 0, steps, until: None, evaluate_every, episodes: 200, checkpoint: None, resume: false }
    }
}

/// One look at a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Where the learner stands.
    pub progress: Progress,
    /// How good its policy is, at the looks that tried.
    pub evaluation: Option<Evaluation>,
    /// How long this process has worked on it, evaluations left out.
    pub learning: Duration,
}

/// What a run gave.
pub struct Trained {
    /// The best policy of all evaluations.
    pub policy: Arc<dyn Policy>,
    /// The best policy as a file that [`read_policy_file`] reads.
    pub file: Vec<u8>,
    /// How good it is, over ten times the episodes of the evaluations on the way, other ones than those.
    pub evaluation: Evaluation,
    /// Whether it was stopped by who watched.
    pub stopped: bool,
    /// Every look, from first to last.
    pub moments: Vec<Moment>,
}

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// The learner failed.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// What it learnt could not be tried.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The checkpoint is of another run.
    #[error("{} is a {found} run, {wanted} was asked for: choose another checkpoint or leave out --resume", path.display())]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// What it is of.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl TrainingError {
    /// Whether the same run may succeed later without a change: only a disk may have room again.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::File { .. })
    }
}

/// How a run is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// For good: what was learnt is evaluated and given.
    Stop,
    /// At once, to go on later: only the checkpoint is written.
    Suspend,
}

/// Trains until the steps are done, the mean return is reached, or `watch` breaks off.
///
/// # Panics
///
/// Never: a run that nobody suspends gives what it learnt.
pub fn train(options: &TrainingOptions, mut watch: impl FnMut(&Moment) -> ControlFlow<()>) -> Result<Trained, TrainingError> {
    let trained =
        train_suspendable(
            options,
            |moment| if watch(moment).is_break() { ControlFlow::Break(Break::Stop) } else { ControlFlow::Continue(()) },
        )?;
    Ok(trained.expect("a run that nobody suspends gives what it learnt"))
}

/// [`train`], that can be suspended as well: then it gives nothing but its checkpoint.
pub fn train_suspendable(
    options: &TrainingOptions,
    mut watch: impl FnMut(&Moment) -> ControlFlow<Break>,
) -> Result<Option<Trained>, TrainingError> {
    let mut run = Run::begin(options)?;
    let mut broken = None;
    while broken.is_none() && run.learner.progress().steps < options.steps && !run.reached() {
        let moment = run.advance()?;
        broken = watch(moment).break_value();
        run.keep(false)?;
    }
    run.keep(true)?;
    if broken == Some(Break::Suspend) {
        return Ok(None);
    }
    run.end(broken.is_some()).map(Some)
}

struct Run<'o> {
    options: &'o TrainingOptions,
    learner: Box<dyn Learner>,
    best: Option<Best>,
    /// The mean return of an evaluation at the present step.
    evaluated: Option<f64>,
    kept: Instant,
    learning: Duration,
    moments: Vec<Moment>,
}

impl<'o> Run<'o> {
    fn begin(options: &'o TrainingOptions) -> Result<Self, TrainingError> {
        let (learner, Kept { best, evaluated }) = match resumable(options)? {
            Some(resumed) => resumed,
            None => (learners::begin(options.environment, &options.config, options.seed)?, Kept::default()),
        };
        Ok(Self { options, learner, best, evaluated, kept: Instant::now(), learning: Duration::ZERO, moments: Vec::new() })
    }

    /// The step at which the next evaluation is due: a multiple of the distance, however the run was interrupted.
    fn next_evaluation(&self, steps: u64) -> u64 {
        let every = self.options.evaluate_every.max(1);
        (steps / every + 1).saturating_mul(every)
    }

    /// Learns for a while; evaluates when it is time to.
    fn advance(&mut self) -> Result<&Moment, TrainingError> {
        let steps = self.learner.progress().steps;
        let due_at = self.next_evaluation(steps);
        let ends = [steps + ADVANCE, due_at, self.options.steps];
        let until = ends.into_iter().min().unwrap_or(self.options.steps).max(steps + 1);
        let begun = Instant::now();
        let progress = self.learner.advance(until - steps)?;
        // Nobody asks for single episodes; they would pile up.
        drop(self.learner.drain_episodes());
        self.learning += begun.elapsed();
        let due = progress.steps >= due_at || progress.steps >= self.options.steps;
        let evaluation = if due { Some(self.evaluate()?) } else { None };
        self.evaluated = evaluation.as_ref().map(|evaluation| evaluation.mean);
        self.moments.push(Moment { progress, evaluation, learning: self.learning });
        Ok(self.moments.last().expect("one was just pushed"))
    }

    fn evaluate(&mut self) -> Result<Evaluation, TrainingError> {
        let policy = self.learner.policy()?;
        let environment = self.options.environment.environment();
        let evaluation = evaluate(&*policy, &environment, self.options.episodes, EVALUATION_SEED, Selection::Greedy)?;
        if self.best.as_ref().is_none_or(|best| evaluation.mean > best.mean) {
            self.best = Some(Best { policy, file: file_of(&*self.learner)?, mean: evaluation.mean });
        }
        Ok(evaluation)
    }

    fn reached(&self) -> bool {
        self.options.until.zip(self.evaluated).is_some_and(|(until, mean)| mean >= until)
    }

    /// Writes the checkpoint where it is time to, or in any case.
    fn keep(&mut self, in_any_case: bool) -> Result<(), TrainingError> {
        let Some(path) = &self.options.checkpoint else { return Ok(()) };
        if in_any_case || self.kept.elapsed() >= CHECKPOINT_EVERY {
            let checkpoint = kept::write(&self.learner.checkpoint()?, self.best.as_ref(), self.evaluated)?;
            write_file(path, &checkpoint).map_err(|source| TrainingError::File { path: path.clone(), source })?;
            self.kept = Instant::now();
        }
        Ok(())
    }

    fn end(mut self, stopped: bool) -> Result<Trained, TrainingError> {
        if self.best.is_none() {
            self.evaluate()?;
        }
        let Best { policy, file, .. } = self.best.take().expect("an evaluation leaves the best policy behind");
        let environment = self.options.environment.environment();
        let evaluation = evaluate(&*policy, &environment, self.options.episodes * 10, EVALUATION_SEED + 1, Selection::Greedy)?;
        Ok(Trained { policy, file, evaluation, stopped, moments: self.moments })
    }
}

/// A learnt policy as a file: a network by itself, anything else as the learner's checkpoint.
fn file_of(learner: &dyn Learner) -> Result<Vec<u8>, LearnerError> {
    match learner.export()? {
        Some(file) => Ok(file),
        None => learner.checkpoint(),
    }
}

/// A learner, and what is kept beside it.
type Resumed = (Box<dyn Learner>, Kept);

/// The learner of the checkpoint and what is kept beside it, where one is to be resumed and there is one.
fn resumable(options: &TrainingOptions) -> Result<Option<Resumed>, TrainingError> {
    let Some(path) = options.checkpoint.as_deref().filter(|_| options.resume) else { return Ok(None) };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrainingError::File { path: path.to_owned(), source }),
    };
    let learner = learners::resume(&bytes)?;
    let (found, wanted) = (learner.environment(), options.environment.environment().name());
    if found == wanted { Ok(Some((learner, kept::read(&bytes, wanted)?))) } else { Err(other_run(path, found, wanted)) }
}

fn other_run(path: &Path, found: &str, wanted: &str) -> TrainingError {
    TrainingError::OtherRun { path: path.to_owned(), found: found.to_owned(), wanted: wanted.to_owned() }
}

#[cfg(test)]
mod tests;
