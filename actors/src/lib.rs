//! State and supervision: who owns what, who hears what, who restarts whom.
//!
//! Each vehicle and each session room is an actor with a bounded mailbox under our own supervision.
//! The actor owns its channels: it encodes a publication once per wire format and hands the same
//! bytes to every subscriber's [`outbox::Outbox`]. Doors talk to the system through [`Router`].

pub mod health;
pub mod outbox;
pub mod ports;
pub mod router;
pub mod stats;
pub mod system;
pub mod views;

pub use outbox::{Outbox, OutboxLimits};
pub use router::{Router, Subscriber};
pub use system::{ActorSystem, SystemConfig};
