//! Who is there: every slot of every actor, and what they share.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use actix_rt::ArbiterHandle;
use dashmap::DashMap;
use parking_lot::Mutex;
use slipstream_protocol::{AgentId, Channel, ChannelKind, Id, SessionId, Target, Timestamp, VehicleId};

use crate::{
    agent::{AgentSlot, NearbyVehicles, Watchers},
    backlog::Backlog,
    channel::{HistoryBudget, Wildcards},
    health::{Incident, PoisonedSample},
    outbox::Outbox,
    ports::Clock,
    room::RoomSlot,
    stats::Stats,
    subscription::Subscription,
    supervision::RestartPolicy,
    system::SystemConfig,
    topic::TopicSlot,
    vehicle::VehicleSlot,
};

/// Incidents and poisoned samples remembered for people.
const REMEMBERED: usize = 64;

/// Shared by all actors and doors of one system.
pub(crate) struct Registry {
    pub(crate) config: SystemConfig,
    pub(crate) stats: Arc<Stats>,
    pub(crate) backlog: Backlog,
    pub(crate) histories: Arc<HistoryBudget>,
    pub(crate) vehicles: DashMap<VehicleId, Arc<VehicleSlot>>,
    pub(crate) rooms: DashMap<SessionId, Arc<RoomSlot>>,
    pub(crate) topics: DashMap<Channel, Arc<TopicSlot>>,
    pub(crate) agents: DashMap<AgentId, Arc<AgentSlot>>,
    pub(crate) watchers: Watchers,
    pub(crate) nearby: NearbyVehicles,
    pub(crate) outboxes: DashMap<u64, Weak<Outbox>>,
    clock: Arc<dyn Clock>,
    wildcards: [Wildcards; ChannelKind::ALL.len()],
    arbiters: Vec<ArbiterHandle>,
    hasher: RandomState,
    incidents: Mutex<VecDeque<Incident>>,
    poisoned: Mutex<VecDeque<PoisonedSample>>,
    draining: AtomicBool,
    next_key: AtomicU64,
}

impl Registry {
    pub(crate) fn new(config: SystemConfig, clock: Arc<dyn Clock>, arbiters: Vec<ArbiterHandle>) -> Self {
        Self {
            backlog: Backlog::new(config.backlog_bytes),
            histories: Arc::new(HistoryBudget::new(config.history_bytes)),
            config,
            stats: Arc::default(),
            vehicles: DashMap::new(),
            rooms: DashMap::new(),
            topics: DashMap::new(),
            agents: DashMap::new(),
            watchers: Watchers::default(),
            nearby: NearbyVehicles::default(),
            outboxes: DashMap::new(),
            clock,
            wildcards: std::array::from_fn(|_| Wildcards::default()),
            arbiters,
            hasher: RandomState::new(),
            incidents: Mutex::default(),
            poisoned: Mutex::default(),
            draining: AtomicBool::new(false),
            next_key: AtomicU64::new(1),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) const fn wildcards(&self, kind: ChannelKind) -> &Wildcards {
        &self.wildcards[kind as usize]
    }

    /// The arbiter that runs everything of `id`.
    pub(crate) fn arbiter(&self, id: &str) -> &ArbiterHandle {
        &self.arbiters[self.hasher.hash_one(id) as usize % self.arbiters.len()]
    }

    pub(crate) const fn restart_policy(&self) -> RestartPolicy {
        RestartPolicy { max_restarts: self.config.max_restarts, window: self.config.restart_window, backoff: self.config.restart_backoff }
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

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn note_incident(&self, incident: Incident) {
        self.stats.restarts.add(1);
        if incident.given_up {
            self.stats.given_up.add(1);
        }
        tracing::error!(actor = %incident.actor, generation = incident.generation, reason = %incident.reason, cooling = incident.given_up, "an actor panicked and is restarted");
        remember(&mut self.incidents.lock(), incident);
    }

    pub(crate) fn note_poisoned(&self, sample: PoisonedSample) {
        self.stats.poisoned.add(1);
        tracing::error!(vehicle = %sample.sample.vehicle, seq = ?sample.sample.seq, source_time = %sample.sample.source_time, "a sample is set aside: the handler panicked on it");
        remember(&mut self.poisoned.lock(), sample);
    }

    pub(crate) fn incidents(&self) -> Vec<Incident> {
        self.incidents.lock().iter().cloned().collect()
    }

    pub(crate) fn poisoned(&self) -> Vec<PoisonedSample> {
        self.poisoned.lock().iter().cloned().collect()
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

    pub(crate) fn disconnected(&self, connection: u64) {
        self.outboxes.remove(&connection);
        self.stats.connections.sub(1);
    }
}

fn remember<T>(list: &mut VecDeque<T>, entry: T) {
    list.push_front(entry);
    list.truncate(REMEMBERED);
}
