//! One safetensors file for everything a learner must keep: large numbers as tensors, the rest as a JSON text
//! in the metadata entry `slipstream-learner`.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::super::tensor::Numbers;
use super::{LearnerConfig, LearnerError};

const NOTE: &str = "slipstream-learner";
const VERSION: u32 = 1;

/// What a checkpoint is of.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    version: u32,
    pub(super) environment: String,
    pub(super) config: LearnerConfig,
}

/// Writes a checkpoint.
pub(super) fn write(
    environment: &str,
    config: LearnerConfig,
    state: &impl Serialize,
    numbers: Vec<(&'static str, Numbers)>,
) -> Result<Vec<u8>, LearnerError> {
    let header = Header { version: VERSION, environment: environment.to_owned(), config };
    let note = serde_json::to_string(&(header, state)).map_err(|error| damaged(&error))?;
    safetensors::serialize(numbers, Some(HashMap::from([(NOTE.to_owned(), note)]))).map_err(|error| damaged(&error))
}

fn damaged(error: &impl ToString) -> LearnerError {
    LearnerError::Checkpoint(error.to_string())
}

/// A checkpoint that is being read.
pub(super) struct Checkpoint<'b> {
    note: String,
    tensors: SafeTensors<'b>,
}

impl<'b> Checkpoint<'b> {
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, LearnerError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let note = metadata.metadata().as_ref().and_then(|metadata| metadata.get(NOTE)).cloned();
        let note = note.ok_or_else(|| LearnerError::Checkpoint(format!("it has no note `{NOTE}`: it is none of ours")))?;
        Ok(Self { note, tensors: SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))? })
    }

    /// What it is of.
    pub(super) fn header(&self) -> Result<Header, LearnerError> {
        let (header, _): (Header, serde::de::IgnoredAny) = serde_json::from_str(&self.note).map_err(|error| damaged(&error))?;
        if header.version == VERSION { Ok(header) } else { Err(LearnerError::Checkpoint(format!("it has version {}", header.version))) }
    }

    /// What was kept beside the numbers.
    pub(super) fn state<T: DeserializeOwned>(&self) -> Result<T, LearnerError> {
        let (_, state): (Header, T) = serde_json::from_str(&self.note).map_err(|error| damaged(&error))?;
        Ok(state)
    }

    pub(super) fn bytes(&self, name: &str, dtype: Dtype) -> Result<&'b [u8], LearnerError> {
        let tensor = self.tensors.tensor(name).map_err(|error| damaged(&error))?;
        if tensor.dtype() == dtype { Ok(tensor.data()) } else { Err(LearnerError::Checkpoint(format!("{name} is not of {dtype:?}"))) }
    }

    /// Finite numbers, exactly `len` of them.
    pub(super) fn f32(&self, name: &str, len: usize) -> Result<Vec<f32>, LearnerError> {
        let numbers: Vec<f32> = self.bytes(name, Dtype::F32)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if numbers.len() != len {
            return Err(LearnerError::Checkpoint(format!("{name} has {} numbers, not {len}", numbers.len())));
        }
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(LearnerError::Checkpoint(format!("{name} holds what is no number")));
        }
        Ok(numbers)
    }

    pub(super) fn u64(&self, name: &str) -> Result<Vec<u64>, LearnerError> {
        Ok(self.bytes(name, Dtype::U64)?.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }
}

/// Metadata entry and tensor of what [`attach`] puts beside a learner's state.
const ATTACHED: &str = "slipstream-run";

/// Returns the checkpoint with the state of what drives the learner in the same file, so that both are replaced together:
/// a JSON text and bytes. A reader that does not know of it reads the learner as before.
pub fn attach(checkpoint: &[u8], note: &str, bytes: &[u8]) -> Result<Vec<u8>, LearnerError> {
    let (_, metadata) = SafeTensors::read_metadata(checkpoint).map_err(|error| damaged(&error))?;
    let mut notes = metadata.metadata().clone().unwrap_or_default();
    notes.insert(ATTACHED.to_owned(), note.to_owned());
    let kept = SafeTensors::deserialize(checkpoint).map_err(|error| damaged(&error))?;
    let added = TensorView::new(Dtype::U8, vec![bytes.len()], bytes).map_err(|error| damaged(&error))?;
    let tensors = kept.tensors().into_iter().filter(|(name, _)| name != ATTACHED).chain([(ATTACHED.to_owned(), added)]);
    safetensors::serialize(tensors, Some(notes)).map_err(|error| damaged(&error))
}

/// Returns what [`attach`] put into a checkpoint: the text and the bytes; `None` where there is nothing.
pub fn attached(checkpoint: &[u8]) -> Result<Option<(String, Vec<u8>)>, LearnerError> {
    let (_, metadata) = SafeTensors::read_metadata(checkpoint).map_err(|error| damaged(&error))?;
    let Some(note) = metadata.metadata().as_ref().and_then(|notes| notes.get(ATTACHED)).cloned() else { return Ok(None) };
    let tensors = SafeTensors::deserialize(checkpoint).map_err(|error| damaged(&error))?;
    let tensor = tensors.tensor(ATTACHED).map_err(|error| damaged(&error))?;
    if tensor.dtype() != Dtype::U8 {
        return Err(LearnerError::Checkpoint(format!("{ATTACHED} is not of {:?}", Dtype::U8)));
    }
    Ok(Some((note, tensor.data().to_vec())))
}
