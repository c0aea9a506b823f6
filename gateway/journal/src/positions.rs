//! How far each consumer is.

use std::{collections::BTreeMap, io, path::Path};

use super::files;

const NAME: &str = "consumers";

#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) position: u64,
    pub(super) sink: bool,
    /// Records passed over in this run because too much waited.
    pub(super) given_up: u64,
}

impl Progress {
    /// Of a consumer that is done with every record up to `position`.
    pub(super) const fn at(position: u64) -> Self {
        Self { position, sink: false, given_up: 0 }
    }
}

/// Consumers by name. One that was there in an earlier run keeps its place, and the records behind it,
/// until it comes back or is forgotten by name.
#[derive(Debug, Default)]
pub(super) struct Positions {
    pub(super) consumers: BTreeMap<String, Progress>,
    pub(super) dirty: bool,
}

impl Positions {
    pub(super) fn load(dir: &Path) -> io::Result<Self> {
        let bytes = files::read_replaced(dir, NAME)?;
        let saved: BTreeMap<String, u64> = bytes.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        let consumers = saved.into_iter().map(|(name, position)| (name, Progress::at(position))).collect();
        Ok(Self { consumers, dirty: false })
    }

    pub(super) fn snapshot(&self) -> BTreeMap<String, u64> {
        self.consumers.iter().map(|(name, progress)| (name.clone(), progress.position)).collect()
    }

    pub(super) fn save(dir: &Path, snapshot: &BTreeMap<String, u64>) -> io::Result<()> {
        files::replace(dir, NAME, &serde_json::to_vec(snapshot)?)
    }

    /// How far every sink is; `None` where there is no sink.
    pub(super) fn stored(&self) -> Option<u64> {
        self.consumers.values().filter(|c| c.sink).map(|c| c.position).min()
    }
}
