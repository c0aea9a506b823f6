//! What the bus does, on its way from its actor to the clients.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use slipstream_actors::{AgentObserver, AgentView};
use slipstream_engine::rl::{agent::Update, daladala::Cell};
use tokio::sync::mpsc;

use super::{BUS, bus};

/// Changes that wait to be broadcast. When clients are slower than the bus the oldest broadcasts are
/// still to come: the newest are left out, and `get-state` tells where it stands.
const WAITING: usize = 4_096;
/// Steps of an episode remembered; no episode has more than 350.
const MAX_STEPS: usize = 400;

/// One change of the bus.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) view: Arc<AgentView>,
}

/// Hears the actors and hands on what concerns the bus.
pub(crate) struct Changes {
    out: mpsc::Sender<Change>,
    receiver: Mutex<Option<mpsc::Receiver<Change>>>,
    log: Mutex<EpisodeLog>,
    /// Broadcasts left out.
    pub(crate) left_out: prometheus_client::metrics::counter::Counter,
}

/// What the present episode was so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct EpisodeLog {
    pub(crate) steps: Vec<LoggedStep>,
}

/// One step of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoggedStep {
    /// From 1.
    step: usize,
    action: usize,
    action_name: &'static str,
    reward: f64,
    total_reward: f64,
    terminated: bool,
    truncated: bool,
    /// Where the bus stood afterwards.
    position: Option<Cell>,
}

impl Changes {
    pub(crate) fn new() -> Arc<Self> {
        let (out, receiver) = mpsc::channel(WAITING);
        Arc::new(Self {
            out,
            receiver: Mutex::new(Some(receiver)),
            log: Mutex::default(),
            left_out: prometheus_client::metrics::counter::Counter::default(),
        })
    }

    /// The changes; there is one who broadcasts them.
    pub(crate) fn take(&self) -> Option<mpsc::Receiver<Change>> {
        self.receiver.lock().take()
    }

    /// The present episode.
    pub(crate) fn log(&self) -> EpisodeLog {
        self.log.lock().clone()
    }

    fn note(&self, view: &AgentView, update: &Update) {
        let mut log = self.log.lock();
        match update {
            Update::EpisodeStarted { .. } | Update::EpisodeReset { .. } => *log = EpisodeLog::default(),
            Update::Step(step) if log.steps.len() < MAX_STEPS => {
                let number = log.steps.len() + 1;
                log.steps.push(LoggedStep {
                    step: number,
                    action: step.action,
                    action_name: step.action_name,
                    reward: step.reward,
                    total_reward: step.total_reward,
                    terminated: step.terminated,
                    truncated: step.truncated,
                    position: bus::position(view),
                });
            }
            _ => {}
        }
    }
}

impl AgentObserver for Changes {
    fn changed(&self, view: &Arc<AgentView>, updates: &[Update]) {
        if view.id.as_str() != BUS {
            return;
        }
        for update in updates {
            self.note(view, update);
        }
        let moves = |update: &Update| matches!(update, Update::Step(_) | Update::EpisodeStarted { .. } | Update::EpisodeReset { .. });
        if updates.iter().any(moves) && self.out.try_send(Change { view: view.clone() }).is_err() {
            self.left_out.inc();
        }
    }
}
