//! Tests that cross crates, one module per subject.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod alarms;
mod architecture;
mod bad_input;
mod browser;
mod cli;
mod cutting_proxy;
mod data_folder;
mod delivery;
mod grafana;
mod http;
mod journal;
mod laps;
mod names;
mod overload;
mod pipeline_links;
mod pipelines;
mod pipelines_page;
mod pitbox;
mod process;
mod raw_socket;
mod readme;
mod records;
mod records_network;
mod recovery;
mod relay;
mod relay_disk;
mod relay_spool;
mod replay;
mod restart;
mod rl_agents;
mod rl_bad_input;
mod rl_clients;
mod rl_live;
mod rl_page;
mod rl_training;
mod road;
mod series;
mod sinks;
mod soak;
mod tls;
mod transfer;
mod websocket;
