//! What could not be read is set aside, never thrown away.

use std::{
    collections::HashSet,
    fs,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::stats::Counters;

/// The folder for damaged bytes. Damage met twice in a run (by two consumers, say) is counted once.
#[derive(Debug)]
pub(super) struct Quarantine {
    dir: PathBuf,
    seen: Mutex<HashSet<String>>,
    counters: Arc<Counters>,
}

impl Quarantine {
    pub(super) fn new(dir: PathBuf, counters: Arc<Counters>) -> Self {
        Self { dir, seen: Mutex::default(), counters }
    }

    /// Sets damaged bytes of a segment aside; `lost` records were in them.
    pub(super) fn damage(&self, segment: u64, offset: u64, bytes: &[u8], lost: u64) {
        self.keep(format!("{segment:020}-{offset}.bin"), bytes, lost);
    }

    /// Sets aside a record whose bytes are as written, but which this build cannot read.
    pub(super) fn unreadable(&self, position: u64, bytes: &[u8], why: &str) {
        tracing::error!(position, why, "a journal record cannot be read");
        self.keep(format!("record-{position}.bin"), bytes, 1);
    }

    fn keep(&self, name: String, bytes: &[u8], lost: u64) {
        let path = self.dir.join(&name);
        if !self.seen.lock().insert(name) {
            return;
        }
        self.counters.quarantined.fetch_add(1, Relaxed);
        self.counters.corrupt.fetch_add(lost, Relaxed);
        tracing::error!(file = %path.display(), bytes = bytes.len(), lost, "damage in the journal is skipped and set aside");
        // A full disk must not keep the journal from starting: the damage stays in its segment anyway.
        if let Err(error) = fs::create_dir_all(&self.dir).and_then(|()| fs::write(&path, bytes)) {
            tracing::error!(file = %path.display(), %error, "setting damage aside failed");
        }
    }
}
