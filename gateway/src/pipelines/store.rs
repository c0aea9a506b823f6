//! What outlives the process: descriptions, whether they are paused, and each pipeline's checkpoint.
//!
//! Under `DATA_DIR/pipelines`: `<name>.json` with the description, `<name>.state` with the state and the journal's position it
//! was taken at, in one file, so that the two always fit.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use slipstream_protocol::Timestamp;

use super::Missed;
use crate::whole_file;

/// A declared pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// What was declared.
    pub(super) document: Value,
    /// Whether it stands still.
    #[serde(default)]
    pub(super) paused: bool,
    /// Declared by a file of the configuration: to be changed there.
    #[serde(default)]
    pub(super) from_file: bool,
    /// Told apart from another of the same name before it: a state belongs to one generation.
    #[serde(default)]
    pub(super) generation: u64,
    /// Since when it stands still.
    #[serde(default)]
    pub(super) paused_at: Option<Timestamp>,
    /// What it missed, because the journal was not kept for it.
    #[serde(default)]
    pub(super) missed: Option<Missed>,
}

/// State at a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The last record whose samples are in the state.
    pub(super) position: u64,
    /// The pipeline's snapshot.
    pub(super) state: Vec<u8>,
}

const MAGIC: &[u8; 8] = b"SLIPPIP1";
/// Magic, generation, position, CRC-32 of the state.
const HEAD: usize = 8 + 8 + 8 + 4;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Store(PathBuf);

impl Store {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self(data_dir.join("pipelines"))
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.0.join(format!("{name}.{extension}"))
    }

    /// All records by name. What cannot be read is told and left where it is.
    pub(super) fn records(&self) -> Vec<(String, Record)> {
        let files = match super::document::files(&self.0) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(folder = %self.0.display(), %error, "the declared pipelines cannot be read");
                return Vec::new();
            }
        };
        let mut records = Vec::new();
        for path in files {
            let read = fs::read(&path).map_err(|e| e.to_string()).and_then(|b| serde_json::from_slice(&b).map_err(|e| e.to_string()));
            match (read, path.file_stem()) {
                (Ok(record), Some(name)) => records.push((name.to_string_lossy().into_owned(), record)),
                (Err(error), _) => tracing::error!(path = %path.display(), error, "a declared pipeline cannot be read and is left out"),
                (Ok(_), None) => {}
            }
        }
        records
    }

    /// Replaces a record.
    pub(super) fn keep(&self, name: &str, record: &Record) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(record).map_err(io::Error::other)?;
        whole_file::replace_in_folder(&self.path(name, "json"), &[&text])
    }

    /// Removes a record and its state.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        for path in [self.path(name, "state"), self.path(name, "json")] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        whole_file::sync_dir(&self.0)
    }

    /// Replaces a pipeline's checkpoint. Either the old or the new one survives a crash, never a mixture.
    pub(super) fn save(&self, name: &str, generation: u64, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&generation.to_le_bytes());
        head.extend_from_slice(&checkpoint.position.to_le_bytes());
        head.extend_from_slice(&crc32fast::hash(&checkpoint.state).to_le_bytes());
        whole_file::replace_in_folder(&self.path(name, "state"), &[&head, &checkpoint.state])
    }

    /// The newest checkpoint of whatever generation.
    pub(super) fn newest(&self, name: &str) -> Option<Checkpoint> {
        let bytes = fs::read(self.path(name, "state")).ok()?;
        let generation = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
        parse(&bytes, generation)
    }

    /// The checkpoint of this generation, if there is one that can be read.
    pub(super) fn load(&self, name: &str, generation: u64) -> Option<Checkpoint> {
        let bytes = fs::read(self.path(name, "state")).ok()?;
        let parsed = parse(&bytes, generation);
        if parsed.is_none() {
            tracing::warn!(pipeline = name, "the saved state is damaged or of another description; beginning anew");
        }
        parsed
    }
}

fn parse(bytes: &[u8], generation: u64) -> Option<Checkpoint> {
    let (head, state) = bytes.split_at_checked(HEAD)?;
    let number = |from: usize| Some(u64::from_le_bytes(head[from..from + 8].try_into().ok()?));
    let crc = u32::from_le_bytes(head[24..28].try_into().ok()?);
    if &head[..8] != MAGIC || number(8)? != generation || crc32fast::hash(state) != crc {
        return None;
    }
    Some(Checkpoint { position: number(16)?, state: state.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_for_its_generation_and_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        let saved = Checkpoint { position: 7, state: vec![1, 2, 3] };
        store.save("p", 2, &saved).unwrap();
        assert_eq!(store.load("p", 2), Some(saved));
        assert_eq!(store.load("p", 3), None);
        let path = store.path("p", "state");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.load("p", 2), None);
    }

    #[test]
    fn records_are_found_again_until_they_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        assert!(store.records().is_empty());
        let record = Record { document: serde_json::json!({"name": "p"}), paused: true, generation: 4, ..Record::default() };
        store.keep("p", &record).unwrap();
        assert_eq!(store.records(), [("p".to_owned(), record)]);
        store.remove("p").unwrap();
        assert!(store.records().is_empty());
    }
}
