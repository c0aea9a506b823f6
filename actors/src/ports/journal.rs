//! The durable journal.

use slipstream_protocol::SampleBatch;

use super::PortFuture;

/// Resolves to the record's position when the record is synced to disk.
pub type JournalTicket = PortFuture<'static, Result<u64, JournalError>>;

/// Why a batch could not be made durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full or failing; try again later.
    #[error("the journal cannot write: {0}; free disk space under DATA_DIR or move it")]
    Storage(String),
    /// The journal is shutting down.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage(_))
    }
}

/// Keeps batches so that nothing acknowledged as durable is lost.
pub trait Journal: Send + Sync + 'static {
    /// Appends `batch`. Order of calls is order of records. The call itself does not wait for the disk.
    fn append(&self, batch: &SampleBatch) -> JournalTicket;

    /// Resolves when every configured series store has the record at `position`.
    fn stored(&self, position: u64) -> PortFuture<'static, Result<(), JournalError>>;
}
