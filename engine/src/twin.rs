//! A vehicle's newest known state.

use slipstream_protocol::{SessionId, SignalName, SignalValue, Timestamp};

/// The newest value of every signal, by source time; late data never overwrites newer state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Twin {
    /// Signals in order of first appearance.
    pub signals: Vec<TwinSignal>,
    /// The session of the newest sample.
    pub session: Option<SessionId>,
    /// Source time of the newest sample.
    pub source_time: Timestamp,
    /// Receive time of the newest sample.
    pub received_at: Timestamp,
    /// Samples applied so far.
    pub samples: u64,
    /// Samples that arrived behind a newer one.
    pub late_samples: u64,
}

/// A signal's newest value.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinSignal {
    /// The flattened name.
    pub name: SignalName,
    /// The value.
    pub value: SignalValue,
    /// Source time of the value.
    pub time: Timestamp,
}
