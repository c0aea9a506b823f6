//! Names seen before, shared instead of copied.

use std::collections::{HashMap, HashSet};

use crate::{
    error::ProtocolError,
    id::{FleetId, SessionId, VehicleId},
    signal::SignalName,
    storable,
};

/// A client that never repeats a name must not grow the table without bound.
const MAX_ENTRIES: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Interner {
    names: HashSet<SignalName>,
    /// By what was sent: an id, or a name that an id is derived from.
    vehicles: HashMap<Box<str>, VehicleId>,
    sessions: HashMap<Box<str>, SessionId>,
}

impl Interner {
    /// A name that a client sends; refused where no store can keep it. Names seen before were checked then.
    pub(super) fn client_name(&mut self, text: &str) -> Result<SignalName, ProtocolError> {
        if !self.names.contains(text) {
            storable::check_name(text)?;
        }
        Ok(self.name(text))
    }

    /// A name as it is; an interner that serves clients takes them by [`Interner::client_name`] only.
    pub(super) fn name(&mut self, text: &str) -> SignalName {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        if self.names.len() >= MAX_ENTRIES {
            self.names.clear();
        }
        let name = SignalName::from(text);
        self.names.insert(name.clone());
        name
    }

    pub(super) fn vehicle(&mut self, text: &str) -> Result<VehicleId, ProtocolError> {
        if let Some(id) = self.vehicles.get(text) {
            return Ok(id.clone());
        }
        let id = VehicleId::new(text)?;
        if self.vehicles.len() >= MAX_ENTRIES {
            self.vehicles.clear();
        }
        self.vehicles.insert(text.into(), id.clone());
        Ok(id)
    }

    pub(super) fn session(&mut self, text: &str) -> Result<SessionId, ProtocolError> {
        if let Some(id) = self.sessions.get(text) {
            return Ok(id.clone());
        }
        let id = SessionId::new(text)?;
        if self.sessions.len() >= MAX_ENTRIES {
            self.sessions.clear();
        }
        self.sessions.insert(text.into(), id.clone());
        Ok(id)
    }

    #[expect(clippy::unused_self, reason = "fleets are few; the same door as the others")]
    pub(super) fn fleet(&mut self, text: &str) -> Result<FleetId, ProtocolError> {
        FleetId::new(text)
    }
}
