//! Declared pipelines at work: who there is, who runs, who stands still.
//!
//! Each pipeline is one task, a consumer of the journal like the series writers; its channel is owned by a topic's actor. Those
//! in the configuration's `pipelines_dir` are declared by files, the others over REST; both are kept under
//! `DATA_DIR/pipelines`.

mod alarms;
mod declared;
pub mod document;
mod error;
mod hold;
mod launch;
mod report;
mod results;
mod runner;
mod sink;
mod store;
pub mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;
use slipstream_actors::{
    Router,
    ports::{Clock, Records, SeriesStore},
};
use slipstream_engine::pipeline::{Pipeline, PipelineSpec, Surroundings};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

pub use declared::DeclaredPipelines;
pub use document::DocumentError;
pub use error::PipelineError;
pub use hold::keep_bounds;
pub use report::{Missed, PipelineStats, ResultCounts, RunState};
pub use tables::TableHealth;

use crate::{config::PipelinesConfig, journal::EmbeddedJournal};
pub(crate) use results::told;
pub(crate) use runner::stopwatch;
pub(crate) use sink::Sink;

use runner::{Command, Order};
use store::{Record, Store};
use tables::RecordTables;

/// The most pipelines one server runs.
pub const MAX_PIPELINES: usize = 256;
/// How long a pipeline may take to save and stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

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
    /// The tables its rows are enriched from.
    pub tables: Vec<TableHealth>,
}

/// What pipelines work with.
pub struct PipelineParts {
    /// The door into the actors.
    pub router: Router,
    /// Where samples come from.
    pub journal: Arc<EmbeddedJournal>,
    /// Where results are stored.
    pub stores: Vec<Arc<dyn SeriesStore>>,
    /// Where alarms' lives are kept, and where tables come from.
    pub records: Arc<dyn Records>,
    /// The only source of `now`.
    pub clock: Arc<dyn Clock>,
    /// How far a source's clock may be ahead of it.
    pub clock_skew: Duration,
    /// Where data is kept.
    pub data_dir: PathBuf,
    /// Bounds.
    pub bounds: PipelinesConfig,
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

impl Entry {
    fn standing(record: Record) -> Self {
        Self { record, running: None, stats: Arc::default() }
    }
}

/// All pipelines of a server.
pub struct Pipelines {
    store: Store,
    parts: PipelineParts,
    entries: tokio::sync::Mutex<BTreeMap<String, Entry>>,
    /// The same numbers, for readers that do not wait.
    stats: Mutex<BTreeMap<String, Arc<Mutex<PipelineStats>>>>,
    /// Below which names results are stored, by pipeline; for readers that do not wait.
    prefixes: Mutex<BTreeMap<String, String>>,
    tables: Arc<RecordTables>,
    /// Reads the tables again and again.
    refreshing: JoinHandle<()>,
}

/// What the journal knows a pipeline by.
fn consumer_name(name: &str) -> String {
    format!("pipeline.{name}")
}

/// The descriptions of all, and the tables.
fn surroundings(entries: &BTreeMap<String, Entry>, tables: &RecordTables, clock_skew: Duration) -> Surroundings {
    let pipelines = entries.iter().map(|(name, entry)| (name.clone(), entry.record.document.clone())).collect();
    Surroundings { tables: tables.tables(), pipelines, clock_skew }
}

/// The pipelines whose results a description reads.
fn read_by(document: &Value) -> BTreeSet<String> {
    let Ok(spec) = PipelineSpec::read(document) else { return BTreeSet::new() };
    let sides = spec.steps.iter().filter_map(|step| Some(&step.with.as_ref()?.source));
    std::iter::once(&spec.source).chain(sides).filter_map(|source| source.pipeline.clone()).collect()
}

/// The pipelines that read `name`, or read one that does, nearest first.
fn readers(entries: &BTreeMap<String, Entry>, name: &str) -> Vec<String> {
    let mut found = vec![name.to_owned()];
    let mut at = 0;
    while at < found.len() {
        let next = entries.iter().filter(|(_, entry)| read_by(&entry.record.document).contains(&found[at])).map(|(name, _)| name.clone());
        let next: Vec<String> = next.filter(|name| !found.contains(name)).collect();
        found.extend(next);
        at += 1;
    }
    found.split_off(1)
}

impl Pipelines {
    fn new(store: Store, parts: PipelineParts) -> Self {
        let tables = RecordTables::new(parts.records.clone(), parts.clock.clone(), &parts.data_dir);
        let refreshing = tables.keep_fresh(parts.bounds.refresh);
        Self {
            store,
            parts,
            entries: tokio::sync::Mutex::default(),
            stats: Mutex::default(),
            prefixes: Mutex::default(),
            tables,
            refreshing,
        }
    }

