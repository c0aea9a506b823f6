//! Starting and draining the actor system.

use std::{sync::Arc, time::Duration};

use crate::{outbox::OutboxLimits, ports::Clock, router::Router};

/// How the actor system is laid out.
#[derive(Clone, Debug)]
pub struct SystemConfig {
    /// Threads that run actors; 0: one per core.
    pub arbiters: usize,
    /// Messages one mailbox holds.
    pub mailbox: usize,
    /// An idle vehicle leaves memory after this long.
    pub passivate_after: Duration,
    /// Restarts tolerated within `restart_window` before an actor is given up for that long.
    pub max_restarts: u32,
    /// See `max_restarts`.
    pub restart_window: Duration,
    /// First back-off after a panic; doubles up to 64 times.
    pub restart_backoff: Duration,
    /// Most publications a channel remembers.
    pub history_len: usize,
    /// How long a channel remembers.
    pub history_age: Duration,
    /// How often session rooms publish their numbers.
    pub metrics_every: Duration,
    /// Bounds of each connection's outbox.
    pub outbox: OutboxLimits,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            arbiters: 0,
            mailbox: 256,
            passivate_after: Duration::from_secs(900),
            max_restarts: 10,
            restart_window: Duration::from_secs(60),
            restart_backoff: Duration::from_millis(10),
            history_len: 1_024,
            history_age: Duration::from_secs(60),
            metrics_every: Duration::from_millis(500),
            outbox: OutboxLimits::default(),
        }
    }
}

/// The running actor system.
pub struct ActorSystem {}

impl ActorSystem {
    /// Starts the arbiters.
    pub fn start(_config: SystemConfig, _clock: Arc<dyn Clock>) -> Self {
        todo!()
    }

    /// The door into it.
    pub fn router(&self) -> Router {
        todo!()
    }

    /// Stops taking samples, lets mailboxes run empty (at most `deadline`), then stops the arbiters.
    pub async fn drain(self, _deadline: Duration) {
        todo!()
    }
}
