//! Our own files: safetensors with a note about what they hold.
//!
//! Tensors `actor.<n>.weight`, `actor.<n>.bias` and, where there is a critic, `critic.<n>...`; the metadata
//! entry `slipstream` is a JSON text with version, algorithm, head and activation. Any tool that reads
//! safetensors reads them.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::super::tensor::Numbers;
use super::{Activation, Algorithm, Head, LoadError, Mlp, TrainedPolicy, bounds, tensors::Tensors};

const NOTE: &str = "slipstream";
const VERSION: u32 = 1;

/// What the file tells about itself.
#[derive(Serialize, Deserialize)]
struct Note {
    version: u32,
    algorithm: Algorithm,
    head: Head,
    activation: String,
}

/// Whether the bytes begin like such a file: a length, then a JSON object.
pub(super) fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{') && bytes.get(6..8) == Some(&[0, 0])
}

/// The policy a file holds.
pub(super) fn read(bytes: &[u8]) -> Result<TrainedPolicy, LoadError> {
    const DAMAGED: LoadError = LoadError::Description("the safetensors header does not fit the file");
    // The header is JSON: it is bounded before it is parsed.
    let header = bytes.first_chunk().map_or(u64::MAX, |len| u64::from_le_bytes(*len));
    if header > bounds::MAX_DESCRIPTION as u64 {
        return Err(LoadError::Bound { what: "bytes of description", limit: bounds::MAX_DESCRIPTION });
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|_| DAMAGED)?;
    let note = metadata.metadata().as_ref().and_then(|m| m.get(NOTE));
    let note = note.ok_or(LoadError::Description("the safetensors file has no note `slipstream`: it is no policy of ours"))?;
    let note: Note = serde_json::from_str(note).map_err(|_| LoadError::Description("the note `slipstream` is unreadable"))?;
    if note.version != VERSION {
        return Err(LoadError::Unsupported(format!("version {} of our policies", note.version)));
    }
    let activation = Activation::of_name(&note.activation).ok_or_else(|| LoadError::Unsupported(note.activation.clone()))?;
    let file = SafeTensors::deserialize(bytes).map_err(|_| DAMAGED)?;
    let mut named: Vec<_> = file.iter().collect();
    named.sort_unstable_by_key(|(name, _)| *name);
    let mut tensors = Tensors::default();
    for (name, view) in named {
        if view.dtype() != Dtype::F32 {
            return Err(LoadError::Unsupported(format!("{:?} numbers", view.dtype())));
        }
        let numbers = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        tensors.insert(name, view.shape().to_vec(), numbers)?;
    }
    let network = |prefix: &str| {
        let names: Vec<_> = tensors.layers(prefix).into_iter().map(|n| format!("{prefix}.{n}")).collect();
        if names.is_empty() { Ok(None) } else { Mlp::of_tensors(&tensors, &names, activation).map(Some) }
    };
    let actor = network("actor")?.ok_or_else(|| LoadError::MissingTensor("actor.0.weight".to_owned()))?;
    Ok(TrainedPolicy::new(note.algorithm, note.head, actor, network("critic")?))
}

/// The file of a policy. The same policy gives the same bytes.
pub(super) fn write(policy: &TrainedPolicy) -> Vec<u8> {
    let activation = policy.actor().activation().name().to_owned();
    let note = Note { version: VERSION, algorithm: policy.algorithm(), head: policy.head(), activation };
    let note = serde_json::to_string(&note).expect("plain fields become JSON");
    let mut tensors = Vec::new();
    for (prefix, network) in std::iter::once(("actor", policy.actor())).chain(policy.critic().map(|c| ("critic", c))) {
        for (n, layer) in network.layers().into_iter().enumerate() {
            let outputs = layer.bias.len();
            let shape = vec![outputs, layer.weights.len() / outputs];
            tensors.push((format!("{prefix}.{n}.weight"), Numbers::shaped(shape, &layer.weights)));
            tensors.push((format!("{prefix}.{n}.bias"), Numbers::f32(&layer.bias)));
        }
    }
    safetensors::serialize(tensors, Some(HashMap::from([(NOTE.to_owned(), note)]))).expect("shapes fit their numbers, names differ")
}
