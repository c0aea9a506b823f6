//! Training beside live agents: a policy is learnt for an agent while that agent, and everything else, lives on.
//!
//! Each training is one thread of its own with the lowest priority, never an actor's; a task of the runtime tells what it
//! does: publications on `rl:<agent>`, time series, and at the end the policy's file and, where asked for, its swap into the
//! agent. Everything is kept under `DATA_DIR/trainings`, so that a server that went down, however it did, goes on
//! where it was.

mod plan;
mod status;
mod store;
mod teller;
mod worker;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use prometheus_client::metrics::{counter::Counter, family::Family};
use slipstream_actors::{
    AgentCommand, CommandError, Router,
    ports::{Clock, SeriesStore},
};
use slipstream_protocol::{AgentId, SessionId};
use tokio_util::task::TaskTracker;

pub use plan::{MAX_EPISODES, MAX_STEPS, TrainingPlan, learner_config};
pub use status::{Curve, EvaluatedPoint, LearningPoint, TrainingOutcome, TrainingState, TrainingStatus};

use store::Store;

/// Why a training could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingRefusal {
    /// The agent is being trained.
    #[error("'{0}' is being trained already: DELETE stops that training, then try again")]
    Running(AgentId),
    /// As many run as the server takes.
    #[error("{0} trainings run, as many as this server takes at once (rl.trainings): stop one, or come back when one has ended")]
    TooMany(usize),
    /// There is none.
    #[error("'{0}' has not been trained: POST starts a training")]
    Absent(AgentId),
    /// There is nothing to go on from.
    #[error("there is no checkpoint of '{0}' to go on from: start anew, without 'resume'")]
    NoCheckpoint(AgentId),
    /// The server is about to stop.
    #[error("the server is draining, come back in a moment")]
    Draining,
    /// The thread could not be made, or the checkpoint before it not be removed.
    #[error("the training could not be started: {0}")]
    Io(#[from] std::io::Error),
}

impl TrainingRefusal {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::TooMany(_) | Self::Draining | Self::Io(_))
    }
}

/// What a training's thread is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    GoOn,
    /// Evaluate and end.
    Stop,
    /// Keep the checkpoint and go, for the next start to go on.
    Suspend,
    /// Go, and leave nothing behind.
    Forget,
}

/// One training.
struct Training {
    status: Mutex<TrainingStatus>,
    order: Mutex<Order>,
}

impl Training {
    fn is_over(&self) -> bool {
        self.status.lock().state.is_over()
    }

    fn order(&self) -> Order {
        *self.order.lock()
    }
}

/// What trainings have come to.
#[derive(Debug, Default)]
pub(crate) struct TrainingCounters {
    pub(crate) steps: Counter,
    pub(crate) ended: Family<[(&'static str, &'static str); 1], Counter>,
    pub(crate) points_left_out: Counter,
}

/// What trainings work with.
#[derive(Clone)]
pub(crate) struct TrainingParts {
    pub(crate) router: Router,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stores: Vec<Arc<dyn SeriesStore>>,
}

/// What is said of a training that was stopped.
fn stopped_at(steps: u64) -> String {
    format!("stopped at step {steps}; POST {{\"resume\":true}} goes on from there")
}

/// All trainings of a server.
pub struct Trainings {
    parts: TrainingParts,
    store: Store,
    most: usize,
    all: Mutex<BTreeMap<AgentId, Arc<Training>>>,
    tasks: TaskTracker,
    closing: AtomicBool,
    pub(crate) counters: Arc<TrainingCounters>,
}

impl Trainings {
    pub(crate) fn new(parts: TrainingParts, data_dir: &Path, models: std::path::PathBuf, most: usize) -> Self {
        let store = Store::new(data_dir, models);
        let counters = Arc::default();
        Self { parts, store, most, all: Mutex::default(), tasks: TaskTracker::new(), closing: AtomicBool::new(false), counters }
    }

