//! Relational records: users, drivers, teams, tracks, sessions, video frames, feedback, voice, keys.

/// Why a record could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database does not answer; try again later.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// It exists already.
    #[error("{0} exists already")]
    Conflict(String),
    /// What it refers to does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The database refuses for good.
    #[error("the database refuses: {0}")]
    Refused(String),
}

impl RecordsError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// The relational store.
pub trait Records: Send + Sync + 'static {}
