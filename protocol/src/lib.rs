//! Bytes to values and back.
//!
//! Everything that crosses a wire is defined here and nowhere else: identifiers, samples, channel
//! names, what clients send ([`client`]), what the server sends ([`server`]), the two wire formats
//! ([`codec`]), error and close codes, and the REST envelope. The crate does no I/O, reads no
//! clock and knows no async: `now` is always an argument.

pub mod channel;
pub mod client;
pub mod close;
pub mod codec;
pub mod envelope;
pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod id;
pub mod limits;
mod name;
pub mod near;
pub mod sample;
pub mod server;
pub mod signal;
pub mod storable;
pub mod time;
pub mod token;
pub mod ws;

pub use channel::{Channel, ChannelKind, ChannelPattern, Target};
pub use close::CloseCode;
pub use codec::WireFormat;
pub use error::{ErrorCode, ProtocolError};
pub use id::{AgentId, FleetId, Id, PublisherId, SessionId, VehicleId};
pub use limits::{DEFAULT_CLOCK_SKEW, Limits};
pub use sample::{Sample, SampleBatch};
pub use signal::{Quality, Signal, SignalName, SignalValue};
pub use time::Timestamp;
