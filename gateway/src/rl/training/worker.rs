//! A training's thread.

use std::{
    any::Any,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use slipstream_engine::rl::{agent::PlayedPolicy, policy::MAX_FILE_BYTES};
use tokio::sync::mpsc;

use super::{Order, Training, TrainingCounters, TrainingOutcome, store::Store};
use crate::training::{Break, Moment, Trained, TrainingError, TrainingOptions, give_way, train_suspendable};

/// Between two moments told, evaluations aside.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// Between two writes of where it stands.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// Moments that wait to be told; then the training waits.
const WAITING: usize = 64;

/// What the thread says.
pub(super) enum Told {
    /// It learns.
    Moment(Box<Moment>),
    /// It is over.
    Ended(Box<Ended>),
}

/// How it ended.
#[expect(clippy::large_enum_variant, reason = "one per training, at its end")]
pub(super) enum Ended {
    /// It learnt a policy, which is kept.
    Trained { outcome: TrainingOutcome, played: PlayedPolicy, stopped: bool },
    /// It goes on after the next start.
    Suspended,
    /// It could not go on.
    Failed(String),
}

struct Worker {
    training: Arc<Training>,
    store: Store,
    counters: Arc<TrainingCounters>,
    told: mpsc::Sender<Told>,
    told_at: Option<Instant>,
    kept_at: Instant,
    steps: u64,
}

/// Starts the thread.
pub(super) fn start(
    training: &Arc<Training>,
    store: &Store,
    counters: &Arc<TrainingCounters>,
    resume: bool,
) -> std::io::Result<mpsc::Receiver<Told>> {
    let (told, heard) = mpsc::channel(WAITING);
    let (agent, plan, steps) = {
        let status = training.status.lock();
        (status.agent.clone(), status.plan.clone(), if resume { status.progress.steps } else { 0 })
    };
    let options = plan.options(store.checkpoint(&agent), resume);
    let mut worker = Worker {
        training: training.clone(),
        store: store.clone(),
        counters: counters.clone(),
        told,
        told_at: None,
        kept_at: Instant::now(),
        steps,
    };
    thread::Builder::new().name("rl-training".to_owned()).spawn(move || {
        give_way();
        worker.keep();
        let ended = catch_unwind(AssertUnwindSafe(|| worker.learn(&options)));
        let ended = ended.unwrap_or_else(|panic| Ended::Failed(format!("the learner panicked: {}", said(&*panic))));
        // Nobody hears where the runtime is gone; what counts is on disk.
        let _ = worker.told.blocking_send(Told::Ended(Box::new(ended)));
    })?;
    Ok(heard)
}

/// A panic's words.
fn said(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

impl Worker {
    fn learn(&mut self, options: &TrainingOptions) -> Ended {
        let ended = train_suspendable(options, |moment| self.watch(moment));
        match ended {
            Ok(None) => {
                self.keep();
                Ended::Suspended
            }
            Ok(Some(trained)) => self.trained(trained),
            Err(TrainingError::Learner(error)) if options.resume => {
                Ended::Failed(format!("{error}; start anew, without 'resume', where its checkpoint is damaged"))
            }
            Err(error) => Ended::Failed(error.to_string()),
        }
    }

    fn watch(&mut self, moment: &Moment) -> ControlFlow<Break> {
        self.counters.steps.inc_by(moment.progress.steps.saturating_sub(self.steps));
        let first = self.told_at.is_none();
        self.steps = moment.progress.steps;
        if first || moment.evaluation.is_some() || self.told_at.is_some_and(|at| at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            self.training.status.lock().look(moment);
            if self.told.blocking_send(Told::Moment(Box::new(moment.clone()))).is_err() {
                return ControlFlow::Break(Break::Suspend);
            }
        }
        if self.kept_at.elapsed() >= KEEP_EVERY {
            self.keep();
        }
        match self.training.order() {
            Order::GoOn => ControlFlow::Continue(()),
            Order::Stop => ControlFlow::Break(Break::Stop),
            Order::Suspend | Order::Forget => ControlFlow::Break(Break::Suspend),
        }
    }

    /// Writes down where it stands.
    fn keep(&mut self) {
        self.kept_at = Instant::now();
        if self.training.order() == Order::Forget {
            return;
        }
        let status = self.training.status.lock().clone();
        if let Err(error) = self.store.keep(&status) {
            tracing::warn!(agent = %status.agent, %error, "where a training stands could not be written down");
        }
    }

    fn trained(&self, trained: Trained) -> Ended {
        let agent = self.training.status.lock().agent.clone();
        if let Some(last) = trained.moments.last() {
            self.training.status.lock().look(last);
        }
        let model = match self.store.keep_policy(&agent, &trained.file) {
            Ok(model) => model,
            Err(error) => return Ended::Failed(format!("what was learnt could not be written: {error}; 'resume' tries again")),
        };
        let policy = trained.policy.description().clone();
        let outcome = TrainingOutcome { evaluation: trained.evaluation, policy, model, deployed: false };
        let file = (trained.file.len() <= MAX_FILE_BYTES).then(|| trained.file.into());
        Ended::Trained { outcome, played: PlayedPolicy { policy: trained.policy, file }, stopped: trained.stopped }
    }
}