    /// Goes on with what ran when the server before this one went down. An agent that a crash took along is
    /// made again. What makes no progress from one start to the next is left, and says so.
    pub(crate) async fn take_up(&self) {
        for mut status in self.store.read() {
            let agent = status.agent.clone();
            if status.state.is_over() {
                self.remember(status);
                continue;
            }
            if status.state == TrainingState::Stopping {
                status.state = TrainingState::Stopped;
                status.ended_at = Some(self.parts.clock.now());
                status.message = Some(stopped_at(status.progress.steps));
                self.remember(status);
                continue;
            }
            let stuck = status.resumed_from == Some(status.progress.steps);
            let there = self.make_agent(&status).await;
            let why = match there {
                Err(error) => Some(format!("its agent could not be made again ({error})")),
                Ok(()) if stuck => Some("it had not come any further since the start before".to_owned()),
                Ok(()) => None,
            };
            if why.is_none() {
                (status.resumed, status.resumed_from) = (status.resumed + 1, Some(status.progress.steps));
                let steps = status.progress.steps;
                tracing::info!(%agent, steps, "a training goes on");
                status.message = Some(format!("the server went down at step {steps}; the training went on by itself from its checkpoint"));
                status.state = TrainingState::Running;
                let Err(error) = self.launch(&mut self.all.lock(), status.clone(), true) else { continue };
                tracing::error!(%agent, %error, "a training does not go on");
            }
            let why = why.unwrap_or_else(|| "it could not be started again".to_owned());
            let message =
                format!("the server went down at step {} and {why}; POST {{\"resume\":true}} goes on from there", status.progress.steps);
            tracing::warn!(%agent, message, "a training was interrupted");
            (status.state, status.message, status.ended_at) = (TrainingState::Interrupted, Some(message), Some(self.parts.clock.now()));
            self.remember(status);
        }
    }

