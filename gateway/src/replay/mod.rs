//! Recordings played again, live: a period of the journal or of the time series, or a file of many vehicles, at any speed, with
//! pause and seek; and what a pipeline would have made of them.
//!
//! A replay's vehicles are named `<replay>.<vehicle>` (`replay-1.ALB`), and all of it is the session `<replay>`: so
//! `telemetry:replay-1.ALB` and `session:replay-1` are told apart from what happens now. Samples keep their source time. They go to
//! the vehicles' actors as every sample does, but into neither journal nor time series: what was recorded is not recorded again.

mod compare;
mod history;
mod numbers;
mod player;
mod reading;
mod recording;
mod timeline;
mod what_if;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use serde::Serialize;
use slipstream_protocol::{SessionId, Timestamp, VehicleId};
use tokio::sync::watch;

use crate::app::Services;

use recording::Problems;

pub use compare::{Comparison, Difference};
use numbers::ReplayNumbers;
pub use recording::{Period, Recording, RecordingError, recordings_dir};
pub use what_if::{WhatIfError, WhatIfRequest, WhatIfStatus, WhatIfs};

/// Most replays that run at once.
const MOST_RUNNING: usize = 8;

/// Most finished replays that are remembered.
const MOST_REMEMBERED: usize = 100;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayRequest {
    /// Where the samples come from.
    pub recording: Recording,
    /// Which of them.
    pub period: Period,
    /// So many times as fast as it was recorded.
    pub speed: f64,
}

/// Why a replay was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Too many run.
    #[error("{MOST_RUNNING} replays run already; stop one first")]
    TooMany,
    /// There is none of this id.
    #[error("the replay '{0}' does not exist")]
    Unknown(String),
    /// Its number cannot be written down.
    #[error("the number of the next replay cannot be written to {0}; see to the disk and try again")]
    Numbering(String),
    /// It has ended.
    #[error("the replay '{0}' has ended; start another one")]
    Ended(String),
}

impl ReplayError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::TooMany | Self::Numbering(_))
    }
}

/// Where a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It plays.
    Running,
    /// It waits to go on.
    Paused,
    /// Everything was played.
    Done,
    /// It was ended.
    Stopped,
    /// The recording could not be read to its end.
    Failed,
}

impl State {
    const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Stopped | Self::Failed)
    }
}

/// What is told of a replay.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayStatus {
    /// Its id, and the session its vehicles are in.
    pub id: SessionId,
    /// Where it stands.
    pub state: State,
    /// So many times as fast as it was recorded.
    pub speed: f64,
    /// Source time of the newest sample played.
    pub position: Option<Timestamp>,
    /// Samples played.
    pub played: u64,
    /// Samples that could not be played, and rows of a file that made none.
    pub skipped: u64,
    /// The lines of the first of these rows, and where else the file is not as it should be; the log says why.
    pub problems: Vec<String>,
    /// Its vehicles, as they are called here.
    pub vehicles: Vec<VehicleId>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What a replay is told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// Whether to wait.
    pub paused: Option<bool>,
    /// How fast to go on.
    pub speed: Option<f64>,
    /// Where to go on, in source time.
    pub position: Option<Timestamp>,
}

/// What the player goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Control {
    paused: bool,
    speed: f64,
    /// Counts the seeks, so that each is done once.
    seeks: u64,
    from: Option<Timestamp>,
    stopped: bool,
}

/// One replay.
struct Replay {
    id: SessionId,
    request: ReplayRequest,
    position: AtomicI64,
    played: AtomicU64,
    skipped: AtomicU64,
    /// Of the recording as it is read now.
    problems: Mutex<Arc<Problems>>,
    ended: Mutex<Option<(State, Option<String>)>>,
    vehicles: Mutex<BTreeSet<VehicleId>>,
    control: watch::Sender<Control>,
}

impl Replay {
    fn state(&self) -> State {
        match &*self.ended.lock() {
            Some((state, _)) => *state,
            None if self.control.borrow().paused => State::Paused,
            None => State::Running,
        }
    }

