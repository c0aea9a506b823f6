//! The relay agent: sources, pacing, batching, acknowledgements, reconnects.
//!
//! A sample's way: [`source`] reads it on a thread of its own, [`pace`] says when it is due,
//! [`batch`] groups it, the agent ([`run`]) numbers it and keeps it in the [`window`] until the
//! server has acknowledged it, [`link`] carries it. With a [`spool`] it is on the disk before it is sent. [`report`] tells what became of all of them.

mod agent;
pub mod backoff;
pub mod batch;
pub mod connect;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod latency;
pub mod link;
pub mod options;
pub mod pace;
pub mod phrase;
pub mod report;
mod run;
pub mod source;
pub mod spool;
pub mod tail;
pub mod transfer;
pub mod trust;
pub mod window;

pub use connect::{ConnectError, Endpoint};
pub use options::RelayOptions;
pub use pace::Pace;
pub use report::{Outcome, Report, SpoolReport};
pub use run::{run, run_spooled};
pub use source::Source;
pub use spool::{Spool, SpoolError, SpoolOptions};
