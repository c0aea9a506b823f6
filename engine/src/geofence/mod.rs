//! Geofences: polygons, circles and corridors, and who is in them.

mod presence;
mod set;
mod shape;

pub use presence::{FenceEvent, FenceRule, Presence};
pub use set::{Fence, FenceError, FenceSet};
pub use shape::{Anchor, Shape};
