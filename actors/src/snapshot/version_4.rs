//! Snapshots of version 4, the last one of servers that followed one session per vehicle.
//!
//! Vehicles and session rooms were saved in another form; topics, agents and channels are as they are now.

use std::collections::HashMap;

use serde::Deserialize;
use slipstream_engine::{session::SessionOfVersion4, vehicle::VehicleOfVersion4};
use slipstream_protocol::{SessionId, VehicleId};

use super::{AgentSnapshot, ChannelSnapshot, RoomSnapshot, Snapshot, TopicSnapshot, VehicleSnapshot};

/// A [`Snapshot`] in the form of version 4; [`From`] gives it the form of today.
#[derive(Deserialize)]
pub struct SnapshotOfVersion4 {
    vehicles: Vec<VehicleRow>,
    rooms: Vec<RoomRow>,
    topics: Vec<TopicSnapshot>,
    agents: Vec<AgentSnapshot>,
}

#[derive(Deserialize)]
struct VehicleRow {
    id: VehicleId,
    state: VehicleOfVersion4,
    channels: Vec<ChannelSnapshot>,
}

#[derive(Deserialize)]
struct RoomRow {
    id: SessionId,
    state: SessionOfVersion4,
    channel: Option<ChannelSnapshot>,
    through: HashMap<VehicleId, u64>,
}

impl From<SnapshotOfVersion4> for Snapshot {
    fn from(old: SnapshotOfVersion4) -> Self {
        let vehicle = |row: VehicleRow| VehicleSnapshot { id: row.id, state: row.state.into(), channels: row.channels };
        let room = |row: RoomRow| RoomSnapshot { id: row.id, state: row.state.into(), channel: row.channel, through: row.through };
        Self {
            vehicles: old.vehicles.into_iter().map(vehicle).collect(),
            rooms: old.rooms.into_iter().map(room).collect(),
            topics: old.topics,
            agents: old.agents,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by a drained server of that version: two vehicles with 150 samples each, one of them two whole laps and a
    /// started one into the session `quali`, and an agent one step into an episode.
    const WRITTEN: &[u8] = include_bytes!("../../testdata/snapshot-version-4.postcard");

    #[test]
    fn vehicles_sessions_agents_and_channels_come_over_whole() {
        let old: SnapshotOfVersion4 = postcard::from_bytes(WRITTEN).unwrap();
        let snapshot = Snapshot::from(old);
        let mut ids: Vec<_> = snapshot.vehicles.iter().map(|v| (v.id.as_str(), v.state.twin().samples)).collect();
        ids.sort_unstable();
        assert_eq!(ids, [("car-1", 150), ("car-2", 150)]);
        assert_eq!((snapshot.offset_of("car-1"), snapshot.offset_of("car-2")), (150, 150));
        let laps = snapshot.vehicles.iter().find_map(|v| v.state.laps()).unwrap();
        assert_eq!(laps.laps().map(|lap| lap.lap).collect::<Vec<_>>(), [1, 2]);
        let metrics = snapshot.rooms[0].state.metrics();
        assert_eq!((snapshot.rooms[0].id.as_str(), metrics.samples, metrics.vehicles), ("quali", 150, 1));
        // 150 speeds of 50 m/s, half a second apart.
        assert!((metrics.distance_m - 149.0 * 25.0).abs() < 1e-6, "{}", metrics.distance_m);
        let agent = &snapshot.agents[0];
        assert!(agent.id.as_str() == "bus" && agent.state.is_some());
        // What is saved next is of today's version, and reads back.
        let again: Snapshot = postcard::from_bytes(&postcard::to_stdvec(&snapshot).unwrap()).unwrap();
        assert_eq!(again.rooms[0].state.metrics(), metrics);
    }
}
