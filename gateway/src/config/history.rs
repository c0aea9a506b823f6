//! How much channels remember, by kind.

use std::time::Duration;

use serde::Serialize;
use slipstream_actors::{HistoryBound, HistoryBounds};
use slipstream_protocol::ChannelKind;

use super::duration;

/// What one channel of a kind remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryLimit {
    /// Most publications; 0: nothing is remembered.
    pub len: usize,
    /// How long.
    #[serde(serialize_with = "duration::serialize")]
    pub age: Duration,
}

/// What channels remember: one bound for all together, and one for each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryConfig {
    /// Most bytes, roughly, that all channels together remember; the oldest of the largest go first.
    pub bytes: usize,
    /// `telemetry:<vehicle>`
    pub telemetry: HistoryLimit,
    /// `video:<vehicle>`
    pub video: HistoryLimit,
    /// `ai:<vehicle>`
    pub ai: HistoryLimit,
    /// `alerts:<vehicle>`
    pub alerts: HistoryLimit,
    /// `session:<session>`
    pub session: HistoryLimit,
    /// `cell:<patch of road>`
    pub cell: HistoryLimit,
    /// `rl:<agent>`
    pub rl: HistoryLimit,
    /// `pipeline:<stream>`
    pub pipeline: HistoryLimit,
    /// `system:health`
    pub system: HistoryLimit,
}

impl Default for HistoryConfig {
    /// Fast streams for a minute; what comes now and then for longer.
    fn default() -> Self {
        let stream = HistoryLimit { len: 1_024, age: Duration::from_secs(60) };
        let now_and_then = HistoryLimit { len: 256, age: Duration::from_secs(300) };
        Self {
            bytes: 256 << 20,
            telemetry: stream,
            video: now_and_then,
            ai: now_and_then,
            alerts: now_and_then,
            session: stream,
            cell: stream,
            rl: stream,
            pipeline: stream,
            system: now_and_then,
        }
    }
}

impl HistoryConfig {
    /// The bounds as the actors take them.
    pub fn bounds(&self) -> HistoryBounds {
        HistoryBounds::new(|kind| {
            let HistoryLimit { len, age } = match kind {
                ChannelKind::Telemetry => self.telemetry,
                ChannelKind::Video => self.video,
                ChannelKind::Ai => self.ai,
                ChannelKind::Alerts => self.alerts,
                ChannelKind::Session => self.session,
                ChannelKind::Cell => self.cell,
                ChannelKind::Rl => self.rl,
                ChannelKind::Pipeline => self.pipeline,
                ChannelKind::System => self.system,
            };
            HistoryBound { len, age }
        })
    }
}
