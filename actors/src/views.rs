//! Read-only views the actors write, for REST readers: no reader ever enters a mailbox.

use std::sync::Arc;

use slipstream_engine::{coach::LapBook, twin::Twin};
use slipstream_protocol::{AgentId, SessionId, VehicleId, server::SessionMetrics};

use crate::{agent::AgentView, registry::Registry};

/// The newest state of every vehicle and room.
pub struct Views<'a>(pub(crate) &'a Registry);

impl Views<'_> {
    /// A vehicle's twin: newest value of every signal by source time.
    pub fn vehicle(&self, id: &str) -> Option<Arc<Twin>> {
        self.0.vehicles.get(id)?.twin.load_full()
    }

    /// The ids of vehicles heard of, sorted.
    pub fn vehicles(&self) -> Vec<VehicleId> {
        let mut ids: Vec<_> = self.0.vehicles.iter().filter(|v| v.twin.load().is_some()).map(|v| v.key().clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// A vehicle's recent laps, for the coach.
    pub fn laps(&self, id: &str) -> Option<Arc<LapBook>> {
        self.0.vehicles.get(id)?.laps.load_full()
    }

    /// A vehicle's recent laps in one session; of the newest one where the vehicle tells none. `None`: none are remembered.
    pub fn laps_in(&self, id: &str, session: &SessionId) -> Option<Arc<LapBook>> {
        let twin = self.vehicle(id)?;
        match twin.earlier.iter().find(|known| known.session == *session) {
            Some(known) => known.laps.clone(),
            None => self.laps(id),
        }
    }

    /// A session room's numbers.
    pub fn session(&self, id: &str) -> Option<Arc<SessionMetrics>> {
        self.0.rooms.get(id)?.metrics.load_full()
    }

    /// Where an agent stands; `None` where there is none.
    pub fn agent(&self, id: &str) -> Option<Arc<AgentView>> {
        self.0.agents.get(id)?.view()
    }

    /// The ids of the agents there are, sorted.
    pub fn agents(&self) -> Vec<AgentId> {
        let mut ids: Vec<_> = self.0.agents.iter().filter(|a| a.view().is_some()).map(|a| a.key().clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// The ids of session rooms heard of, sorted.
    pub fn sessions(&self) -> Vec<SessionId> {
        let mut ids: Vec<_> = self.0.rooms.iter().map(|r| r.key().clone()).collect();
        ids.sort_unstable();
        ids
    }
}
