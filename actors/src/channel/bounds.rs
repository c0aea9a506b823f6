//! How much a channel remembers, by kind.

use std::time::Duration;

use slipstream_protocol::ChannelKind;

/// Bounds of one channel's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryBound {
    /// Most publications; 0: nothing is remembered.
    pub len: usize,
    /// How long.
    pub age: Duration,
}

/// Bounds of every kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryBounds([HistoryBound; ChannelKind::ALL.len()]);

impl HistoryBounds {
    /// The bounds that `of` gives each kind.
    pub fn new(of: impl Fn(ChannelKind) -> HistoryBound) -> Self {
        Self(ChannelKind::ALL.map(of))
    }

    /// The bound of one kind.
    pub const fn of(&self, kind: ChannelKind) -> HistoryBound {
        self.0[kind as usize]
    }

    /// The longest any channel of a vehicle remembers.
    pub fn longest_of_a_vehicle(&self) -> Duration {
        let kinds = [ChannelKind::Telemetry, ChannelKind::Video, ChannelKind::Ai, ChannelKind::Alerts];
        kinds.into_iter().map(|kind| self.of(kind).age).max().unwrap_or_default()
    }
}

impl Default for HistoryBounds {
    fn default() -> Self {
        Self::new(|_| HistoryBound { len: 600, age: Duration::from_secs(30) })
    }
}
