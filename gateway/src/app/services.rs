//! What doors and handlers work with.

use std::sync::Arc;

use slipstream_actors::{
    Router,
    ports::{Clock, Records, SeriesStore},
};
use slipstream_protocol::Timestamp;

use super::Counters;
use crate::{
    auth::{Auth, Revocations, setup::Setup},
    coach::Coaching,
    config::Config,
    http::{Bodies, OpenConnections, PerAddress, RefusedOrigins},
    ingest::{DecoderPool, Intake, Ledger},
    journal::EmbeddedJournal,
    media::FrameStore,
    pipelines::Pipelines,
    rate::RateLimits,
    replay::{Replays, WhatIfs},
    rl::{Bus, evaluations::Evaluations, training::Trainings},
    series::writer::SeriesWriter,
    socketio::Joining,
    voice::Voice,
    ws::Connections,
};

/// Everything a door or a handler may use. Built once by [`super::start`], shared by all.
pub struct Services {
    /// The resolved configuration.
    pub config: Config,
    /// The only source of `now`.
    pub clock: Arc<dyn Clock>,
    /// Signs and checks tokens.
    pub auth: Auth,
    /// Tokens and keys taken back, and the connections that are open with one.
    pub revocations: Arc<Revocations>,
    /// The one-time code that makes the first admin.
    pub setup: Setup,
    /// Pages of other origins that were refused.
    pub refused_origins: RefusedOrigins,
    /// The door into the actors.
    pub router: Router,
    /// The durable journal.
    pub journal: Arc<EmbeddedJournal>,
    /// The time-series store that answers reads.
    pub series: Arc<dyn SeriesStore>,
    /// What feeds each configured time-series store from the journal.
    pub writers: Vec<SeriesWriter>,
    /// Declared pipelines.
    pub pipelines: Pipelines,
    /// The relational store.
    pub records: Arc<dyn Records>,
    /// Video frames.
    pub frames: FrameStore,
    /// AI feedback.
    pub coaching: Coaching,
    /// The bus that Socket.IO clients drive, and its models.
    pub bus: Bus,
    /// Policies compared.
    pub evaluations: Evaluations,
    /// Policies being learnt beside live agents.
    pub trainings: Trainings,
    /// Speech.
    pub voice: Voice,
    /// Who sent what already.
    pub ledger: Arc<Ledger>,
    /// The way from the doors to journal and actors.
    pub intake: Arc<Intake>,
    /// How much one token and one address may ask for.
    pub rates: RateLimits,
    /// The memory that the bodies of requests under way hold.
    pub(crate) bodies: Bodies,
    /// The TCP connections.
    pub(crate) tcp: Arc<OpenConnections>,
    /// Connections of clients behind a proxy, by the address it forwards.
    pub(crate) forwarded: Arc<PerAddress>,
    /// Socket.IO sessions that have not joined the namespace yet.
    pub(crate) joining: Joining,
    /// Decoders to borrow.
    pub decoders: DecoderPool,
    /// Recordings played again.
    pub replays: Replays,
    /// Pipelines over recordings.
    pub what_ifs: WhatIfs,
    /// The WebSocket connections.
    pub connections: Connections,
    /// What the doors count.
    pub counters: Counters,
    /// When the server started.
    pub started_at: Timestamp,
}
