//! Declared pipelines at work: who there is, who runs, who stands still.
//!
//! Each pipeline is one task, a consumer of the journal like the series writers; its channel is owned by a topic's actor. Those
//! in the configuration's `pipelines_dir` are declared by files, the others over REST; both are kept under
//! `DATA_DIR/pipelines`.

mod alarms;
pub mod document;
mod report;
mod results;
mod runner;
mod sink;
mod store;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::Value;
use slipstream_actors::{
    Router,
    ports::{Clock, Records, RecordsError, SeriesStore},
};
use slipstream_engine::pipeline::{CommandError, Pipeline, PipelineSpec};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

pub use document::DocumentError;
pub use report::{PipelineStats, ResultCounts, RunState};

use crate::journal::{ConsumerRole, EmbeddedJournal};
pub(crate) use results::json as json_value;
pub(crate) use runner::stopwatch;
pub(crate) use sink::Sink;

use results::Results;
use runner::{Command, Order, Runner};
use store::{Checkpoint, Record, Store};

/// The most pipelines one server runs.
pub const MAX_PIPELINES: usize = 256;
/// How long a pipeline may take to save and stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Why something could not be done with a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Its description has mistakes.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// There is none of this name.
    #[error("the pipeline '{0}' does not exist")]
    Unknown(String),
    /// There is one of this name already.
    #[error("there is a pipeline '{0}' already; PUT replaces it")]
    Exists(String),
    /// A file of the configuration declares it.
    #[error("the pipeline '{0}' is declared by a file of the configuration: change it there and restart")]
    FromFile(String),
    /// The body names another pipeline than the path.
    #[error("the body describes '{0}', the path names '{1}'")]
    OtherName(String, String),
    /// There are enough.
    #[error("there are {MAX_PIPELINES} pipelines, the most one server runs; remove one first")]
    TooMany,
    /// It does not run, and the step's command needs it to.
    #[error("the pipeline '{0}' does not run now; resume it first")]
    NotRunning(String),
    /// A step's command was refused.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The records do not answer, or refuse.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// It could not be written down.
    #[error("the pipeline could not be saved: {0}")]
    Storage(#[from] std::io::Error),
}

impl PipelineError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Storage(_) => true,
            Self::Records(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// A pipeline as it is told to people.
#[derive(Clone, Debug)]
pub struct PipelineView {
    /// Its name.
    pub name: String,
    /// What was declared.
    pub document: Value,
    /// Whether a file of the configuration declares it.
    pub from_file: bool,
    /// Its numbers.
    pub stats: PipelineStats,
}

/// What pipelines work with.
pub struct PipelineParts {
    /// The door into the actors.
    pub router: Router,
    /// Where samples come from.
    pub journal: Arc<EmbeddedJournal>,
    /// Where results are stored.
    pub stores: Vec<Arc<dyn SeriesStore>>,
    /// Where alarms' lives are kept.
    pub records: Arc<dyn Records>,
    /// The only source of `now`.
    pub clock: Arc<dyn Clock>,
}

struct Running {
    orders: watch::Sender<Order>,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

struct Entry {
    record: Record,
    running: Option<Running>,
    stats: Arc<Mutex<PipelineStats>>,
}

/// Declared pipelines before they run: what is to be known before the journal forgets anything.
pub struct DeclaredPipelines {
    store: Store,
    records: BTreeMap<String, Record>,
}

/// All pipelines of a server.
pub struct Pipelines {
    store: Store,
    parts: PipelineParts,
    entries: tokio::sync::Mutex<BTreeMap<String, Entry>>,
    /// The same numbers, for readers that do not wait.
    stats: Mutex<BTreeMap<String, Arc<Mutex<PipelineStats>>>>,
}

/// What the journal knows a pipeline by.
fn consumer_name(name: &str) -> String {
    format!("pipeline.{name}")
}

impl DeclaredPipelines {
    /// Those kept under `data_dir`, and those of the files in `folder`, which go before. A file with mistakes is told and left
    /// out; what it declared before goes on.
    pub fn read(data_dir: &Path, folder: Option<&Path>) -> Self {
        let store = Store::new(data_dir);
        let mut records: BTreeMap<String, Record> = store.records().into_iter().collect();
        let files = folder.map(document::files).transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "the folder of pipelines cannot be read");
            None
        });
        let mut declared = Vec::new();
        for path in files.iter().flatten() {
            match document::check_file(path) {
                Ok((name, document)) => {
                    take_up(&store, &mut records, &name, document);
                    declared.push(name);
                }
                Err(error) => {
                    for mistake in error.lines() {
                        tracing::error!(path = %path.display(), mistake, "a pipeline is not as it should be and is left out");
                    }
                    declared.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
                }
            }
        }
        let gone: Vec<String> =
            records.iter().filter(|(n, r)| r.from_file && folder.is_some() && !declared.contains(n)).map(|(n, _)| n.clone()).collect();
        for name in gone {
            tracing::info!(pipeline = name, "its file is gone, and so is the pipeline");
            records.remove(&name);
            if let Err(error) = store.remove(&name) {
                tracing::error!(pipeline = name, %error, "it could not be removed");
            }
        }
        Self { store, records }
    }

    /// What the journal is to keep records for.
    pub fn consumers(&self) -> Vec<String> {
        self.records.keys().map(|name| consumer_name(name)).collect()
    }

    /// Starts those that are not paused. To be called within a tokio runtime.
    pub async fn start(self, parts: PipelineParts) -> Pipelines {
        let pipelines = Pipelines { store: self.store, parts, entries: tokio::sync::Mutex::default(), stats: Mutex::default() };
        for (name, record) in self.records {
            let mut entries = pipelines.entries.lock().await;
            pipelines.enter(&mut entries, &name, record);
        }
        pipelines
    }
}

