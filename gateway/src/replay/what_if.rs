//! What a pipeline would have given: run over recorded samples, beside what is stored.
//!
//! Nothing is published and nothing stored. What it gives is laid beside the points that the time series keep below the prefix
//! of its results: the same, another value, only here, only there. Results of periods that began before the first sample, or
//! that were open at the end, are told and not compared: the recording has only a part of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};
use slipstream_engine::pipeline::{Pipeline, RowKind};
use slipstream_protocol::Timestamp;
use tokio::sync::mpsc;

use super::{
    Period, Recording, ReplayError,
    compare::{self, Comparison, Place},
    reading::{self, Chunk},
    recording::Problems,
};
use crate::{
    app::Services,
    pipelines::{DocumentError, told},
};

/// Most that run at once.
const MOST_RUNNING: usize = 2;
/// Most that are remembered.
const MOST_REMEMBERED: usize = 20;
/// Most results one keeps.
const MOST_RESULTS: usize = 100_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct WhatIfRequest {
    /// The pipeline's description.
    pub document: Value,
    /// Where the samples come from.
    pub recording: Recording,
    /// Which of them.
    pub period: Period,
    /// Below which prefix the stored results are; where the description says, if absent.
    pub compare: Option<String>,
}

/// How one stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhatIfStatus {
    /// Its id.
    pub id: String,
    /// running, done, stopped or failed.
    pub state: &'static str,
    /// Why it failed.
    pub error: Option<String>,
    /// Samples read.
    pub samples_read: u64,
    /// Rows of a file that made no sample.
    pub skipped: u64,
    /// The lines of the first of them, and where else the file is not as it should be; the log says why.
    pub problems: Vec<String>,
    /// Samples its source took.
    pub samples_taken: u64,
    /// Rows that came too late.
    pub late: u64,
    /// Results, each as it was corrected last.
    pub results: usize,
    /// Results beyond those kept.
    pub not_kept: u64,
    /// The difference to the stored ones.
    pub comparison: Comparison,
}

#[derive(Default)]
struct WhatIf {
    status: Mutex<WhatIfStatus>,
    results: Mutex<Vec<Value>>,
    stopped: AtomicBool,
}

/// All of a server.
#[derive(Default)]
pub struct WhatIfs {
    all: Mutex<(u64, BTreeMap<u64, Arc<WhatIf>>)>,
}

/// A result and whether it can be compared.
struct Kept {
    told: Value,
    points: Vec<(Place, compare::Stored)>,
}

impl WhatIfs {
    /// Starts one. Fails with the mistakes of the description, or where too many run.
    pub async fn start(&self, services: &Arc<Services>, request: WhatIfRequest) -> Result<WhatIfStatus, WhatIfError> {
        let around = services.pipelines.around(&request.document).await;
        let pipeline = Pipeline::build_with(&request.document, &around).map_err(DocumentError::from)?;
        let one = {
            let mut all = self.all.lock();
            if all.1.values().filter(|w| w.status.lock().state == "running").count() >= MOST_RUNNING {
                return Err(ReplayError::TooMany.into());
            }
            while all.1.len() >= MOST_REMEMBERED {
                let Some(over) = all.1.iter().find(|(_, w)| w.status.lock().state != "running").map(|(n, _)| *n) else { break };
                all.1.remove(&over);
            }
            all.0 += 1;
            let number = all.0;
            let status = WhatIfStatus { id: format!("what-if-{number}"), state: "running", ..WhatIfStatus::default() };
            let one = Arc::new(WhatIf { status: Mutex::new(status), ..WhatIf::default() });
            all.1.insert(number, one.clone());
            one
        };
        let status = one.status.lock().clone();
        tokio::spawn(run(services.clone(), one, pipeline, request));
        Ok(status)
    }

    /// How one stands.
    pub fn status(&self, id: &str) -> Result<WhatIfStatus, ReplayError> {
        Ok(self.find(id)?.status.lock().clone())
    }

    /// A part of its results, in order of key and time.
    pub fn results(&self, id: &str, offset: usize, limit: usize) -> Result<Vec<Value>, ReplayError> {
        Ok(self.find(id)?.results.lock().iter().skip(offset).take(limit).cloned().collect())
    }

    /// Ends one; what it found so far stays.
    pub fn stop(&self, id: &str) -> Result<WhatIfStatus, ReplayError> {
        let one = self.find(id)?;
        one.stopped.store(true, Ordering::Relaxed);
        Ok(one.status.lock().clone())
    }

    fn find(&self, id: &str) -> Result<Arc<WhatIf>, ReplayError> {
        let number: Option<u64> = id.strip_prefix("what-if-").and_then(|n| n.parse().ok());
        number.and_then(|n| self.all.lock().1.get(&n).cloned()).ok_or_else(|| ReplayError::Unknown(id.to_owned()))
    }
}

/// Why one was refused.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// The description has mistakes.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Too many run, or there is none of this id.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl WhatIfError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Document(error) => error.is_retryable(),
            Self::Replay(error) => error.is_retryable(),
        }
    }
}

