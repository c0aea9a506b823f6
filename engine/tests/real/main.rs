//! Engine against recorded data. Where the data is not there, each test says `skipped:`.

#![allow(clippy::unwrap_used, reason = "a test")]

mod data;
mod dirty;
mod distance;
mod football;
mod laps;
mod trips;
