//! Laps: when they were driven, how long they took, and what the car did along them.
//!
//! A lap begins where the source's lap counter goes up by one, in the order of source time. Late
//! and repeated samples never create a lap.

mod book;
mod recorder;
mod timer;
mod tracker;

pub use book::{LapBook, LapTrace, MAX_LAPS, TracePoint};
pub use recorder::{FIRST_STEP_M, MAX_POINTS};
pub use timer::{MIN_LAP_S, TIMING_GAP_S};
pub use tracker::LapTracker;
