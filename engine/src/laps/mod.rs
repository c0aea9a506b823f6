//! Laps: when they were driven, how long they took, and what the car did along them.
//!
//! Where the source counts laps, a lap begins where its counter goes up by one, in the order of source
//! time ([`LapTracker`]). Where it does not, laps are found from positions and a start line, or from the
//! lap distance ([`CourseTracker`]). Late and repeated samples never create a lap.

mod book;
mod course;
mod crossings;
mod delta;
mod gate;
mod marks;
mod project;
mod recorder;
mod splits;
mod stint;
mod timer;
mod tracker;

pub(crate) use book::LapBookOfVersion4;
pub use book::{LapBook, LapTrace, MAX_LAPS, TracePoint};
pub use course::{Course, CourseOutput, CourseTracker};
pub use crossings::Crossing;
pub use delta::{MiniSector, Progress};
pub use gate::{Gate, Place};
pub use project::OnLap;
pub use recorder::{FIRST_STEP_M, MAX_POINTS};
pub use splits::{SectorTime, Split};
pub use stint::Stint;
pub use timer::{MIN_LAP_S, TIMING_GAP_S};
pub use tracker::LapTracker;
