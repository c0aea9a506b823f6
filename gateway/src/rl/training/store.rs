//! Trainings on disk: `DATA_DIR/trainings/<agent>.json` tells where one stands, `<agent>.checkpoint` is
//! what it goes on from. What it learnt goes to the models' folder as `trained/<agent>.safetensors`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use slipstream_protocol::AgentId;

use super::{
    super::models::{self, TRAINED},
    TrainingStatus,
};
use crate::{training::write_file, whole_file};

/// The folders.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: PathBuf,
    models: PathBuf,
}

impl Store {
    pub(super) fn new(data_dir: &Path, models: PathBuf) -> Self {
        Self { folder: data_dir.join("trainings"), models }
    }

    fn record(&self, agent: &AgentId) -> PathBuf {
        self.folder.join(format!("{agent}.json"))
    }

    pub(super) fn checkpoint(&self, agent: &AgentId) -> PathBuf {
        self.folder.join(format!("{agent}.checkpoint"))
    }

    /// Where every training stood. What cannot be read is told and left where it is.
    pub(super) fn read(&self) -> Vec<TrainingStatus> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::error!(folder = %self.folder.display(), %error, "the trainings cannot be read");
                }
                return Vec::new();
            }
        };
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "json"));
        let read = |path: PathBuf| {
            let told = fs::read(&path).map_err(|e| e.to_string()).and_then(|b| serde_json::from_slice(&b).map_err(|e| e.to_string()));
            told.inspect_err(|error| tracing::error!(path = %path.display(), error, "a training cannot be read and is left out")).ok()
        };
        paths.filter_map(read).collect()
    }

    /// Replaces what is known of a training.
    pub(super) fn keep(&self, status: &TrainingStatus) -> io::Result<()> {
        write_file(&self.record(&status.agent), &serde_json::to_vec(status).map_err(io::Error::other)?)
    }

    /// Forgets a training's checkpoint.
    pub(super) fn begin_anew(&self, agent: &AgentId) -> io::Result<()> {
        absent_is_well(fs::remove_file(self.checkpoint(agent)))
    }

    /// Forgets a training. The policy it gave stays.
    pub(super) fn forget(&self, agent: &AgentId) -> io::Result<()> {
        self.begin_anew(agent)?;
        absent_is_well(fs::remove_file(self.record(agent)))?;
        absent_is_well(whole_file::sync_dir(&self.folder))
    }

    /// Keeps a policy; the answer is its name among the models.
    pub(super) fn keep_policy(&self, agent: &AgentId, file: &[u8]) -> io::Result<String> {
        let name = models::trained_name(agent);
        debug_assert!(name.starts_with(TRAINED));
        write_file(&self.models.join(&name), file)?;
        Ok(name)
    }
}

fn absent_is_well(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
