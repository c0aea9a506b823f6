//! The gateway's one clock.

use std::time::{SystemTime, UNIX_EPOCH};

use slipstream_actors::ports::Clock;
use slipstream_protocol::Timestamp;

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(since.as_micros() as i64)
    }
}
