//! Tests that cross crates, one module per subject.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod browser;
mod laps;
mod records;
mod series;