async fn run(services: Arc<Services>, one: Arc<WhatIf>, pipeline: Pipeline, request: WhatIfRequest) {
    let series = pipeline.spec().outputs.series.clone();
    let prefix =
        request.compare.clone().or_else(|| series.as_ref().map(|s| s.prefix.clone())).unwrap_or_else(|| pipeline.spec().name.clone());
    let stamp_end = series.is_some_and(|s| s.stamp_end);
    let problems = Arc::new(Problems::default());
    let chunks = reading::read(&services, &request.recording, request.period.clone(), problems.clone());
    let working = one.clone();
    let worked = tokio::task::spawn_blocking(move || Work::new(pipeline, stamp_end).through(chunks, &working)).await;
    {
        let mut status = one.status.lock();
        (status.skipped, status.problems) = (problems.skipped(), problems.examples());
    }
    let work = match worked {
        Ok(Ok(work)) => work,
        Ok(Err(error)) => return one.end("failed", Some(error)),
        Err(_) => return one.end("failed", Some("the pipeline broke at a sample".to_owned())),
    };
    let kept = work.kept;
    let mut found = BTreeMap::new();
    for result in kept.values() {
        found.extend(result.points.iter().cloned());
    }
    let mut vehicles: BTreeSet<String> = found.keys().map(|place| place.vehicle.clone()).collect();
    vehicles.extend(work.keys);
    let span = work.first.zip(work.until);
    let compared = match span {
        Some((from, to)) if from < to => compare::compare(&*services.series, &prefix, &vehicles, (from, to), found).await,
        _ => Ok(Comparison { prefix, ..Comparison::default() }),
    };
    *one.results.lock() = kept.into_values().map(|kept| kept.told).collect();
    match compared {
        Ok(comparison) => {
            one.status.lock().comparison = comparison;
            let state = if one.stopped.load(Ordering::Relaxed) { "stopped" } else { "done" };
            one.end(state, None);
        }
        Err(error) => one.end("failed", Some(format!("the stored results cannot be read: {error}"))),
    }
}

impl WhatIf {
    fn end(&self, state: &'static str, error: Option<String>) {
        let mut status = self.status.lock();
        (status.state, status.error) = (state, error);
    }
}

/// The pipeline on its way through the recording.
struct Work {
    pipeline: Pipeline,
    stamp_end: bool,
    /// By key, start, and number among those.
    kept: BTreeMap<(String, Timestamp, u32), Kept>,
    keys: BTreeSet<String>,
    /// When the first sample was.
    first: Option<Timestamp>,
    /// Up to where results are whole.
    until: Option<Timestamp>,
    not_kept: u64,
    late: u64,
    read: u64,
}

impl Work {
    fn new(pipeline: Pipeline, stamp_end: bool) -> Self {
        let (kept, keys) = (BTreeMap::new(), BTreeSet::new());
        Self { pipeline, stamp_end, kept, keys, first: None, until: None, not_kept: 0, late: 0, read: 0 }
    }

    fn through(mut self, mut chunks: mpsc::Receiver<Chunk>, one: &WhatIf) -> Result<Self, String> {
        while let Some(chunk) = chunks.blocking_recv() {
            if one.stopped.load(Ordering::Relaxed) {
                break;
            }
            for sample in chunk.map_err(|error| error.to_string())? {
                self.read += 1;
                if self.pipeline.feed(&sample) {
                    self.first = Some(self.first.map_or(sample.source_time, |first| first.min(sample.source_time)));
                }
            }
            self.take(true);
            self.report(one);
        }
        self.until = Some(self.pipeline.watermark()).filter(|w| w.micros() != i64::MIN);
        self.pipeline.finish();
        self.take(false);
        self.report(one);
        Ok(self)
    }

    fn report(&self, one: &WhatIf) {
        let mut status = one.status.lock();
        (status.samples_read, status.samples_taken, status.late) = (self.read, self.pipeline.rows_in(), self.late);
        (status.results, status.not_kept) = (self.kept.len(), self.not_kept);
    }

    /// Takes results in; a correction stands in the place of what it corrects.
    fn take(&mut self, whole: bool) {
        while let Some(row) = self.pipeline.next_result() {
            if row.kind == RowKind::Early {
                self.pipeline.recycle(row);
                continue;
            }
            let scope = self.pipeline.scope();
            let key = scope.keys.name(row.key).to_owned();
            let mut place = (key.clone(), row.start, 0);
            while row.kind == RowKind::Final && self.kept.contains_key(&place) {
                place.2 += 1;
            }
            if self.kept.len() >= MOST_RESULTS && !self.kept.contains_key(&place) {
                self.not_kept += 1;
                self.pipeline.recycle(row);
                continue;
            }
            let mut shown = told(&self.pipeline, &row, None);
            let comparable = whole && self.first.is_some_and(|first| row.start >= first);
            let at = if self.stamp_end { row.time } else { row.start };
            let cells = row.cells.iter().filter(|_| comparable);
            let points = cells.filter_map(|cell| {
                let signal = scope.signals.name(cell.signal).to_owned();
                Some((Place { vehicle: key.clone(), signal, time: at }, compare::Stored::of(&cell.value)?))
            });
            let points = points.collect();
            if !comparable {
                shown["partial"] = json!(true);
            }
            self.keys.insert(key);
            self.kept.insert(place, Kept { told: shown, points });
            self.pipeline.recycle(row);
        }
        while let Some(late) = self.pipeline.next_late() {
            self.late += 1;
            self.pipeline.recycle(late.row);
        }
        drop(self.pipeline.take_alarms());
    }
}
