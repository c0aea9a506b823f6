//! Policies that were trained elsewhere, read without Python and without running anything in the file.
//!
//! [`load`] tells by the first bytes what a file is: a Stable-Baselines3 `.zip` (DQN, PPO, A2C), a bare
//! PyTorch `.pth` (a state dict of dense layers), ONNX, or our own safetensors. All of them become a
//! [`TrainedPolicy`]: dense layers, played without allocating, as a [`Policy`](super::Policy). Whatever the bytes are, the answer is a
//! policy whose weights are finite and whose shapes fit, or a [`LoadError`] that says what was wrong.

mod bounds;
mod error;
pub mod fuzz;
mod mlp;
mod onnx;
mod pickle;
mod safetensors;
mod sb3;
mod tensors;
mod torch;
mod trained;
mod zip;

pub use bounds::MAX_FILE_BYTES;
pub use error::LoadError;
pub use mlp::{Activation, Layer, Mlp, Scratch};
pub use trained::{Algorithm, Head, TrainedPolicy, softmax};

use tensors::Tensors;
use zip::Archive;

/// Reads a policy, whichever of the known formats it has.
///
/// A bare `.pth` does not say what stands between its layers: there it is ReLU, and the scores are
/// logits, as REINFORCE has them; [`load_torch`] takes other choices.
pub fn load(bytes: &[u8]) -> Result<TrainedPolicy, LoadError> {
    check_len(bytes)?;
    if zip::is_zip(bytes) {
        let archive = Archive::open(bytes)?;
        if sb3::is_sb3(&archive) {
            return sb3::read(&archive);
        }
        if torch::is_torch(&archive) {
            return bare(&torch::read(&archive)?, Algorithm::Reinforce, Head::Logits, Activation::Relu);
        }
        return Err(LoadError::UnknownFormat);
    }
    if safetensors::is_safetensors(bytes) {
        return safetensors::read(bytes);
    }
    if onnx::is_onnx(bytes) { onnx::read(bytes) } else { Err(LoadError::UnknownFormat) }
}

/// Reads a bare PyTorch state dict of dense layers, of which the caller knows what it was.
pub fn load_torch(bytes: &[u8], algorithm: Algorithm, head: Head, activation: Activation) -> Result<TrainedPolicy, LoadError> {
    check_len(bytes)?;
    bare(&torch::read(&Archive::open(bytes)?)?, algorithm, head, activation)
}

/// Writes a policy as our own safetensors, which [`load`] reads. The same policy gives the same bytes.
pub fn to_safetensors(policy: &TrainedPolicy) -> Vec<u8> {
    safetensors::write(policy)
}

const fn check_len(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(LoadError::TooLarge { bytes: bytes.len(), limit: MAX_FILE_BYTES });
    }
    Ok(())
}

/// The one chain of dense layers, `<prefix>.<n>.weight`, that a state dict holds.
fn bare(tensors: &Tensors, algorithm: Algorithm, head: Head, activation: Activation) -> Result<TrainedPolicy, LoadError> {
    let mut prefix = None;
    for name in tensors.names() {
        let (layer, _) = name.rsplit_once('.').unwrap_or_default();
        let (found, number) = layer.rsplit_once('.').unwrap_or_default();
        if found.is_empty() || number.parse::<u32>().is_err() || prefix.is_some_and(|p| p != found) {
            return Err(LoadError::Unsupported(format!("tensor {name:?} beside one chain of layers")));
        }
        prefix = Some(found);
    }
    let prefix = prefix.ok_or_else(|| LoadError::MissingTensor("<name>.0.weight".to_owned()))?;
    let names: Vec<_> = tensors.layers(prefix).into_iter().map(|n| format!("{prefix}.{n}")).collect();
    Ok(TrainedPolicy::new(algorithm, head, Mlp::of_tensors(tensors, &names, activation)?, None))
}

#[cfg(test)]
mod tests;
