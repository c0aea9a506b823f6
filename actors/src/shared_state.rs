//! What all actors of one system share, whoever they are: settings, the clock, counters, bounds, wildcard subscribers, and what
//! went wrong. It knows no owner of a channel.

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
use slipstream_protocol::{ChannelKind, Timestamp};

use crate::{
    backlog::Backlog,
    channel::{HistoryBudget, Wildcards},
    health::{Incident, PoisonedSample},
    outbox::Outbox,
    ports::Clock,
    stats::Stats,
    system_config::SystemConfig,
};

/// Incidents and poisoned samples remembered for people.
const REMEMBERED: usize = 64;

/// Shared by all actors and doors of one system.
pub(crate) struct SharedState {
    pub(crate) config: SystemConfig,
    pub(crate) stats: Arc<Stats>,
    pub(crate) backlog: Backlog,
    pub(crate) histories: Arc<HistoryBudget>,
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

impl SharedState {
    pub(crate) fn new(config: SystemConfig, clock: Arc<dyn Clock>, arbiters: Vec<ArbiterHandle>) -> Self {
        Self {
            backlog: Backlog::new(config.backlog_bytes),
            histories: Arc::new(HistoryBudget::new(config.history_bytes)),
            config,
            stats: Arc::default(),
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

    pub(crate) fn disconnected(&self, connection: u64) {
        self.outboxes.remove(&connection);
        self.stats.connections.sub(1);
    }
}

fn remember<T>(list: &mut VecDeque<T>, entry: T) {
    list.push_front(entry);
    list.truncate(REMEMBERED);
}