    fn status(&self) -> ReplayStatus {
        let position = self.position.load(Ordering::Relaxed);
        let problems = self.problems.lock().clone();
        ReplayStatus {
            id: self.id.clone(),
            state: self.state(),
            speed: self.control.borrow().speed,
            position: (position != i64::MIN).then(|| Timestamp::from_micros(position)),
            played: self.played.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed) + problems.skipped(),
            problems: problems.examples(),
            vehicles: self.vehicles.lock().iter().cloned().collect(),
            error: self.ended.lock().as_ref().and_then(|(_, error)| error.clone()),
        }
    }
}

/// All replays of a server.
pub struct Replays {
    all: Mutex<BTreeMap<u64, Arc<Replay>>>,
    numbers: ReplayNumbers,
}

impl Replays {
    /// For a server with that data folder, behind every replay there was before: also those of `known` sessions, which are in the state
    /// of servers that wrote no numbers down.
    pub fn new(data_dir: &Path, known: &[SessionId]) -> Self {
        Self { all: Mutex::default(), numbers: ReplayNumbers::read(data_dir, known) }
    }

    /// Starts one.
    ///
    /// # Panics
    ///
    /// Never: the name of a replay is always an id.
    pub fn start(&self, services: &Arc<Services>, request: ReplayRequest) -> Result<ReplayStatus, ReplayError> {
        let mut all = self.all.lock();
        if all.values().filter(|r| !r.state().is_over()).count() >= MOST_RUNNING {
            return Err(ReplayError::TooMany);
        }
        while all.len() >= MOST_REMEMBERED {
            let Some(oldest) = all.iter().find(|(_, r)| r.state().is_over()).map(|(n, _)| *n) else { break };
            all.remove(&oldest);
        }
        let number = self.numbers.next()?;
        let id = SessionId::new(&format!("replay-{number}")).expect("letters, a dash and digits are an id");
        let (control, told) =
            watch::channel(Control { paused: false, speed: request.speed, seeks: 0, from: request.period.from, stopped: false });
        let replay = Arc::new(Replay {
            id,
            request,
            position: AtomicI64::new(i64::MIN),
            played: AtomicU64::default(),
            skipped: AtomicU64::default(),
            problems: Mutex::default(),
            ended: Mutex::default(),
            vehicles: Mutex::default(),
            control,
        });
        all.insert(number, replay.clone());
        tokio::spawn(player::play(services.clone(), replay.clone(), told));
        Ok(replay.status())
    }

    /// All, the newest first.
    pub fn list(&self) -> Vec<ReplayStatus> {
        self.all.lock().values().rev().map(|r| r.status()).collect()
    }

    /// One.
    pub fn status(&self, id: &str) -> Result<ReplayStatus, ReplayError> {
        Ok(self.find(id)?.status())
    }

    /// Tells one what to do.
    pub fn change(&self, id: &str, change: Change) -> Result<ReplayStatus, ReplayError> {
        let replay = self.find(id)?;
        if replay.state().is_over() {
            return Err(ReplayError::Ended(id.to_owned()));
        }
        replay.control.send_modify(|control| {
            control.paused = change.paused.unwrap_or(control.paused);
            control.speed = change.speed.unwrap_or(control.speed);
            if change.position.is_some() {
                control.from = change.position;
                control.seeks += 1;
            }
        });
        Ok(replay.status())
    }

    /// Ends one; it stays to be read.
    pub fn stop(&self, id: &str) -> Result<ReplayStatus, ReplayError> {
        let replay = self.find(id)?;
        replay.control.send_modify(|control| control.stopped = true);
        replay.ended.lock().get_or_insert((State::Stopped, None));
        Ok(replay.status())
    }

    fn find(&self, id: &str) -> Result<Arc<Replay>, ReplayError> {
        self.all.lock().values().find(|r| r.id.as_str() == id).cloned().ok_or_else(|| ReplayError::Unknown(id.to_owned()))
    }
}
