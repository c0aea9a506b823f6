//! Wiring: config in, a running server out.

mod clock;
mod counters;
mod services;

pub use clock::SystemClock;
pub use counters::{CodeLabel, Counters, RequestLabels};
pub use services::Services;
