//! What an actor system leaves behind for the next one.
//!
//! Taken while draining, a snapshot carries the channels too: their epochs, offsets and histories, so
//! that subscribers ride through a restart. Taken while running it carries state alone; the channels
//! of a system that was killed begin a new epoch, because publications nobody had synced may have
//! been heard.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use slipstream_engine::{session::Session, vehicle::Vehicle};
use slipstream_protocol::{ChannelKind, Id, Sample, SessionId, Timestamp, VehicleId, server::Event};

/// The state of every vehicle and session room.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    pub(crate) vehicles: Vec<VehicleSnapshot>,
    pub(crate) rooms: Vec<RoomSnapshot>,
    pub(crate) topics: Vec<TopicSnapshot>,
}

impl Snapshot {
    /// Forgets the channels: what a system needs that follows one which did not drain.
    pub fn forget_channels(&mut self) {
        for vehicle in &mut self.vehicles {
            vehicle.channels.clear();
        }
        for room in &mut self.rooms {
            room.channel = None;
        }
        self.topics.clear();
    }

    /// How many vehicles it holds.
    pub const fn vehicles(&self) -> usize {
        self.vehicles.len()
    }

    /// The newest receive time of each vehicle: what was received later is not in the snapshot.
    pub fn received(&self) -> impl Iterator<Item = (&VehicleId, Timestamp)> {
        self.vehicles.iter().map(|v| (&v.id, v.state.twin().received_at))
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VehicleSnapshot {
    pub(crate) id: VehicleId,
    pub(crate) state: Vehicle,
    pub(crate) channels: Vec<ChannelSnapshot>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RoomSnapshot {
    pub(crate) id: SessionId,
    pub(crate) state: Session,
    pub(crate) channel: Option<ChannelSnapshot>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TopicSnapshot {
    pub(crate) id: Id,
    pub(crate) channel: ChannelSnapshot,
}

/// A channel's life so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ChannelSnapshot {
    pub(crate) kind: ChannelKind,
    pub(crate) epoch: u64,
    pub(crate) offset: u64,
    pub(crate) history: Vec<Remembered>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) first: u64,
    pub(crate) at: Timestamp,
    pub(crate) content: RememberedContent,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum RememberedContent {
    Samples(Arc<Vec<Sample>>),
    Event(Arc<Event>),
}
