//! Who is there: every slot of every actor.

use std::{ops::Deref, sync::Arc};

use actix_rt::ArbiterHandle;
use dashmap::DashMap;
use slipstream_protocol::{AgentId, Channel, ChannelKind, Id, SessionId, Target, VehicleId};

use crate::{
    agent::{AgentSlot, NearbyVehicles, Watchers},
    ports::Clock,
    room::RoomSlot,
    shared_state::SharedState,
    subscription::Subscription,
    system_config::SystemConfig,
    topic::TopicSlot,
    vehicle::VehicleSlot,
};

/// Every slot of one system. Derefs to what all its actors share.
pub(crate) struct Registry {
    pub(crate) shared: Arc<SharedState>,
    pub(crate) vehicles: DashMap<VehicleId, Arc<VehicleSlot>>,
    pub(crate) rooms: DashMap<SessionId, Arc<RoomSlot>>,
    pub(crate) topics: DashMap<Channel, Arc<TopicSlot>>,
    pub(crate) agents: DashMap<AgentId, Arc<AgentSlot>>,
    pub(crate) watchers: Watchers,
    pub(crate) nearby: NearbyVehicles,
}

impl Deref for Registry {
    type Target = SharedState;

    fn deref(&self) -> &SharedState {
        &self.shared
    }
}

impl Registry {
    pub(crate) fn new(config: SystemConfig, clock: Arc<dyn Clock>, arbiters: Vec<ArbiterHandle>) -> Self {
        Self {
            shared: Arc::new(SharedState::new(config, clock, arbiters)),
            vehicles: DashMap::new(),
            rooms: DashMap::new(),
            topics: DashMap::new(),
            agents: DashMap::new(),
            watchers: Watchers::default(),
            nearby: NearbyVehicles::default(),
        }
    }

    /// The vehicle's slot; its actor is activated if none is resident.
    pub(crate) fn vehicle(self: &Arc<Self>, id: &VehicleId) -> Arc<VehicleSlot> {
        let slot = self.vehicle_slot(id);
        slot.activate(self);
        slot
    }

    /// The vehicle's slot, resident or not.
    pub(crate) fn vehicle_slot(&self, id: &VehicleId) -> Arc<VehicleSlot> {
        match self.vehicles.get(id) {
            Some(slot) => slot.clone(),
            None => self.vehicles.entry(id.clone()).or_insert_with(|| Arc::new(VehicleSlot::new(id.clone(), self.now()))).clone(),
        }
    }

    /// The session room's slot; its actor is activated if none is resident.
    pub(crate) fn room(self: &Arc<Self>, id: &SessionId) -> Arc<RoomSlot> {
        let slot = match self.rooms.get(id) {
            Some(slot) => slot.clone(),
            None => self.rooms.entry(id.clone()).or_insert_with(|| Arc::new(RoomSlot::new(id.clone()))).clone(),
        };
        slot.activate(self);
        slot
    }

    /// The slot of a channel that neither a vehicle nor a session owns.
    pub(crate) fn topic(self: &Arc<Self>, kind: ChannelKind, id: &Id) -> Arc<TopicSlot> {
        let channel = Channel { kind, target: Target::One(id.clone()) };
        let slot = match self.topics.get(&channel) {
            Some(slot) => slot.clone(),
            None => self.topics.entry(channel).or_insert_with(|| Arc::new(TopicSlot::new(kind, id.clone()))).clone(),
        };
        slot.activate(self);
        slot
    }

    /// The agent's slot; its actor is activated if none is resident.
    pub(crate) fn agent(self: &Arc<Self>, id: &AgentId) -> Arc<AgentSlot> {
        let slot = match self.agents.get(id) {
            Some(slot) => slot.clone(),
            None => self.agents.entry(id.clone()).or_insert_with(|| Arc::new(AgentSlot::new(id.clone()))).clone(),
        };
        slot.activate(self);
        slot
    }

    /// A connection is gone: its subscription leaves the list of whoever holds it.
    pub(crate) fn forget_subscription(&self, subscription: &Subscription) {
        let channel = subscription.channel();
        match &channel.target {
            Target::All => self.wildcards(channel.kind).remove(subscription.key()),
            // The owner drops inactive subscriptions when it next publishes or compacts; a hint saves the wait.
            Target::One(id) => match channel.kind {
                ChannelKind::Telemetry | ChannelKind::Video | ChannelKind::Ai | ChannelKind::Alerts => {
                    if let Some(slot) = self.vehicles.get(id.as_str()) {
                        slot.forget(channel.kind, subscription.key(), &self.stats);
                    }
                }
                ChannelKind::Session => {
                    if let Some(slot) = self.rooms.get(id.as_str()) {
                        slot.forget(subscription.key(), &self.stats);
                    }
                }
                ChannelKind::Rl => {
                    if let Some(slot) = self.agents.get(id.as_str()) {
                        slot.forget(subscription.key(), &self.stats);
                    }
                }
                ChannelKind::Cell | ChannelKind::Pipeline | ChannelKind::System => {
                    if let Some(slot) = self.topics.get(channel) {
                        slot.forget(subscription.key(), &self.stats);
                    }
                }
            },
        }
    }
}
