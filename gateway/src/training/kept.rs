//! What a run knows besides its learner, kept in the same checkpoint: the best policy of all evaluations so far.
//!
//! Without it a run that goes on would give the best policy of its last part alone. A checkpoint of a version before this
//! has none: there the best begins anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use slipstream_engine::rl::{
    Policy,
    learners::{self, LearnerError},
    policy,
};

use super::load_policy;

/// The best policy so far, and how good it is.
pub(super) struct Best {
    pub(super) policy: Arc<dyn Policy>,
    pub(super) file: Vec<u8>,
    pub(super) mean: f64,
}

/// What a checkpoint holds besides the learner.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) best: Option<Best>,
    /// The mean return of an evaluation at the very step of the checkpoint: it may have been the one that ends the run.
    pub(super) evaluated: Option<f64>,
}

/// The numbers of [`Kept`]; the best policy's file lies beside them.
#[derive(Serialize, Deserialize)]
struct Note {
    best_mean: Option<f64>,
    evaluated: Option<f64>,
}

/// Returns the learner's checkpoint with what the run knows besides.
pub(super) fn write(checkpoint: &[u8], best: Option<&Best>, evaluated: Option<f64>) -> Result<Vec<u8>, LearnerError> {
    let note = Note { best_mean: best.map(|best| best.mean), evaluated };
    let note = serde_json::to_string(&note).map_err(damaged)?;
    learners::attach(checkpoint, &note, best.map_or(&[], |best| &best.file))
}

/// Returns what [`write`] put into a checkpoint of a run in `environment`.
pub(super) fn read(checkpoint: &[u8], environment: &str) -> Result<Kept, LearnerError> {
    let Some((note, file)) = learners::attached(checkpoint)? else { return Ok(Kept::default()) };
    let Note { best_mean, evaluated } = serde_json::from_str(&note).map_err(damaged)?;
    let best = match best_mean {
        Some(mean) => {
            // A network's file does not say what it was trained in.
            let policy: Arc<dyn Policy> = match policy::load(&file) {
                Ok(network) => Arc::new(network.trained_in(environment)),
                Err(_) => load_policy(&file).map_err(damaged)?,
            };
            Some(Best { policy, file, mean })
        }
        None => None,
    };
    Ok(Kept { best, evaluated })
}

fn damaged(error: impl std::fmt::Display) -> LearnerError {
    LearnerError::Checkpoint(format!("its best policy so far is damaged: {error}"))
}
