//! What restarted and why.

use slipstream_protocol::{Sample, Timestamp};

/// One restart, or one giving up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// When.
    pub at: Timestamp,
    /// Which actor: `vehicle:ALB`, `session:q1`.
    pub actor: String,
    /// Its generation after the restart.
    pub generation: u64,
    /// What the panic said.
    pub reason: String,
    /// Whether supervision gave the actor up.
    pub given_up: bool,
}

/// The actor system's health.
#[derive(Clone, Debug, Default)]
pub struct HealthReport {
    /// The newest incidents, newest first, at most 64.
    pub incidents: Vec<Incident>,
    /// Vehicle actors resident now.
    pub vehicles: u64,
    /// Session rooms resident now.
    pub rooms: u64,
    /// Restarts since the start.
    pub restarts: u64,
    /// Samples set aside since the start.
    pub poisoned: u64,
    /// Actors given up since the start; the system is degraded when this is not 0.
    pub given_up: u64,
}

/// A sample that made its vehicle's handler panic.
#[derive(Clone, Debug)]
pub struct PoisonedSample {
    /// When.
    pub at: Timestamp,
    /// The sample, set aside.
    pub sample: Sample,
}
