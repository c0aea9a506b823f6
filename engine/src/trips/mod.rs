//! Trips and stops of a vehicle on the road, found while it drives.
//!
//! Everything is decided from the stream's beginning on and never revised: a trip that was told stays as it was
//! told. A report over any range of time selects from the trips that were found; it does not find other ones.

mod away;
mod detector;
mod fix;
#[cfg(test)]
mod strays;
#[cfg(test)]
mod tests;

pub use detector::{Ended, Stop, Trip, TripConfig, TripDetector, TripEvent};
