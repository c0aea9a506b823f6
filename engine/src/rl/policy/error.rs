//! Why a file is not a policy that can be played.

use thiserror::Error;

/// What was wrong with a policy's file. Nothing in the file was executed.
///
/// None of these passes by itself: the file has to be another one, so [`LoadError::is_retryable`] is
/// always false.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoadError {
    /// No known format begins like this.
    #[error("this is no policy: expected a Stable-Baselines3 .zip, a PyTorch .pth, an ONNX or a safetensors file")]
    UnknownFormat,
    /// The format of PyTorch before 1.6.
    #[error(
        "this is PyTorch's old format, from before 1.6: save it again with a newer PyTorch, as torch.save(model.state_dict(), file), \
         without _use_new_zipfile_serialization=False"
    )]
    LegacyTorch,
    /// More bytes than any policy needs.
    #[error("the file has {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// Bytes it has.
        bytes: usize,
        /// Bytes read at most.
        limit: usize,
    },
    /// The archive ends too early or its parts do not fit together.
    #[error("the zip archive is damaged or cut short: {0}")]
    Archive(&'static str),
    /// An archive's entry is compressed, encrypted or otherwise not stored as it is.
    #[error("the archive's entry {0:?} is compressed or encrypted; save it stored, as PyTorch and Stable-Baselines3 do")]
    NotStored(String),
    /// An entry that every such archive has is not there.
    #[error("the archive has no entry {0:?}")]
    MissingEntry(String),
    /// The pickle names something that a state dict has no need of. It was not looked up or called.
    #[error(
        "the pickle asks for {0:?}, which a state dict has no need of: refused, nothing was executed; save the weights alone, as \
         torch.save(model.state_dict(), file)"
    )]
    ForbiddenGlobal(String),
    /// The pickle has an instruction that a state dict has no need of.
    #[error(
        "the pickle has instruction 0x{opcode:02x} at byte {at}, which a state dict has no need of: refused, nothing was executed; save \
         the weights alone, as torch.save(model.state_dict(), file)"
    )]
    ForbiddenOpcode {
        /// The instruction.
        opcode: u8,
        /// Where it stands.
        at: usize,
    },
    /// The pickle does not make sense.
    #[error("the pickle is damaged at byte {at}: {reason}")]
    Pickle {
        /// Where.
        at: usize,
        /// What was wrong.
        reason: &'static str,
    },
    /// Something exceeds a bound.
    #[error("too many or too large {what}; at most {limit}")]
    Bound {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// The file's notes about itself cannot be read.
    #[error("the file's description is unreadable: {0}")]
    Description(&'static str),
    /// The ONNX file's encoding is broken.
    #[error("the ONNX file is damaged: {0}")]
    Onnx(&'static str),
    /// Weights lie in a file beside the model, which cannot be read.
    #[error("its weights are in the file {file:?} beside it: {reason}")]
    Beside {
        /// The file's name, as the model has it.
        file: String,
        /// Why it gives none.
        reason: String,
    },
    /// The layers are no one chain.
    #[error("its layers are no one chain: {0}")]
    NoChain(String),
    /// The network does something that is not played here.
    #[error("the network has {0}: only feed-forward networks of dense layers over discrete actions are played")]
    Unsupported(String),
    /// A tensor that the network needs is not there.
    #[error("there is no tensor {0:?}")]
    MissingTensor(String),
    /// A tensor does not fit.
    #[error("tensor {name:?} has shape {found:?}, which does not fit: {expected}")]
    WrongShape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What would fit.
        expected: String,
    },
    /// A weight is NaN or infinite.
    #[error("tensor {0:?} has a weight that is not a finite number")]
    NotFinite(String),
    /// The policy is for another environment.
    #[error("the policy takes {found} {what}; the environment has {expected}")]
    WrongEnvironment {
        /// `observations` or `actions`.
        what: &'static str,
        /// How many the policy knows.
        found: usize,
        /// How many there are.
        expected: usize,
    },
}

impl LoadError {
    /// Whether the same file may be taken another time: never.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}
