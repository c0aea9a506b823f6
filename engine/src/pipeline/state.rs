//! How operators' state is written and read.

use serde::{Serialize, de::DeserializeOwned};

/// Why a saved state could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It was written by another version of the operator.
    #[error("the saved state has version {found}, this operator reads {expected}")]
    Version {
        /// Version in the snapshot.
        found: u16,
        /// Version of the operator.
        expected: u16,
    },
    /// The snapshot is of a pipeline with other steps.
    #[error("the saved state belongs to other steps than the pipeline has now")]
    OtherSteps,
    /// It is damaged, or of another shape.
    #[error("the saved state cannot be read: {0}")]
    Unreadable(#[from] postcard::Error),
}

impl StateError {
    /// Whether trying again may help: never; the pipeline starts from the journal with empty state instead.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// Appends `state` to `bytes` (postcard).
pub fn save<T: Serialize>(state: &T, bytes: &mut Vec<u8>) -> Result<(), StateError> {
    let held = std::mem::take(bytes);
    *bytes = postcard::to_extend(state, held)?;
    Ok(())
}

/// Reads what [`save`] wrote.
pub fn load<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    Ok(postcard::from_bytes(bytes)?)
}

/// Reads the first of what [`save`] wrote one behind the other; tells what stands behind it.
pub fn load_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), StateError> {
    Ok(postcard::take_from_bytes(bytes)?)
}

/// Reads what [`save`] wrote as `version`, and refuses any other.
pub fn load_version<T: DeserializeOwned>(found: u16, expected: u16, bytes: &[u8]) -> Result<T, StateError> {
    if found != expected {
        return Err(StateError::Version { found, expected });
    }
    load(bytes)
}
