//! How far and how fast something went: distance and speed of players and vehicles.
//!
//! What a position after a jump is worth is decided in [`JumpFilter`]; noise is smoothed in [`Smoother`].

mod jump;
mod kpi;
mod smooth;
mod tracker;

pub use jump::{JumpFilter, Reach, Verdict};
pub use kpi::{MotionKpis, OverThreshold};
pub use smooth::Smoother;
pub use tracker::{MotionConfig, MotionStep, MotionTracker, SpeedSource};