    /// Declares a new pipeline and starts it. Tells its name.
    pub async fn create(&self, text: &str) -> Result<String, PipelineError> {
        let mut entries = self.entries.lock().await;
        let (name, document) = document::check(text, &surroundings(&entries, &self.tables, self.parts.clock_skew))?;
        if entries.contains_key(&name) {
            return Err(PipelineError::Exists(name));
        }
        if entries.len() >= MAX_PIPELINES {
            return Err(PipelineError::TooMany);
        }
        let record = Record { document, generation: 1, ..Record::default() };
        self.store.keep(&name, &record)?;
        entries.insert(name.clone(), Entry::standing(record));
        self.enter(&mut entries, &name).await;
        Ok(name)
    }

    /// Declares the pipeline `name`, in place of the one there is. The new one begins with empty state, unless nothing changed, and
    /// so do those that read it. True where there was none.
    pub async fn replace(&self, name: &str, text: &str) -> Result<bool, PipelineError> {
        let mut entries = self.entries.lock().await;
        let mut around = surroundings(&entries, &self.tables, self.parts.clock_skew);
        let (named, document) = document::check(text, &around)?;
        if named != name {
            return Err(PipelineError::OtherName(named, name.to_owned()));
        }
        let Some(entry) = entries.get(name) else {
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
        let readers = readers(&entries, name);
        around.pipelines.insert(name.to_owned(), document.clone());
        for reader in &readers {
            Pipeline::build_with(&around.pipelines[reader], &around).map_err(DocumentError::from)?;
        }
        let record = Record { document, paused: entry.record.paused, generation: entry.record.generation + 1, ..Record::default() };
        self.renew(&mut entries, name, record).await?;
        for reader in &readers {
            let Some(entry) = entries.get(reader) else { continue };
            tracing::info!(pipeline = reader, of = name, "it begins anew, as the pipeline whose results it reads was replaced");
            let record = Record { generation: entry.record.generation + 1, ..entry.record.clone() };
            self.renew(&mut entries, reader, record).await?;
        }
        Ok(false)
    }

    /// Begins a pipeline anew, as the record says.
    async fn renew(&self, entries: &mut BTreeMap<String, Entry>, name: &str, record: Record) -> Result<(), PipelineError> {
        self.store.keep(name, &record)?;
        if let Some(entry) = entries.get_mut(name) {
            stop(entry, Order::Drop).await;
        }
        self.abandon_alarms(name).await;
        entries.insert(name.to_owned(), Entry::standing(record));
        self.enter(entries, name).await;
        Ok(())
    }

    /// Takes a pipeline out of service for good. What it stored stays.
    pub async fn remove(&self, name: &str) -> Result<(), PipelineError> {
        let mut entries = self.entries.lock().await;
        let entry = entries.get(name).ok_or_else(|| PipelineError::Unknown(name.to_owned()))?;
        if entry.record.from_file {
            return Err(PipelineError::FromFile(name.to_owned()));
        }
        let readers = readers(&entries, name);
        if !readers.is_empty() {
            return Err(PipelineError::Read(name.to_owned(), readers.join(", ")));
        }
        self.store.remove(name)?;
        if let Some(mut entry) = entries.remove(name) {
            stop(&mut entry, Order::Drop).await;
        }
        self.abandon_alarms(name).await;
        self.stats.lock().remove(name);
        self.forget_consumer(name);
        Ok(())
    }

    /// The journal keeps nothing for this pipeline any more.
    fn forget_consumer(&self, name: &str) {
        let kept: Vec<String> = self.parts.journal.stats().consumers.into_keys().filter(|n| *n != consumer_name(name)).collect();
        self.parts.journal.retain_consumers(&kept.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Lets a pipeline stand still, keeping its state and its place: the journal keeps what comes meanwhile.
    pub async fn pause(&self, name: &str) -> Result<(), PipelineError> {
        let mut entries = self.entries.lock().await;
        let entry = entries.get_mut(name).ok_or_else(|| PipelineError::Unknown(name.to_owned()))?;
        let since = entry.record.paused_at.filter(|_| entry.record.paused).or_else(|| Some(self.parts.clock.now()));
        let record = Record { paused: true, paused_at: since, ..entry.record.clone() };
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
        let record = Record { paused: false, paused_at: None, ..entry.record.clone() };
        self.store.keep(name, &record)?;
        entry.record = record;
        self.enter(&mut entries, name).await;
        Ok(())
    }

    /// Passes a person's command to a running step (an alarm's acknowledgement, say), and to the same step where it runs along in
    /// pipelines that read this one.
    pub async fn command(&self, name: &str, step: &str, command: Value) -> Result<Value, PipelineError> {
        let (own, others) = {
            let entries = self.entries.lock().await;
            let entry = entries.get(name).ok_or_else(|| PipelineError::Unknown(name.to_owned()))?;
            let door = |entry: &Entry| entry.running.as_ref().map(|r| r.commands.clone());
            let others: Vec<_> = readers(&entries, name).iter().filter_map(|reader| door(entries.get(reader)?)).collect();
            (door(entry), others)
        };
        let not_running = || PipelineError::NotRunning(name.to_owned());
        let answer = ask(own.ok_or_else(not_running)?, None, step, command.clone()).await.ok_or_else(not_running)??;
        for other in others {
            // One that does not run does not hear it; its copy of the step goes on without.
            drop(ask(other, Some(name.to_owned()), step, command.clone()).await);
        }
        Ok(answer)
    }

    /// All of them, by name.
    pub async fn list(&self) -> Vec<PipelineView> {
        self.entries.lock().await.iter().map(|(name, entry)| self.view(name, entry)).collect()
    }

    /// One of them.
    pub async fn read(&self, name: &str) -> Result<PipelineView, PipelineError> {
        let entries = self.entries.lock().await;
        entries.get(name).map(|entry| self.view(name, entry)).ok_or_else(|| PipelineError::Unknown(name.to_owned()))
    }

    /// What a description may refer to here; the tables it names are read.
    pub async fn around(&self, document: &Value) -> Surroundings {
        let around = surroundings(&*self.entries.lock().await, &self.tables, self.parts.clock_skew);
        if let Ok(spec) = PipelineSpec::read(document) {
            self.tables.want(&tables::named_in(&spec)).await;
        }
        around
    }

    /// Below which names pipelines store their results, each with its dot.
    pub fn stored_below(&self) -> Vec<String> {
        self.prefixes.lock().values().cloned().collect()
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

    /// How the tables that pipelines use are.
    pub fn tables(&self) -> Vec<TableHealth> {
        self.tables.all_health()
    }

    fn view(&self, name: &str, entry: &Entry) -> PipelineView {
        let tables = PipelineSpec::read(&entry.record.document).map(|spec| tables::named_in(&spec)).unwrap_or_default();
        PipelineView {
            name: name.to_owned(),
            document: entry.record.document.clone(),
            from_file: entry.record.from_file,
            stats: entry.stats.lock().clone(),
            tables: self.tables.health(&tables),
        }
    }
}

impl Drop for Pipelines {
    fn drop(&mut self) {
        self.refreshing.abort();
    }
}

/// Asks a running pipeline; `None` where it ended meanwhile.
async fn ask(
    door: mpsc::Sender<Command>,
    along: Option<String>,
    step: &str,
    asked: Value,
) -> Option<Result<Value, slipstream_engine::pipeline::CommandError>> {
    let (reply, answer) = oneshot::channel();
    door.send(Command { along, step: step.to_owned(), asked, reply }).await.ok()?;
    answer.await.ok()
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
