//! Policies as files: trained here or elsewhere.

use std::{fs, io, path::Path, sync::Arc};

use slipstream_engine::rl::{
    Policy,
    learners::{self, LearnerError},
    policy::{self, LoadError, MAX_FILE_BYTES, TrainedPolicy},
};

use crate::whole_file;

/// Why a file gave no policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is larger than any policy may be.
    #[error("it has {bytes} bytes; a policy has at most {MAX_FILE_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// No format that is known, or a damaged one.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A checkpoint of ours that gives no policy.
    #[error(transparent)]
    Learner(#[from] LearnerError),
}

impl PolicyFileError {
    /// Whether the same file may be read later: only where reading failed.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Read(_))
    }
}

/// The policy in a file: see [`load_policy`].
pub fn read_policy_file(path: &Path) -> Result<Arc<dyn Policy>, PolicyFileError> {
    let bytes = fs::metadata(path)?.len();
    if bytes > MAX_FILE_BYTES as u64 {
        return Err(PolicyFileError::TooLarge { bytes });
    }
    let bytes = fs::read(path)?;
    let refused = match read_network(path, &bytes) {
        Ok(policy) => return Ok(Arc::new(policy)),
        Err(refused) => refused,
    };
    learnt(&bytes, refused)
}

/// The network in a file, with the weights that lie in files beside it.
pub(crate) fn read_network(path: &Path, bytes: &[u8]) -> Result<TrainedPolicy, LoadError> {
    policy::load_beside(bytes, &mut |name| beside(path, name).map_err(|error| error.to_string()))
}

/// A file in the folder of `path`: a plain file, not a link to one elsewhere.
fn beside(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let other = path.with_file_name(name);
    let found = match fs::symlink_metadata(&other) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = "it is missing; put it into the folder of the model, or export the model with external_data=False";
            return Err(io::Error::new(error.kind(), missing));
        }
        Err(error) => return Err(error),
    };
    if !found.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    if found.len() > MAX_FILE_BYTES as u64 {
        return Err(io::Error::other(format!("it has {} bytes; at most {MAX_FILE_BYTES} are read", found.len())));
    }
    fs::read(other)
}

/// A policy of Stable-Baselines3, PyTorch, ONNX, our own safetensors, or what a checkpoint had learnt.
pub fn load_policy(bytes: &[u8]) -> Result<Arc<dyn Policy>, PolicyFileError> {
    let refused = match policy::load(bytes) {
        Ok(policy) => return Ok(Arc::new(policy)),
        Err(refused) => refused,
    };
    learnt(bytes, refused)
}

/// What a checkpoint of ours had learnt, or why the file is no policy.
fn learnt(bytes: &[u8], refused: LoadError) -> Result<Arc<dyn Policy>, PolicyFileError> {
    match learners::resume(bytes) {
        Ok(learner) => Ok(learner.policy()?),
        // What the file is not says less than why it is no policy.
        Err(_) => Err(refused.into()),
    }
}

/// Writes a file whole or not at all.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    whole_file::replace_in_folder(path, &[bytes])
}
