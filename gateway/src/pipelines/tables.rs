//! Tables of the relational store, held in memory for pipelines that enrich rows from them.
//!
//! A table that a declared pipeline names is read whole, up to [`MOST_ROWS`] rows, and again every `pipelines.refresh`. While the
//! store is away the last known rows stand: they are kept in a file as well, so that a restart meanwhile has them, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use slipstream_engine::pipeline::{
    PipelineSpec, Surroundings,
    tables::{NamedTables, TableRow, Tables},
};
use slipstream_ports::{Clock, Records, RecordsError};
use slipstream_protocol::Timestamp;
use tokio::task::JoinHandle;

use crate::{records, whole_file};

/// Most rows of one table.
const MOST_ROWS: u32 = 100_000;
/// How long a pipeline's start waits for tables that were never read.
const FIRST_READ: Duration = Duration::from_secs(3);

/// How a table is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableHealth {
    /// Its name.
    pub table: String,
    /// Rows held.
    pub rows: usize,
    /// When they were read; `None` where they come from the file of an earlier run, or were never read.
    pub read_at: Option<Timestamp>,
    /// Why the last reading failed; the rows are older ones.
    pub error: Option<String>,
    /// Whether there are more rows than are held.
    pub truncated: bool,
}

type Rows = BTreeMap<String, TableRow>;

/// What operators look into.
#[derive(Default)]
struct Held {
    tables: RwLock<BTreeMap<String, Arc<Rows>>>,
    version: AtomicU64,
}

impl Tables for Held {
    fn names(&self) -> Vec<String> {
        records::table_names().iter().map(|name| (*name).to_owned()).collect()
    }

    fn row(&self, table: &str, key: &str) -> Option<TableRow> {
        self.tables.read().get(table)?.get(key).cloned()
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

/// Tables by name alone, for checking descriptions where there is no server.
pub fn named() -> Surroundings {
    Surroundings::with_tables(Arc::new(NamedTables(records::table_names().iter().map(|name| (*name).to_owned()).collect())))
}

/// The tables of the records.
pub(super) struct RecordTables {
    held: Arc<Held>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    wanted: Mutex<BTreeMap<String, TableHealth>>,
    file: PathBuf,
}

impl RecordTables {
    pub(super) fn new(records: Arc<dyn Records>, clock: Arc<dyn Clock>, data_dir: &Path) -> Arc<Self> {
        let file = data_dir.join("pipelines").join("tables.cache");
        let held = Held::default();
        let read = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<BTreeMap<String, Rows>>(&bytes).ok());
        *held.tables.write() = read.into_iter().flatten().map(|(name, rows)| (name, Arc::new(rows))).collect();
        Arc::new(Self { held: Arc::new(held), records, clock, wanted: Mutex::default(), file })
    }

    /// For operators.
    pub(super) fn tables(&self) -> Arc<dyn Tables> {
        self.held.clone()
    }

    /// Reads the tables that a pipeline names from now on; waits a little for those that were never read.
    pub(super) async fn want(&self, names: &BTreeSet<String>) {
        let unread: Vec<String> = {
            let mut wanted = self.wanted.lock();
            for name in names {
                let rows = self.held.tables.read().get(name).map_or(0, |rows| rows.len());
                wanted.entry(name.clone()).or_insert_with(|| TableHealth { table: name.clone(), rows, ..TableHealth::default() });
            }
            names.iter().filter(|name| wanted[*name].read_at.is_none()).cloned().collect()
        };
        let _ = tokio::time::timeout(FIRST_READ, self.read(&unread)).await;
    }

    /// How the tables named are.
    pub(super) fn health(&self, names: &BTreeSet<String>) -> Vec<TableHealth> {
        let wanted = self.wanted.lock();
        names.iter().filter_map(|name| wanted.get(name).cloned()).collect()
    }

    /// How all tables in use are.
    pub(super) fn all_health(&self) -> Vec<TableHealth> {
        self.wanted.lock().values().cloned().collect()
    }

    /// Reads again and again, until the task is ended.
    pub(super) fn keep_fresh(self: &Arc<Self>, every: Duration) -> JoinHandle<()> {
        let tables = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let names: Vec<String> = tables.wanted.lock().keys().cloned().collect();
                tables.read(&names).await;
            }
        })
    }

    async fn read(&self, names: &[String]) {
        let mut changed = false;
        for name in names {
            let read = self.records.table(name, MOST_ROWS + 1).await;
            changed |= self.take(name, read);
        }
        if changed {
            self.held.version.fetch_add(1, Ordering::Release);
            self.keep().await;
        }
    }

    /// Whether the table says something else now.
    fn take(&self, name: &str, read: Result<Vec<(String, TableRow)>, RecordsError>) -> bool {
        let mut wanted = self.wanted.lock();
        let Some(health) = wanted.get_mut(name) else { return false };
        let mut rows = match read {
            Ok(rows) => rows,
            Err(error) => {
                if health.error.is_none() {
                    tracing::warn!(table = name, rows = health.rows, %error, "the table cannot be read; what is known of it stands");
                }
                health.error = Some(error.to_string());
                return false;
            }
        };
        if health.error.take().is_some() {
            tracing::info!(table = name, "the table can be read again");
        }
        let truncated = rows.len() > MOST_ROWS as usize;
        if truncated && !health.truncated {
            tracing::warn!(table = name, most = MOST_ROWS, "the table has more rows than are held; the last ones by id are left out");
        }
        rows.truncate(MOST_ROWS as usize);
        (health.rows, health.read_at, health.truncated) = (rows.len(), Some(self.clock.now()), truncated);
        let rows: Rows = rows.into_iter().collect();
        let mut tables = self.held.tables.write();
        if tables.get(name).is_some_and(|known| **known == rows) {
            return false;
        }
        tables.insert(name.to_owned(), Arc::new(rows));
        true
    }

    async fn keep(&self) {
        let tables: BTreeMap<String, Arc<Rows>> = self.held.tables.read().clone();
        let file = self.file.clone();
        // Written where a slow disk holds up nobody.
        let kept = tokio::task::spawn_blocking(move || {
            let bytes = serde_json::to_vec(&tables)?;
            whole_file::replace_in_folder(&file, &[&bytes])
        });
        if let Err(error) = kept.await.map_err(io::Error::other).flatten() {
            tracing::warn!(%error, "the tables cannot be kept for the next start");
        }
    }
}

/// The tables that a description's steps name.
pub(super) fn named_in(spec: &PipelineSpec) -> BTreeSet<String> {
    let sides = spec.steps.iter().filter_map(|step| step.with.as_ref()).flat_map(|side| &side.steps);
    let steps = spec.steps.iter().chain(sides).filter(|step| step.op == "enrich");
    steps.filter_map(|step| Some(step.fields.get("table")?.as_str()?.to_owned())).collect()
}
