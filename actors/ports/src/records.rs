//! Relational records: who there is, what was driven, what was seen and said.
//!
//! One trait per subject; [`Records`] is all of them. A driver, track or session that a record
//! names and that is not known yet is created with its id as its name: clients send telemetry
//! first and fill in names later.

mod access;
mod alarms;
mod media;
mod people;
mod sessions;
mod tables;

pub use access::{Invite, InviteRecords, Revocation, RevocationKind, RevocationRecords};
pub use alarms::{AlarmEntry, AlarmFilter, AlarmMoment, AlarmRecord, AlarmRecords};
pub use media::{Feedback, FeedbackRecords, VideoFrame, VideoRecords, VoiceClip, VoiceRecords};
pub use people::{ApiKey, ApiKeyRecords, Driver, DriverRecords, Team, User, UserRecords};
pub use sessions::{Session, SessionRecords, TelemetrySpan, Track};
pub use tables::{TableRecords, TableRows};

use super::PortFuture;

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

/// What a call to [`Records`] returns.
pub type RecordsFuture<'a, T> = PortFuture<'a, Result<T, RecordsError>>;

/// Which part of a list to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Page number, from 1.
    pub number: u32,
    /// Entries a page, from 1.
    pub size: u32,
}

impl Page {
    /// How many entries come before it.
    pub fn offset(self) -> u64 {
        u64::from(self.number.saturating_sub(1)) * u64::from(self.size)
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// The page's entries.
    pub entries: Vec<T>,
    /// Entries in the whole list.
    pub total: u64,
}

/// The relational store.
pub trait Records:
    UserRecords
    + ApiKeyRecords
    + InviteRecords
    + RevocationRecords
    + DriverRecords
    + SessionRecords
    + VideoRecords
    + FeedbackRecords
    + VoiceRecords
    + AlarmRecords
    + TableRecords
{
    /// What metrics and logs call it: `sqlite`, `postgres`.
    fn name(&self) -> &'static str;

    /// Whether the database answers.
    fn ping(&self) -> RecordsFuture<'_, ()>;

    /// Ends its connections after what is under way.
    fn close(&self) -> PortFuture<'_, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_after_all_earlier_ones() {
        assert_eq!(Page { number: 1, size: 20 }.offset(), 0);
        assert_eq!(Page { number: 3, size: 20 }.offset(), 40);
        assert_eq!(Page { number: u32::MAX, size: u32::MAX }.offset(), 18_446_744_060_824_649_730);
    }
}
