//! Samples and batches of them.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    id::{FleetId, PublisherId, SessionId, VehicleId},
    signal::{Quality, Signal},
    time::Timestamp,
};

/// What one vehicle reported at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Who reported.
    pub vehicle: VehicleId,
    /// The session it belongs to, when there is one.
    pub session: Option<SessionId>,
    /// The fleet the vehicle reports for, when told.
    pub fleet: Option<FleetId>,
    /// The publisher's number for this sample.
    pub seq: Option<u64>,
    /// When it was measured, by the source's clock; `received_at` where the source did not say.
    pub source_time: Timestamp,
    /// When the door saw it, by the server's clock.
    pub received_at: Timestamp,
    /// How far the values can be trusted.
    pub quality: Quality,
    /// Flattened values, in the order sent.
    pub signals: Vec<Signal>,
    /// The `data` object exactly as sent, when it came as JSON.
    pub raw: Option<Bytes>,
}

impl Sample {
    /// The last value sent under `name` in this sample.
    pub fn signal(&self, name: &str) -> Option<&crate::SignalValue> {
        self.signals.iter().rev().find(|s| &*s.name == name).map(|s| &s.value)
    }

    /// When it arrived, by the server's clock; its source time where no door saw it (a file read by a tool).
    pub fn arrival(&self) -> Timestamp {
        if self.received_at.micros() > 0 { self.received_at } else { self.source_time }
    }

    /// How far its source time leads its arrival; zero where it does not.
    pub fn lead(&self) -> Duration {
        self.source_time.since(self.arrival())
    }

    /// Whether its source time leads its arrival by more than `skew`. Such a sample is kept and published, and decides
    /// nothing: neither newest state, laps, watermarks nor alarms. The rule reads the sample alone, so a replay of the
    /// journal decides as the first run did.
    pub fn is_ahead(&self, skew: Duration) -> bool {
        self.lead() > skew
    }

    /// The order of a source's samples in time: no sample counts as measured later than it arrived, so a clock that was
    /// ahead for a moment does not make the right samples after it late.
    pub fn order(&self) -> (Timestamp, Timestamp) {
        (self.source_time.min(self.arrival()), self.source_time)
    }

    /// The number under `name`, if it is one.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.signal(name).and_then(crate::SignalValue::as_number)
    }
}

/// Samples of one publisher, in the order sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleBatch {
    /// Who sent them; `None` for one-off requests that are not numbered.
    pub publisher: Option<PublisherId>,
    /// The samples.
    pub samples: Vec<Sample>,
}
