//! What the actors count. The gateway renders it for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(CachePadded<AtomicU64>);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes `n` away again (for gauges: things that are there now).
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything the actors count.
#[derive(Debug, Default)]
pub struct Stats {
    /// Samples applied by vehicle actors.
    pub samples: Counter,
    /// Publications made (each once, however many hear it).
    pub publications: Counter,
    /// Publications handed to outboxes (each once per subscriber).
    pub deliveries: Counter,
    /// Publications dropped because a `drop_oldest` subscriber was slow.
    pub dropped_slow: Counter,
    /// Publications skipped because a subscription asked for `latest` or `max_rate`.
    pub conflated: Counter,
    /// Connections closed because their reader was slow.
    pub slow_disconnects: Counter,
    /// Samples set aside because the handler panicked on them.
    pub poisoned: Counter,
    /// Times a full mailbox made a door wait.
    pub mailbox_full: Counter,
    /// Restarts of actors after a panic.
    pub restarts: Counter,
    /// Actors given up after too many restarts.
    pub given_up: Counter,
    /// Vehicle actors resident now.
    pub vehicles: Counter,
    /// Session rooms resident now.
    pub rooms: Counter,
    /// Vehicles passivated for idleness.
    pub passivated: Counter,
    /// Owners of channels that were forgotten, because nothing was published and nobody subscribed any more.
    pub owners_forgotten: Counter,
    /// Agents there are now.
    pub rl_agents: Counter,
    /// Steps that agents took.
    pub rl_steps: Counter,
    /// Episodes that came to their end.
    pub rl_episodes: Counter,
    /// Actions that a shield stopped.
    pub rl_shield_stopped: Counter,
    /// Steps in which a shadow would have acted otherwise.
    pub rl_shadow_differed: Counter,
    /// Policies swapped in.
    pub rl_swaps: Counter,
    /// Agents attached to a live vehicle now.
    pub rl_attached: Counter,
    /// Pieces of advice told to live vehicles.
    pub rl_advised: Counter,
    /// Samples an attached agent could not take, and advice its vehicle could not, because a mailbox was full.
    pub rl_advice_missed: Counter,
    /// Samples on which an attached agent gave no advice, because it is not known who is ahead, or where.
    pub rl_not_known: Counter,
    /// Commands that an agent refused.
    pub rl_refused: Counter,
    /// Messages given up because no actor took them.
    pub undelivered: Counter,
    /// Messages waiting in mailboxes now.
    pub mailbox_depth: Counter,
    /// Connections known now.
    pub connections: Counter,
}
