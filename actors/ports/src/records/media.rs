//! What was seen and said: video frames, feedback, speech.

use slipstream_protocol::{Id, SessionId, Timestamp, VehicleId};

use super::{Listing, Page, RecordsFuture};

/// A stored video frame; the image itself is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFrame {
    /// Its id.
    pub id: Id,
    /// Whose camera.
    pub driver: VehicleId,
    /// In which session.
    pub session: Option<SessionId>,
    /// The image's media type.
    pub content_type: String,
    /// The file's size, bytes.
    pub bytes: u64,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
}

/// Video frames.
pub trait VideoRecords: Send + Sync + 'static {
    /// Keeps a frame's row. A driver or session not known yet is created.
    fn create_frame(&self, frame: VideoFrame) -> RecordsFuture<'_, ()>;

    /// A frame's row.
    fn frame<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Option<VideoFrame>>;

    /// Frames of a driver, latest taken first; only of one session where given.
    fn frames<'a>(&'a self, driver: &'a VehicleId, session: Option<&'a SessionId>, page: Page) -> RecordsFuture<'a, Listing<VideoFrame>>;
}

/// Feedback that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Its id.
    pub id: Id,
    /// For whom.
    pub driver: VehicleId,
    /// In which session.
    pub session: Option<SessionId>,
    /// Who gave it: `agent` or `coach`.
    pub source: String,
    /// The telemetry it was asked about: a JSON object, as text.
    pub telemetry: String,
    /// What was said: any JSON value, as text.
    pub feedback: String,
    /// When.
    pub created_at: Timestamp,
}

/// Feedback.
pub trait FeedbackRecords: Send + Sync + 'static {
    /// Keeps feedback. A driver or session not known yet is created.
    fn create_feedback(&self, feedback: Feedback) -> RecordsFuture<'_, ()>;

    /// Feedback for a driver, newest first; only of one session where given.
    fn feedback<'a>(&'a self, driver: &'a VehicleId, session: Option<&'a SessionId>, page: Page) -> RecordsFuture<'a, Listing<Feedback>>;
}

/// Speech that was synthesised; the audio itself is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceClip {
    /// SHA-256 of engine, voice and text, in hexadecimal: the audio's name.
    pub key: String,
    /// Which engine spoke.
    pub engine: String,
    /// With which voice.
    pub voice: String,
    /// What.
    pub text: String,
    /// The audio's media type.
    pub content_type: String,
    /// The file's size, bytes.
    pub bytes: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The index of synthesised speech.
pub trait VoiceRecords: Send + Sync + 'static {
    /// Keeps a clip's row; an older one of the same key gives way.
    fn put_clip(&self, clip: VoiceClip) -> RecordsFuture<'_, ()>;

    /// A clip's row.
    fn clip<'a>(&'a self, key: &'a str) -> RecordsFuture<'a, Option<VoiceClip>>;
}
