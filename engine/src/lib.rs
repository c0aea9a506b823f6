//! Values to values, pure and deterministic.
//!
//! What a vehicle's samples mean: its twin, its laps, a session's numbers, the coach's advice, and
//! the simulator that drives cars. No async, no threads, no locks, no clock, no unseeded
//! randomness: `now` and seeds are arguments, so a replayed stream gives the same answers twice.

pub mod alarms;
pub mod angle;
pub mod anomaly;
pub mod coach;
pub mod exact;
pub mod geo;
pub mod geofence;
pub mod laps;
pub mod motion;
pub mod newest;
pub mod pipeline;
pub mod rl;
pub mod session;
pub mod signals;
pub mod simulator;
pub mod trips;
pub mod twin;
pub mod vehicle;