/// A file's description goes before what is known under its name; its state stays where nothing changed.
fn take_up(store: &Store, records: &mut BTreeMap<String, Record>, name: &str, document: Value) {
    let record = match records.get(name) {
        Some(known) if known.document == document => Record { from_file: true, ..known.clone() },
        other => Record { document, paused: false, from_file: true, generation: other.map_or(1, |r| r.generation + 1) },
    };
    if records.get(name) != Some(&record)
        && let Err(error) = store.keep(name, &record)
    {
        tracing::error!(pipeline = name, %error, "a declared pipeline cannot be written down");
    }
    records.insert(name.to_owned(), record);
}

impl Pipelines {
    fn enter(&self, entries: &mut BTreeMap<String, Entry>, name: &str, record: Record) {
        let stats = Arc::new(Mutex::new(PipelineStats::default()));
        self.stats.lock().insert(name.to_owned(), stats.clone());
        let mut entry = Entry { record, running: None, stats };
        if entry.record.paused {
            entry.stats.lock().state = RunState::Paused;
        } else {
            self.launch(name, &mut entry);
        }
        entries.insert(name.to_owned(), entry);
    }

    /// Starts a pipeline's task from its last checkpoint; without one from where the journal is now.
    fn launch(&self, name: &str, entry: &mut Entry) {
        let checkpoint = self.store.load(name, entry.record.generation);
        let restored = checkpoint.as_ref().map(|c| Pipeline::restore(&entry.record.document, &c.state));
        let (pipeline, done) = match (restored, &checkpoint) {
            (Some(Ok(pipeline)), Some(checkpoint)) => (Ok(pipeline), Some(checkpoint.position)),
            (Some(Err(error)), _) => {
                tracing::error!(pipeline = name, %error, "the saved state does not fit; beginning anew");
                (Pipeline::build(&entry.record.document), None)
            }
            _ => (Pipeline::build(&entry.record.document), None),
        };
        let mut consumer = self.parts.journal.consumer(&consumer_name(name), ConsumerRole::Reader);
        let done = done.unwrap_or_else(|| {
            // What was there before it was declared is not its own. A kill right after this must find this place again.
            let now = self.parts.journal.position();
            let state = pipeline.as_ref().ok().and_then(|p| p.snapshot().ok());
            if let Some(Err(error)) =
                state.map(|state| self.store.save(name, entry.record.generation, &Checkpoint { position: now, state }))
            {
                tracing::error!(pipeline = name, %error, "the first checkpoint cannot be saved");
            }
            consumer.commit(now);
            now
        });
        consumer = self.parts.journal.consumer(&consumer_name(name), ConsumerRole::Reader);
        let ready = pipeline.map_err(|e| e.to_string()).and_then(|p| Ok((Results::new(p.spec()).ok_or("its name is no id")?, p)));
        let (results, pipeline) = match ready {
            Ok(ready) => ready,
            Err(failure) => {
                tracing::error!(pipeline = name, failure, "the pipeline cannot run");
                *entry.stats.lock() = PipelineStats { state: RunState::Failed, failure: Some(failure), ..PipelineStats::default() };
                return;
            }
        };
        *entry.stats.lock() = PipelineStats::default();
        let (orders, received) = watch::channel(Order::Run);
        let (commands, asked) = mpsc::channel(16);
        let runner = Runner {
            name: name.to_owned(),
            generation: entry.record.generation,
            pipeline,
            results,
            journal: self.parts.journal.clone(),
            consumer,
            done,
            saved: done,
            sink: Sink::series(self.parts.stores.clone(), name),
            alarms: alarms::sink(self.parts.records.clone(), self.parts.clock.clone()),
            unsaved: false,
            store: self.store.clone(),
            router: self.parts.router.clone(),
            clock: self.parts.clock.clone(),
            stats: entry.stats.clone(),
            orders: received,
            commands: asked,
        };
        entry.running = Some(Running { orders, commands, task: tokio::spawn(runner.run()) });
    }

