//! Why something could not be done with a pipeline.

use slipstream_engine::pipeline::CommandError;
use slipstream_ports::RecordsError;

use super::{DocumentError, MAX_PIPELINES};

/// Why something could not be done with a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Its description has mistakes.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// There is none of this name.
    #[error("the pipeline '{0}' does not exist")]
    Unknown(String),
    /// There is one of this name already.
    #[error("there is a pipeline '{0}' already; PUT replaces it")]
    Exists(String),
    /// A file of the configuration declares it.
    #[error("the pipeline '{0}' is declared by a file of the configuration: change it there and restart")]
    FromFile(String),
    /// The body names another pipeline than the path.
    #[error("the body describes '{0}', the path names '{1}'")]
    OtherName(String, String),
    /// There are enough.
    #[error("there are {MAX_PIPELINES} pipelines, the most one server runs; remove one first")]
    TooMany,
    /// Others read it.
    #[error("the results of '{0}' are read by {1}; remove or change that first")]
    Read(String, String),
    /// It does not run, and the step's command needs it to.
    #[error("the pipeline '{0}' does not run now; resume it first")]
    NotRunning(String),
    /// A step's command was refused.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The records do not answer, or refuse.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// It could not be written down.
    #[error("the pipeline could not be saved: {0}")]
    Storage(#[from] std::io::Error),
}

impl PipelineError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Storage(_) => true,
            Self::Records(error) => error.is_retryable(),
            _ => false,
        }
    }
}
