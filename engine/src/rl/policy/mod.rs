//! Policies that were trained elsewhere, read without Python and without running anything in the file.
//!
//! [`load`] tells by the first bytes what a file is: a Stable-Baselines3 `.zip` (DQN, PPO, A2C), a bare
//! PyTorch `.pth` (a state dict of dense layers, or a checkpoint with one), ONNX, or our own safetensors. All of them become a
//! [`TrainedPolicy`]: dense layers, played without allocating, as a [`Policy`](super::Policy). Whatever the bytes are, the answer is a
//! policy whose weights are finite and whose shapes fit, or a [`LoadError`] that says what was wrong.

mod bounds;
mod chain;
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

use zip::Archive;

/// Reads a policy, whichever of the known formats it has.
///
/// A bare `.pth` does not say what stands between its layers: there it is `ReLU`, or what Stable-Baselines3 has unless told
/// otherwise where the names are its own. The scores are logits, as REINFORCE has them, unless the names are those of a
/// Q-network; [`load_torch`] takes other choices.
///
/// A model of ONNX may keep its weights in a file beside it; [`load_beside`] reads it.
pub fn load(bytes: &[u8]) -> Result<TrainedPolicy, LoadError> {
    load_beside(bytes, &mut |_| Err("only one file was given; export the model with external_data=False".to_owned()))
}

/// [`load`], with the files that lie beside the policy's own: `beside` gives the bytes of the one of that name, which is a plain
/// name and no path, or says why not. It is asked once for each.
pub fn load_beside(bytes: &[u8], beside: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>) -> Result<TrainedPolicy, LoadError> {
    check_len(bytes)?;
    if torch::is_legacy(bytes) {
        return Err(LoadError::LegacyTorch);
    }
    if zip::is_zip(bytes) {
        let archive = Archive::open(bytes)?;
        if sb3::is_sb3(&archive) {
            return sb3::read(&archive);
        }
        if torch::is_torch(&archive) {
            return chain::read(&torch::read(&archive)?, None);
        }
        return Err(LoadError::UnknownFormat);
    }
    if safetensors::is_safetensors(bytes) {
        return safetensors::read(bytes);
    }
    if onnx::is_onnx(bytes) { onnx::read(bytes, beside) } else { Err(LoadError::UnknownFormat) }
}

/// Reads a bare PyTorch state dict of dense layers, of which the caller knows what it was.
pub fn load_torch(bytes: &[u8], algorithm: Algorithm, head: Head, activation: Activation) -> Result<TrainedPolicy, LoadError> {
    check_len(bytes)?;
    chain::read(&torch::read(&Archive::open(bytes)?)?, Some((algorithm, head, activation)))
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

#[cfg(test)]
mod tests;
