//! What was driven: sessions, tracks, and what telemetry there is.

use slipstream_protocol::{Id, SessionId, Timestamp, VehicleId};

use super::{Listing, Page, RecordsFuture};

/// A session: a practice, a race, a shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who opened it.
    pub driver: VehicleId,
    /// What people call it.
    pub name: String,
    /// Where.
    pub track: Option<Id>,
    /// Since when.
    pub created_at: Timestamp,
}

/// A track.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// Length of a lap, m.
    pub length_m: Option<f64>,
    /// Since when.
    pub created_at: Timestamp,
}

/// What telemetry there is of one vehicle in one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySpan {
    /// Whose.
    pub vehicle: VehicleId,
    /// In which session; `None`: outside any.
    pub session: Option<SessionId>,
    /// Source time of the earliest sample.
    pub first: Timestamp,
    /// Source time of the latest sample.
    pub last: Timestamp,
    /// How many samples.
    pub samples: u64,
}

/// Sessions, tracks and the index of telemetry.
pub trait SessionRecords: Send + Sync + 'static {
    /// Keeps a new session. A driver or track not known yet is created.
    ///
    /// Fails with [`super::RecordsError::Conflict`] where the id is taken.
    fn create_session(&self, session: Session) -> RecordsFuture<'_, Session>;

    /// A session.
    fn session<'a>(&'a self, id: &'a SessionId) -> RecordsFuture<'a, Option<Session>>;

    /// Sessions, newest first. With `driver`, those it opened and those it sent telemetry in.
    fn sessions<'a>(&'a self, driver: Option<&'a VehicleId>, page: Page) -> RecordsFuture<'a, Listing<Session>>;

    /// Keeps a track, new or changed.
    fn put_track(&self, track: Track) -> RecordsFuture<'_, Track>;

    /// A track.
    fn track<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Option<Track>>;

    /// Tracks by id.
    fn tracks(&self, page: Page) -> RecordsFuture<'_, Listing<Track>>;

    /// Widens the index by spans of samples not counted before. Drivers and sessions not known yet
    /// are created as of `now`.
    fn index_telemetry<'a>(&'a self, spans: &'a [TelemetrySpan], now: Timestamp) -> RecordsFuture<'a, ()>;

    /// The spans of one vehicle, latest first.
    fn telemetry_spans<'a>(&'a self, vehicle: &'a VehicleId) -> RecordsFuture<'a, Vec<TelemetrySpan>>;
}
