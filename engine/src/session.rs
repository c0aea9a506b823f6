//! A session: its leaderboard and its numbers.

use slipstream_protocol::{Sample, Timestamp, VehicleId, server::SessionMetrics};

use crate::vehicle::Output;

/// Everything known about one session.
#[derive(Clone, Debug, Default)]
pub struct Session {}

impl Session {
    /// Takes one sample of a member in.
    pub fn apply(&mut self, _sample: &Sample) {
        todo!()
    }

    /// Takes in what applying a sample told about a member.
    pub fn note(&mut self, _vehicle: &VehicleId, _output: &Output) {
        todo!()
    }

    /// The numbers now.
    pub fn metrics(&self) -> SessionMetrics {
        todo!()
    }

    /// Source time of the newest sample.
    pub fn newest(&self) -> Timestamp {
        todo!()
    }
}
