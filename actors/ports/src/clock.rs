//! The only source of `now`.

use slipstream_protocol::Timestamp;

/// Tells the time. Tests inject one they move by hand.
pub trait Clock: Send + Sync + 'static {
    /// The current moment.
    fn now(&self) -> Timestamp;
}
