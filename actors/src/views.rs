//! Read-only views the actors write, for REST readers: no reader ever enters a mailbox.

use std::sync::Arc;

use slipstream_engine::{coach::LapBook, twin::Twin};
use slipstream_protocol::{SessionId, VehicleId, server::SessionMetrics};

/// The newest state of every vehicle and room.
#[derive(Default)]
pub struct Views {}

impl Views {
    /// A vehicle's twin: newest value of every signal by source time, position, lap.
    pub fn vehicle(&self, _id: &str) -> Option<Arc<Twin>> {
        todo!()
    }

    /// The ids of vehicles heard of, sorted.
    pub fn vehicles(&self) -> Vec<VehicleId> {
        todo!()
    }

    /// A vehicle's recent laps, for the coach.
    pub fn laps(&self, _id: &str) -> Option<Arc<LapBook>> {
        todo!()
    }

    /// A session room's numbers.
    pub fn session(&self, _id: &str) -> Option<Arc<SessionMetrics>> {
        todo!()
    }

    /// The ids of live session rooms, sorted.
    pub fn sessions(&self) -> Vec<SessionId> {
        todo!()
    }
}
