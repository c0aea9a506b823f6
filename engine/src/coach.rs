//! The coach: where and how a driver loses time against the reference lap.

use slipstream_protocol::Timestamp;

pub use crate::laps::LapBook;

/// What the coach says.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// In sentences made from the numbers below.
    pub text: String,
}

/// Why the coach cannot say anything yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoachError {
    /// Not enough whole laps with speed and position.
    #[error("{have} whole laps known, at least {need} are needed to compare")]
    NotEnoughLaps {
        /// Whole laps known.
        have: usize,
        /// Laps needed.
        need: usize,
    },
}

/// Compares the newest laps with the reference lap.
pub fn advise(_book: &LapBook, _now: Timestamp) -> Result<Advice, CoachError> {
    todo!()
}
