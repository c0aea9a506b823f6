//! The durable journal.

use slipstream_protocol::{SampleBatch, codec::Numbering};

use super::PortFuture;

/// Resolves to the record's position when the record is synced to disk.
pub type JournalTicket = PortFuture<'static, Result<u64, JournalError>>;

/// Why a batch could not be made durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full or failing; try again later.
    #[error("the journal cannot write: {0}; free disk space under DATA_DIR or move it")]
    Storage(String),
    /// Another process has the journal's folder; one at a time may.
    #[error("{folder} is in use by another process; stop it or give another DATA_DIR")]
    InUse {
        /// The folder.
        folder: String,
    },
    /// More waits for the disk than the journal may hold in memory; slow down and try again.
    #[error("the journal is behind: {waiting_bytes} bytes wait for the disk; send slower and try again")]
    Overloaded {
        /// Bytes that wait.
        waiting_bytes: u64,
    },
    /// The batch is larger than a record may be; split it.
    #[error("the batch takes {bytes} bytes as a journal record, at most {most} are taken; send smaller batches")]
    TooLarge {
        /// Size of the record.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// The journal is shutting down.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage(_) | Self::Overloaded { .. })
    }
}

/// Keeps batches so that nothing acknowledged as durable is lost.
pub trait Journal: Send + Sync + 'static {
    /// Appends `batch`. Order of calls is order of records. The call itself does not wait for the disk,
    /// and the record is written whether or not the ticket is awaited.
    fn append(&self, batch: &SampleBatch) -> JournalTicket;

    /// Like [`Journal::append`], and keeps the offsets the samples have on their channels, so that
    /// channels can be rebuilt after a crash. A journal that keeps none ignores them.
    fn append_numbered(&self, batch: &SampleBatch, _numbering: &[Numbering]) -> JournalTicket {
        self.append(batch)
    }

    /// Resolves when every configured series store has the record at `position`.
    fn stored(&self, position: u64) -> PortFuture<'static, Result<(), JournalError>>;
}