    async fn make_agent(&self, status: &TrainingStatus) -> Result<(), CommandError> {
        if self.parts.router.views().agent(status.agent.as_str()).is_some() {
            return Ok(());
        }
        let create = AgentCommand::Create { environment: status.plan.environment, seed: status.plan.seed };
        match self.parts.router.command(&status.agent, create).await {
            Ok(_) | Err(CommandError::Exists) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn remember(&self, status: TrainingStatus) {
        let training = Training { order: Mutex::default(), status: Mutex::new(status) };
        let agent = training.status.lock().agent.clone();
        self.all.lock().insert(agent, Arc::new(training));
    }

    /// Trains an agent's policy anew.
    ///
    /// # Panics
    ///
    /// Never: the name of a training is always an id.
    pub fn start(&self, agent: &AgentId, plan: TrainingPlan) -> Result<TrainingStatus, TrainingRefusal> {
        let mut all = self.known();
        self.room(&all, agent)?;
        self.store.begin_anew(agent)?;
        let now = self.parts.clock.now();
        let id = SessionId::new(&format!("training-{}", now.millis())).expect("letters, a dash and digits are an id");
        self.launch(&mut all, TrainingStatus::new(agent.clone(), id, plan, now), false)
    }

    /// Goes on with the training that an agent had; `change` may give it another end.
    pub fn resume(&self, agent: &AgentId, change: impl FnOnce(&mut TrainingPlan)) -> Result<TrainingStatus, TrainingRefusal> {
        let mut all = self.all.lock();
        self.room(&all, agent)?;
        let mut status = all.get(agent).ok_or_else(|| TrainingRefusal::NoCheckpoint(agent.clone()))?.status.lock().clone();
        if !self.store.checkpoint(agent).exists() {
            return Err(TrainingRefusal::NoCheckpoint(agent.clone()));
        }
        change(&mut status.plan);
        (status.state, status.ended_at, status.outcome, status.message) = (TrainingState::Running, None, None, None);
        (status.resumed, status.resumed_from) = (status.resumed + 1, None);
        self.launch(&mut all, status, true)
    }

    /// What an agent's training was asked to do.
    pub fn plan(&self, agent: &AgentId) -> Option<TrainingPlan> {
        Some(self.status(agent).ok()?.plan)
    }

    /// The trainings; those whose agents were removed leave with the next look at them, once they are over.
    fn known(&self) -> MutexGuard<'_, BTreeMap<AgentId, Arc<Training>>> {
        let mut all = self.all.lock();
        all.retain(|_, training| training.order() != Order::Forget || !training.is_over());
        all
    }

    fn room(&self, all: &BTreeMap<AgentId, Arc<Training>>, agent: &AgentId) -> Result<(), TrainingRefusal> {
        if self.closing.load(Ordering::Acquire) {
            return Err(TrainingRefusal::Draining);
        }
        if all.get(agent).is_some_and(|training| !training.is_over()) {
            return Err(TrainingRefusal::Running(agent.clone()));
        }
        let running = all.values().filter(|training| !training.is_over()).count();
        if running >= self.most { Err(TrainingRefusal::TooMany(self.most)) } else { Ok(()) }
    }

    fn launch(
        &self,
        all: &mut BTreeMap<AgentId, Arc<Training>>,
        status: TrainingStatus,
        resume: bool,
    ) -> Result<TrainingStatus, TrainingRefusal> {
        let agent = status.agent.clone();
        let training = Arc::new(Training { status: Mutex::new(status.clone()), order: Mutex::default() });
        let told = worker::start(&training, &self.store, &self.counters, resume)?;
        let teller = teller::Teller::new(training.clone(), self.store.clone(), self.parts.clone(), self.counters.clone());
        self.tasks.spawn(teller.run(told));
        all.insert(agent, training);
        Ok(status)
    }

    /// Where an agent's training stands.
    pub fn status(&self, agent: &AgentId) -> Result<TrainingStatus, TrainingRefusal> {
        let all = self.known();
        let training = all.get(agent).ok_or_else(|| TrainingRefusal::Absent(agent.clone()))?;
        Ok(training.status.lock().clone())
    }

    /// Where all trainings stand, by agent.
    pub fn list(&self) -> Vec<TrainingStatus> {
        self.known().values().map(|training| training.status.lock().clone()).collect()
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.all.lock().values().filter(|training| !training.is_over()).count()
    }

    /// How many may run at once.
    pub const fn most(&self) -> usize {
        self.most
    }

    /// Tells a training to stop; one that is over stays as it is.
    pub fn stop(&self, agent: &AgentId) -> Result<TrainingStatus, TrainingRefusal> {
        let training = self.known().get(agent).cloned().ok_or_else(|| TrainingRefusal::Absent(agent.clone()))?;
        let mut status = training.status.lock();
        if status.state == TrainingState::Running {
            status.state = TrainingState::Stopping;
            *training.order.lock() = Order::Stop;
        }
        Ok(status.clone())
    }

    /// Ends and forgets an agent's training, for the agent is no more. The policies it gave stay.
    pub fn forget(&self, agent: &AgentId) {
        let mut all = self.all.lock();
        let Some(training) = all.get(agent) else { return };
        *training.order.lock() = Order::Forget;
        if training.is_over() {
            all.remove(agent);
            if let Err(error) = self.store.forget(agent) {
                tracing::warn!(%agent, %error, "what was kept of a training could not be removed");
            }
        }
    }

    /// Lets every training keep its checkpoint and go; the next start goes on.
    pub(crate) async fn close(&self, within: Duration) {
        self.closing.store(true, Ordering::Release);
        for training in self.all.lock().values() {
            let mut order = training.order.lock();
            // One that was told to stop is suspended, too: there is no time to tell how good it is.
            if matches!(*order, Order::GoOn | Order::Stop) {
                *order = Order::Suspend;
            }
        }
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!("a training did not stop in time; it goes on from its newest checkpoint");
        }
    }
}