    /// Declares a new pipeline and starts it. Tells its name.
    pub async fn create(&self, text: &str) -> Result<String, PipelineError> {
        let (name, document) = document::check(text)?;
        let mut entries = self.entries.lock().await;
        if entries.contains_key(&name) {
            return Err(PipelineError::Exists(name));
        }
        if entries.len() >= MAX_PIPELINES {
            return Err(PipelineError::TooMany);
        }
        let record = Record { document, paused: false, from_file: false, generation: 1 };
        self.store.keep(&name, &record)?;
        self.enter(&mut entries, &name, record);
        Ok(name)
    }

    /// Declares the pipeline `name`, in place of the one there is. The new one begins with empty state, unless nothing changed.
    /// True where there was none.
    pub async fn replace(&self, name: &str, text: &str) -> Result<bool, PipelineError> {
        let (named, document) = document::check(text)?;
        if named != name {
            return Err(PipelineError::OtherName(named, name.to_owned()));
        }
        let mut entries = self.entries.lock().await;
        let Some(entry) = entries.get_mut(name) else {
            drop(entries);
            return self.create(text).await.map(|_| true);
        };
        if entry.record.from_file {
            return Err(PipelineError::FromFile(name.to_owned()));
        }
        let failed = entry.stats.lock().state == RunState::Failed;
        if entry.record.document == document && !failed {
            return Ok(false);
        }
        let record = Record { document, paused: entry.record.paused, from_file: false, generation: entry.record.generation + 1 };
        self.store.keep(name, &record)?;
        stop(entry, Order::Drop).await;
        self.abandon_alarms(name).await;
        self.enter(&mut entries, name, record);
        Ok(false)
    }

    /// Takes a pipeline out of service for good. What it stored stays.
    pub async fn remove(&self, name: &str) -> Result<(), PipelineError> {
        let mut entries = self.entries.lock().await;
        let entry = entries.get_mut(name).ok_or_else(|| PipelineError::Unknown(name.to_owned()))?;
        if entry.record.from_file {
            return Err(PipelineError::FromFile(name.to_owned()));
        }
        self.store.remove(name)?;
        stop(entry, Order::Drop).await;
        entries.remove(name);
        self.abandon_alarms(name).await;
        self.stats.lock().remove(name);
        let kept: Vec<String> = self.parts.journal.stats().consumers.into_keys().filter(|n| *n != consumer_name(name)).collect();
        self.parts.journal.retain_consumers(&kept.iter().map(String::as_str).collect::<Vec<_>>());
        Ok(())
    }

