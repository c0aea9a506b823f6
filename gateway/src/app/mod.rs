//! Wiring: config in, a running server out.

mod clock;
mod counters;
mod descriptors;
mod heartbeat;
mod listen;
mod private;
mod services;
mod snapshot;
mod start;

pub use clock::{CLOCK_OFFSET_FILE, SystemClock, follow_clock_offset};
pub use counters::{CodeLabel, Counters, RequestLabels, TaskLabel};
pub use descriptors::raise_descriptor_limit;
pub use listen::ListenError;
pub(crate) use private::{make_private, restore_mask};
pub use services::Services;
pub use start::{RunningServer, StartError, start};
