//! The edge: doors in, doors out, config, command line, live page.
//!
//! Start reading at [`app`], where everything is wired, sink first, source last.

pub mod app;
pub mod auth;
pub mod cli;
pub mod coach;
pub mod config;
pub mod console;
pub mod data_folder;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod http;
mod http_client;
pub mod ingest;
pub mod media;
mod percent;
pub mod pipelines;
pub mod rate;
pub mod records;
pub mod replay;
pub mod rl;
pub mod series;
pub mod soak;
mod socketio;
pub mod training;
pub mod voice;
pub mod ws;

pub use slipstream_journal as journal;
use slipstream_journal::whole_file;
use slipstream_relay::trust;
pub use slipstream_relay::{self as relay, tail, transfer};
