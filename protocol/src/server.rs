//! What the server sends.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    channel::Channel,
    client::RequestId,
    error::ErrorCode,
    id::{AgentId, Id, SessionId, VehicleId},
    time::Timestamp,
};

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckLevel {
    /// The engine has it.
    Received,
    /// It is synced to disk.
    #[default]
    Durable,
    /// Every configured time-series store has it.
    Stored,
}

impl AckLevel {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Durable => "durable",
            Self::Stored => "stored",
        }
    }
}

/// Samples that were taken, and that do not change all that a sample in time changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lateness {
    /// Measured before the newest state of their vehicles: they do not change it.
    #[serde(skip_serializing_if = "is_zero")]
    pub late: u64,
    /// Of these, measured before newer samples of their own session: they make no laps either.
    #[serde(skip_serializing_if = "is_zero")]
    pub late_in_session: u64,
    /// Their clock is ahead of the server's by more than `limits.max_clock_skew`.
    #[serde(skip_serializing_if = "is_zero")]
    pub ahead: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Lateness {
    /// Counts more in.
    pub const fn add(&mut self, more: Self) {
        self.late += more.late;
        self.late_in_session += more.late_in_session;
        self.ahead += more.ahead;
    }
}

/// An answer to one client; not a publication, carries no offset.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The subscription stands; publications follow this frame.
    Subscribed {
        /// Which channel.
        channel: Channel,
        /// The request's.
        id: Option<RequestId>,
        /// The channel's life; offsets of another epoch mean nothing in this one.
        epoch: u64,
        /// Offset of the last publication before this subscription; 0 for wildcards.
        offset: u64,
        /// Whether all that was missed since the given point follows.
        recovered: bool,
    },
    /// The subscription is gone; nothing of it follows this frame.
    Unsubscribed {
        /// Which channel.
        channel: Channel,
        /// The request's.
        id: Option<RequestId>,
        /// The channel's life.
        epoch: u64,
        /// Offset of the last publication.
        offset: u64,
    },
    /// Samples up to and including `seq` reached `level`.
    Ack {
        /// The highest number.
        seq: u64,
        /// What is promised.
        level: AckLevel,
        /// Points that a time-series store will never have, among what was written together with these samples:
        /// refused by the store for good, or given up. Above 0, `stored` does not hold for all of them.
        unstored: u64,
        /// What of the connection's samples so far has no say in what is newest.
        lateness: Lateness,
    },
    /// Publications were dropped for this subscriber.
    Gap {
        /// Of which channel.
        channel: Channel,
        /// How many.
        dropped: u64,
        /// First offset dropped.
        from: u64,
        /// Last offset dropped.
        to: u64,
    },
    /// Something could not be done.
    Error {
        /// The request's.
        id: Option<RequestId>,
        /// The refused sample's number.
        seq: Option<u64>,
        /// The refused sample's place in its batch, from 0; absent where the frame held one sample or none.
        index: Option<usize>,
        /// Which kind.
        code: ErrorCode,
        /// What was wrong and what to do.
        message: String,
    },
    /// An agent did as it was told.
    RlDone {
        /// The agent's channel.
        channel: Channel,
        /// The request's.
        id: Option<RequestId>,
        /// Where the agent stands: a JSON object, as text.
        agent: Arc<str>,
    },
    /// I am here.
    Pong {
        /// The request's.
        id: Option<RequestId>,
    },
}

/// A stored video frame, told on `video:<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoNote {
    /// Whose camera.
    pub vehicle: VehicleId,
    /// In which session.
    pub session: Option<SessionId>,
    /// Name of the stored frame; its address is `/api/video/<frame_id>`.
    pub frame_id: Arc<str>,
    /// When it was taken.
    pub timestamp: Timestamp,
    /// When it was received.
    pub server_timestamp: Timestamp,
}

/// Coaching feedback, told on `ai:<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedbackNote {
    /// For whom.
    pub vehicle: VehicleId,
    /// In which session.
    pub session: Option<SessionId>,
    /// The feedback: any JSON value, as text.
    pub feedback: Arc<str>,
    /// When it was given.
    pub timestamp: Timestamp,
}

/// One row of a session's leaderboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Place, from 1.
    pub position: u32,
    /// Who.
    pub vehicle_id: VehicleId,
    /// Number of the lap it is on, as the source counts; absent before the first.
    pub lap: Option<u32>,
    /// Whole laps timed.
    pub laps: u32,
    /// Best lap, s.
    pub best_lap_s: Option<f64>,
    /// Last whole lap, s.
    pub last_lap_s: Option<f64>,
    /// Best lap minus the leader's, s.
    pub gap_s: Option<f64>,
    /// Speed now, m/s.
    pub speed_mps: Option<f64>,
    /// Top speed in the session, m/s; absent where no speed was reported.
    #[serde(with = "number_or_nan")]
    pub top_speed_mps: Option<f64>,
    /// Distance driven in the session, m.
    pub distance_m: f64,
}

