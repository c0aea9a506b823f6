//! How the actor system is laid out.

use std::{fmt, sync::Arc, time::Duration};

use slipstream_protocol::{AgentId, DEFAULT_CLOCK_SKEW, Sample};

use crate::{AgentObserver, channel::HistoryBounds, outbox::OutboxLimits};

/// Looks at each sample just before it is applied. Tests use it to make a handler panic.
pub trait Probe: Send + Sync + 'static {
    /// Called on the vehicle's own thread.
    fn inspect(&self, sample: &Sample);

    /// Called on the agent's own thread before each step, with how many it took so far.
    fn inspect_step(&self, _agent: &AgentId, _steps: u64) {}
}

/// How the actor system is laid out.
#[derive(Clone)]
pub struct SystemConfig {
    /// Threads that run actors; 0: one per core.
    pub arbiters: usize,
    /// Messages one mailbox holds.
    pub mailbox: usize,
    /// Bytes of samples, roughly, that may wait to be applied for all vehicles together.
    pub backlog_bytes: usize,
    /// An idle vehicle gives memory back after this long.
    pub compact_after: Duration,
    /// An idle vehicle leaves memory after this long.
    pub passivate_after: Duration,
    /// Restarts tolerated within `restart_window` before an actor cools down for that long.
    pub max_restarts: u32,
    /// See `max_restarts`.
    pub restart_window: Duration,
    /// First back-off after a panic; doubles up to 64 times.
    pub restart_backoff: Duration,
    /// How much each kind of channel remembers.
    pub history: HistoryBounds,
    /// Bytes, roughly, that all channels together may remember.
    pub history_bytes: usize,
    /// How far a sample's source time may lead its arrival before it decides nothing.
    pub clock_skew: Duration,
    /// How often session rooms publish their numbers.
    pub metrics_every: Duration,
    /// Most subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Bounds of each connection's outbox.
    pub outbox: OutboxLimits,
    /// Most agents at once.
    pub max_agents: usize,
    /// Who wants to know of every change of every agent.
    pub agents: Option<Arc<dyn AgentObserver>>,
    /// Fault injection for tests.
    pub probe: Option<Arc<dyn Probe>>,
}

impl fmt::Debug for SystemConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemConfig").field("arbiters", &self.arbiters).field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            arbiters: 0,
            mailbox: 256,
            backlog_bytes: 64 << 20,
            compact_after: Duration::from_secs(5),
            passivate_after: Duration::from_secs(900),
            max_restarts: 10,
            restart_window: Duration::from_secs(60),
            restart_backoff: Duration::from_millis(10),
            history: HistoryBounds::default(),
            history_bytes: 256 << 20,
            clock_skew: DEFAULT_CLOCK_SKEW,
            metrics_every: Duration::from_millis(500),
            max_subscriptions: 4_096,
            outbox: OutboxLimits::default(),
            max_agents: 1_024,
            agents: None,
            probe: None,
        }
    }
}
