//! What doors and handlers work with.

use std::sync::Arc;

use slipstream_actors::{
    Router,
    ports::{Clock, Journal, Records, SeriesStore},
};
use slipstream_protocol::Timestamp;

use super::Counters;
use crate::{auth::Auth, config::Config};

/// Everything a door or a handler may use. Built once by [`super::start`], shared by all.
pub struct Services {
    /// The resolved configuration.
    pub config: Config,
    /// The only source of `now`.
    pub clock: Arc<dyn Clock>,
    /// Signs and checks tokens.
    pub auth: Auth,
    /// The door into the actors.
    pub router: Router,
    /// The durable journal.
    pub journal: Arc<dyn Journal>,
    /// The time-series store that answers reads.
    pub series: Arc<dyn SeriesStore>,
    /// The relational store.
    pub records: Arc<dyn Records>,
    /// What the doors count.
    pub counters: Counters,
    /// When the server started.
    pub started_at: Timestamp,
}