/// A number that may be absent: null in text, NaN in snapshots, where it was always there.
mod number_or_nan {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { value.serialize(serializer) } else { value.unwrap_or(f64::NAN).serialize(serializer) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        if deserializer.is_human_readable() {
            return Option::deserialize(deserializer);
        }
        f64::deserialize(deserializer).map(|number| (!number.is_nan()).then_some(number))
    }
}

/// A session's numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionMetrics {
    /// Best first.
    pub leaderboard: Vec<Standing>,
    /// Vehicles that reported.
    pub vehicles: u32,
    /// Samples so far.
    pub samples: u64,
    /// Whole laps timed, all vehicles.
    pub laps: u32,
    /// Best lap, s.
    pub best_lap_s: Option<f64>,
    /// Who drove it.
    pub best_lap_vehicle: Option<VehicleId>,
    /// Top speed, m/s.
    pub top_speed_mps: f64,
    /// Mean of all speed samples, m/s.
    pub mean_speed_mps: f64,
    /// Distance driven by all, m.
    pub distance_m: f64,
}

/// A session's numbers, told on `session:<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsNote {
    /// Which session.
    pub session: SessionId,
    /// Its numbers.
    pub metrics: Arc<SessionMetrics>,
    /// Source time of the newest sample in them.
    pub timestamp: Timestamp,
}

/// How grave an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth looking at.
    Medium,
    /// Worth acting on.
    High,
    /// Act now.
    Critical,
}

/// What an alert says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its name; the same alert told again has the same one.
    pub alert_id: String,
    /// What kind of thing happened.
    pub alert_type: String,
    /// How grave.
    pub severity: Severity,
    /// Where: `[x, y]` m or `[lon, lat]` degrees, as the source positions are.
    pub position: Option<[f64; 2]>,
    /// Concerned within, m.
    pub radius: Option<f64>,
    /// In words.
    pub message: String,
}

/// An alert, told on `alerts:<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertNote {
    /// For whom.
    pub vehicle: VehicleId,
    /// In which session.
    pub session: Option<SessionId>,
    /// What it says.
    pub alert: Arc<Alert>,
    /// When.
    pub timestamp: Timestamp,
}

/// The server's health, told on `system:health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthNote {
    /// The health report: a JSON object, as text.
    pub health: Arc<str>,
    /// When.
    pub timestamp: Timestamp,
}

/// How settled a pipeline's result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultKind {
    /// Of a period still open; a later one of the same key and start replaces it.
    Early,
    /// Of a moment, or of a closed period.
    Final,
    /// Of a closed period, made anew because of late rows; it replaces the one before.
    Correction,
    /// No result: a row that came too late.
    Late,
}

impl ResultKind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Final => "final",
            Self::Correction => "correction",
            Self::Late => "late",
        }
    }
}

/// A pipeline's result, told on `pipeline:<name>` or a channel beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultNote {
    /// On which channel: `pipeline:<name>`, `pipeline:<name>.<key>` or `pipeline:<name>.late`.
    pub channel: Channel,
    /// Which pipeline.
    pub pipeline: Id,
    /// Whose result: a vehicle, unless the pipeline is keyed otherwise.
    pub key: Id,
    /// How settled it is.
    pub kind: ResultKind,
    /// Where its period begins; the same as `timestamp` for a moment.
    pub start: Timestamp,
    /// Event time; the last moment of a period.
    pub timestamp: Timestamp,
    /// Signals and their values: a JSON object, as text.
    pub data: Arc<str>,
    /// Signals whose quality is not good, and which it is: a JSON object, as text.
    pub quality: Option<Arc<str>>,
}

/// What a reinforcement-learning agent did, or how its training goes; told on `rl:<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RlNote {
    /// Which agent.
    pub agent: AgentId,
    /// What happened: a JSON object with `kind`, as text.
    pub update: Arc<str>,
    /// When.
    pub timestamp: Timestamp,
}

/// A publication other than a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// `video_frame`
    Video(VideoNote),
    /// `ai_feedback`
    Feedback(FeedbackNote),
    /// `metrics_update`
    Metrics(MetricsNote),
    /// `alert`
    Alert(AlertNote),
    /// `health`
    Health(HealthNote),
    /// `pipeline_result`
    Result(ResultNote),
    /// `rl_update`
    Rl(RlNote),
}
