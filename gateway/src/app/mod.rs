//! Wiring: config in, a running server out.

mod clock;
mod counters;
mod heartbeat;
mod listen;
mod services;
mod snapshot;
mod start;

pub use clock::{CLOCK_OFFSET_FILE, SystemClock, follow_clock_offset};
pub use counters::{CodeLabel, Counters, RequestLabels};
pub use listen::ListenError;
pub use services::Services;
pub use start::{RunningServer, StartError, start};
