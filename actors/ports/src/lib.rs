//! Ports: what the engine needs of the world, one trait each. Implementations live in the gateway,
//! one file each; the same test suite runs against every implementation of a port.

mod clock;
mod journal;
mod records;
mod series;

pub use clock::Clock;
pub use journal::{Journal, JournalError, JournalTicket};
pub use records::{
    AlarmEntry, AlarmFilter, AlarmMoment, AlarmRecord, AlarmRecords, ApiKey, ApiKeyRecords, Driver, DriverRecords, Feedback,
    FeedbackRecords, Invite, InviteRecords, Listing, Page, Records, RecordsError, RecordsFuture, Revocation, RevocationKind,
    RevocationRecords, Session, SessionRecords, TableRecords, TableRows, Team, TelemetrySpan, Track, User, UserRecords, VideoFrame,
    VideoRecords, VoiceClip, VoiceRecords,
};
pub use series::{Aggregate, Rejection, Series, SeriesAnswer, SeriesError, SeriesPoint, SeriesQuery, SeriesStore, WriteReport};

/// What a port's asynchronous call returns.
pub type PortFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;
