//! State and supervision: who owns what, who hears what, who restarts whom.
//!
//! Each vehicle and each session room is an actor with a bounded mailbox under our own supervision.
//! The actor owns its channels: it encodes a publication once per wire format and hands the same
//! bytes to every subscriber's [`outbox::Outbox`]. Doors talk to the system through [`Router`].

mod agent;
mod backlog;
mod channel;
mod delivery;
mod handle;
#[cfg(test)]
mod harness;
pub mod health;
pub mod outbox;
mod registry;
mod residency;
mod room;
pub mod router;
mod shared_state;
pub mod snapshot;
pub mod stats;
mod subscription;
mod supervision;
mod sweep;
mod sync;
pub mod system;
mod system_config;
mod topic;
mod vehicle;
pub mod views;

pub use agent::{AgentCommand, AgentObserver, AgentView, CommandError, ShieldView};
pub use channel::{ChannelHistory, HistoryBound, HistoryBounds};
pub use outbox::{Drained, Outbox, OutboxLimits};
pub use router::{Router, Sequence, Subscriber};
pub use slipstream_ports as ports;
pub use snapshot::{Snapshot, SnapshotOfVersion4};
pub use system::ActorSystem;
pub use system_config::{Probe, SystemConfig};
