//! What an actor system leaves behind for the next one.
//!
//! Taken while draining, a snapshot carries the channels whole: their epochs, offsets and histories, so
//! that subscribers ride through a restart. Taken while running it leaves out the histories that the
//! journal can tell. After a crash every channel begins a new epoch, because publications nobody had
//! synced may have been heard; telemetry channels remember through which offset the one before holds.

mod version_4;

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use slipstream_engine::{
    rl::{agent::AgentState, live::Attachment},
    session::Session,
    vehicle::Vehicle,
};
use slipstream_protocol::{AgentId, ChannelKind, Id, Sample, SessionId, Timestamp, VehicleId, server::Event};

pub use version_4::SnapshotOfVersion4;

/// The state of every vehicle and session room.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    pub(crate) vehicles: Vec<VehicleSnapshot>,
    pub(crate) rooms: Vec<RoomSnapshot>,
    pub(crate) topics: Vec<TopicSnapshot>,
    pub(crate) agents: Vec<AgentSnapshot>,
}

impl Snapshot {
    /// Leaves out what the journal can tell: the histories of telemetry and session channels.
    pub fn leave_to_the_journal(&mut self) {
        for channel in self.vehicles.iter_mut().flat_map(|v| &mut v.channels).filter(|c| c.kind == ChannelKind::Telemetry) {
            channel.history.clear();
        }
        for channel in self.rooms.iter_mut().filter_map(|r| r.channel.as_mut()) {
            channel.history.clear();
        }
    }

    /// Begins a new epoch on every channel that the journal cannot bring to where a system which did not
    /// drain left it. What the snapshot remembers of them stays, as what is available.
    pub fn begin_epochs(&mut self, now: Timestamp) {
        for channel in self.vehicles.iter_mut().flat_map(|v| &mut v.channels).filter(|c| c.kind != ChannelKind::Telemetry) {
            channel.renew(now);
        }
        for channel in self.rooms.iter_mut().filter_map(|r| r.channel.as_mut()) {
            channel.renew(now);
        }
        for topic in &mut self.topics {
            topic.channel.renew(now);
        }
        for agent in &mut self.agents {
            agent.channel.renew(now);
        }
    }

    /// Offset of a vehicle's newest telemetry publication; 0 where it is not known.
    #[cfg(test)]
    pub(crate) fn offset_of(&self, vehicle: &str) -> u64 {
        let channels = self.vehicles.iter().filter(|v| v.id.as_str() == vehicle).flat_map(|v| &v.channels);
        channels.filter(|c| c.kind == ChannelKind::Telemetry).map(|c| c.offset).max().unwrap_or(0)
    }

    /// Counts numbers that were given to samples and never published: what follows a drain must not give
    /// them again.
    pub(crate) fn skip_unpublished(&mut self, numbered: impl Fn(&VehicleId) -> Option<u64>) {
        for vehicle in &mut self.vehicles {
            let Some(last) = numbered(&vehicle.id) else { continue };
            for channel in vehicle.channels.iter_mut().filter(|c| c.kind == ChannelKind::Telemetry && c.offset < last) {
                channel.offset = last;
                channel.history.clear();
            }
        }
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
    /// Offset of the newest sample taken of each member.
    pub(crate) through: HashMap<VehicleId, u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TopicSnapshot {
    pub(crate) id: Id,
    pub(crate) channel: ChannelSnapshot,
}

/// An agent with its channel.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AgentSnapshot {
    pub(crate) id: AgentId,
    /// Absent: the channel has no agent behind it.
    pub(crate) state: Option<AgentState>,
    /// It played by itself, one step every so long.
    pub(crate) play_every: Option<Duration>,
    /// The live vehicle it advised.
    pub(crate) attached: Option<Attachment>,
    pub(crate) channel: ChannelSnapshot,
}

/// A channel's life so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ChannelSnapshot {
    pub(crate) kind: ChannelKind,
    pub(crate) epoch: u64,
    pub(crate) offset: u64,
    /// Earlier epochs whose numbers this one goes on with.
    pub(crate) forks: Vec<Fork>,
    pub(crate) history: Vec<Remembered>,
}

impl ChannelSnapshot {
    /// Begins a new epoch that has nothing to do with the one before.
    fn renew(&mut self, now: Timestamp) {
        self.epoch = later_epoch(self.epoch, now);
        self.forks.clear();
    }

    /// Begins a new epoch that goes on where this one is now.
    pub(crate) fn fork(&mut self, now: Timestamp) {
        if self.history.last().is_some_and(|r| r.last() != self.offset) {
            self.history.clear();
        }
        fork(&mut self.forks, self.epoch, self.offset);
        self.epoch = later_epoch(self.epoch, now);
    }
}

/// An epoch that a crash ended: its publications up to `through` are those of the epoch that followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fork {
    pub(crate) epoch: u64,
    pub(crate) through: u64,
}

/// Ended epochs remembered; a subscriber older than so many crashes starts anew.
const MOST_FORKS: usize = 8;

/// Notes that `epoch` ended at `through`.
pub(crate) fn fork(forks: &mut Vec<Fork>, epoch: u64, through: u64) {
    if forks.len() == MOST_FORKS {
        forks.remove(0);
    }
    forks.push(Fork { epoch, through });
}

/// The epoch after `epoch`, whatever the clock says.
pub(crate) fn later_epoch(epoch: u64, now: Timestamp) -> u64 {
    now.micros().unsigned_abs().max(epoch + 1)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) first: u64,
    pub(crate) at: Timestamp,
    pub(crate) content: RememberedContent,
}

impl Remembered {
    /// Offset of the newest publication in it.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.content.len() as u64 - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum RememberedContent {
    Samples(Arc<Vec<Sample>>),
    Event(Arc<Event>),
}
