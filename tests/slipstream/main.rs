//! Tests that cross crates, one module per subject.

mod records;
mod series;
