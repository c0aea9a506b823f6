//! What could not be read is set aside, never thrown away.

use std::{
    collections::HashSet,
    fs, io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::stats::Counters;

/// The folder for damaged bytes. Damage met twice in a run (by two consumers, say) is counted once.
#[derive(Debug)]
pub(super) struct Quarantine {
    dir: PathBuf,
    /// Beyond this the oldest files go.
    most_bytes: u64,
    seen: Mutex<HashSet<String>>,
    counters: Arc<Counters>,
}

impl Quarantine {
    pub(super) fn new(dir: PathBuf, most_bytes: u64, counters: Arc<Counters>) -> Self {
        Self { dir, most_bytes, seen: Mutex::default(), counters }
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
        if let Err(error) = self.make_room() {
            tracing::error!(%error, "old damage set aside could not be removed");
        }
    }

    /// Removes the oldest files until all together keep to the bound; the newest one always stays.
    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files.push((metadata.modified()?, entry.file_name(), metadata.len()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, _, len)| len).sum();
        let oldest = files.len().saturating_sub(1);
        for (_, name, len) in files.into_iter().take(oldest) {
            if bytes <= self.most_bytes {
                break;
            }
            fs::remove_file(self.dir.join(&name))?;
            bytes -= len;
            self.counters.quarantine_removed.fetch_add(1, Relaxed);
            tracing::warn!(file = ?name, "the oldest damage set aside is removed to make room");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_bounded_the_oldest_goes_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let counters = Arc::new(Counters::default());
        let quarantine = Quarantine::new(dir.path().join("q"), 2_500, counters.clone());
        for offset in 0..6 {
            quarantine.damage(1, offset, &[0; 1_000], 1);
        }
        let mut left: Vec<_> = fs::read_dir(dir.path().join("q")).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["00000000000000000001-4.bin", "00000000000000000001-5.bin"]);
        assert_eq!(counters.quarantine_removed.load(Relaxed), 4);
        quarantine.damage(1, 9, &[0; 9_000], 1);
        assert_eq!(fs::read_dir(dir.path().join("q")).unwrap().count(), 1, "a piece larger than the bound is kept alone");
    }
}