    /// Lets a pipeline stand still, keeping its state and its place: the journal keeps what comes meanwhile.
    pub async fn pause(&self, name: &str) -> Result<(), PipelineError> {
        let mut entries = self.entries.lock().await;
        let entry = entries.get_mut(name).ok_or_else(|| PipelineError::Unknown(name.to_owned()))?;
        let record = Record { paused: true, ..entry.record.clone() };
        self.store.keep(name, &record)?;
        entry.record = record;
        stop(entry, Order::Stop).await;
        entry.stats.lock().state = RunState::Paused;
        Ok(())
    }

    /// Lets a paused or failed pipeline go on from its place.
    pub async fn resume(&self, name: &str) -> Result<(), PipelineError> {
        let mut entries = self.entries.lock().await;
        let entry = entries.get_mut(name).ok_or_else(|| PipelineError::Unknown(name.to_owned()))?;
        if entry.running.as_ref().is_some_and(|r| !r.task.is_finished()) {
            return Ok(());
        }
        let record = Record { paused: false, ..entry.record.clone() };
        self.store.keep(name, &record)?;
        entry.record = record;
        self.launch(name, entry);
        Ok(())
    }

    /// Passes a person's command to a running step (an alarm's acknowledgement, say).
    pub async fn command(&self, name: &str, step: &str, command: Value) -> Result<Value, PipelineError> {
        let commands = {
            let entries = self.entries.lock().await;
            let entry = entries.get(name).ok_or_else(|| PipelineError::Unknown(name.to_owned()))?;
            entry.running.as_ref().map(|r| r.commands.clone())
        };
        let not_running = || PipelineError::NotRunning(name.to_owned());
        let (reply, answer) = oneshot::channel();
        let asked = Command { step: step.to_owned(), asked: command, reply };
        commands.ok_or_else(not_running)?.send(asked).await.map_err(|_| not_running())?;
        Ok(answer.await.map_err(|_| not_running())??)
    }

    /// All of them, by name.
    pub async fn list(&self) -> Vec<PipelineView> {
        self.entries.lock().await.iter().map(|(name, entry)| view(name, entry)).collect()
    }

    /// One of them.
    pub async fn read(&self, name: &str) -> Result<PipelineView, PipelineError> {
        let entries = self.entries.lock().await;
        entries.get(name).map(|entry| view(name, entry)).ok_or_else(|| PipelineError::Unknown(name.to_owned()))
    }

    /// The numbers of all, by name, without waiting.
    pub fn stats(&self) -> Vec<(String, PipelineStats)> {
        self.stats.lock().iter().map(|(name, stats)| (name.clone(), stats.lock().clone())).collect()
    }

    /// Lets all work up to where the journal is now, save and stop; for a drain.
    pub async fn stop(&self, deadline: Duration) {
        let position = self.parts.journal.position();
        let mut entries = self.entries.lock().await;
        for entry in entries.values() {
            if let Some(running) = &entry.running {
                running.orders.send_replace(Order::Until(position));
            }
        }
        let until = tokio::time::Instant::now() + deadline;
        for (name, entry) in entries.iter_mut() {
            let Some(running) = entry.running.take() else { continue };
            let mut task = running.task;
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                tracing::warn!(pipeline = name, "it did not get to the journal's end in time; the rest is done after the restart");
                task.abort();
            }
        }
    }
}

fn view(name: &str, entry: &Entry) -> PipelineView {
    PipelineView {
        name: name.to_owned(),
        document: entry.record.document.clone(),
        from_file: entry.record.from_file,
        stats: entry.stats.lock().clone(),
    }
}

async fn stop(entry: &mut Entry, order: Order) {
    let Some(mut running) = entry.running.take() else { return };
    running.orders.send_replace(order);
    if tokio::time::timeout(STOP_WITHIN, &mut running.task).await.is_err() {
        running.task.abort();
    }
}

/// The description of a checked document: its text for people.
pub fn description(document: &Value) -> String {
    PipelineSpec::read(document).map(|spec| spec.description).unwrap_or_default()
}
