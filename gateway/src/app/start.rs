//! Wiring, sink first, source last; and the same way back on shutdown, source first.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use slipstream_actors::{
    ActorSystem, Router, SystemConfig,
    ports::{Clock, JournalError, RecordsError, SeriesError, SeriesStore},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Counters, Services, SystemClock, descriptors, heartbeat,
    listen::{ListenError, Reserved},
    private::make_private,
    snapshot::{self, SnapshotFile},
};
use crate::{
    auth::{self, Auth, AuthError},
    coach::Coaching,
    config::{Config, Secret},
    data_folder::{self, DataFolderError},
    http::{self, Bodies, Listening, OpenConnections, PerAddress},
    ingest::{DecoderPool, Intake, Ledger},
    journal::{EmbeddedJournal, JournalConfig},
    media::FrameStore,
    pipelines::{self, DeclaredPipelines, PipelineParts},
    rate::{self, RateLimits},
    records,
    replay::{Replays, WhatIfs},
    rl::{
        Bus, Changes, Models,
        evaluations::Evaluations,
        training::{TrainingParts, Trainings},
    },
    series::{
        self, SeriesConfig,
        writer::{SeriesWriter, SeriesWriterConfig},
    },
    socketio::Joining,
    voice::Voice,
    ws::Connections,
};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `DATA_DIR` cannot be made.
    #[error("the data directory {path} cannot be made: {source}; set DATA_DIR to a writable place")]
    DataDir {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// `DATA_DIR` is of another version, or cannot be made ready for this one.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// Tokens cannot be signed.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The relational store cannot be opened.
    #[error("records: {0}; see DATABASE_URL")]
    Records(#[from] RecordsError),
    /// The time-series store cannot be opened.
    #[error("time series: {0}")]
    Series(#[from] SeriesError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The port cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl StartError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Records(error) => error.is_retryable(),
            Self::Series(error) => error.is_retryable(),
            Self::Journal(error) => error.is_retryable(),
            Self::DataFolder(error) => error.is_retryable(),
            Self::DataDir { .. } | Self::Auth(_) | Self::Listen(_) => false,
        }
    }
}

/// Least time for the last sync of the journal and of each store, however late the drain is.
const LAST_SYNC: Duration = Duration::from_secs(2);

/// A running server. Dropping it without [`RunningServer::shutdown`] leaves nothing flushed but what
/// was acknowledged.
pub struct RunningServer {
    /// Where it listens; tells the port where 0 was asked for.
    pub addr: SocketAddr,
    services: Arc<Services>,
    listening: Listening,
    system: ActorSystem,
    snapshots: SnapshotFile,
    saving: JoinHandle<()>,
    heart: CancellationToken,
}

/// Starts everything `config` asks for, in this process.
///
/// # Panics
///
/// Never: there always is a series store, the embedded one where no other is configured.
pub async fn start(config: Config) -> Result<RunningServer, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let started_at = clock.now();
    // Before anything is opened: what a newer version wrote stays as it is.
    data_folder::check_writable(&config.data_dir)?;
    data_folder::check(&config.data_dir)?;
    records::check(config.database_url.as_ref().map(Secret::expose), &config.data_dir).await?;
    // Taken before anything is made: a server that cannot have it leaves nothing behind.
    let addr = SocketAddr::new(config.bind, config.port);
    let address = Reserved::take(addr)?;
    make_data_dir(&config)?;
    data_folder::take_over(&config.data_dir)?;

    // Sinks.
    let records = records::open(config.database_url.as_ref().map(Secret::expose), &config.data_dir).await?;
    let stores = series::open(&series_config(&config)).await?;
    let (journal, recovery) = EmbeddedJournal::open(journal_config(&config))?;
    tracing::info!(records = recovery.records, position = recovery.position, elapsed = ?recovery.elapsed, "journal open");

    let declared = DeclaredPipelines::read(&config.data_dir, config.pipelines_dir.as_deref());
    let writers = feed(&stores, &declared, &journal, &clock, &config);

    // The engine.
    let changes = Changes::new();
    let system = ActorSystem::start(SystemConfig { agents: Some(changes.clone()), ..config.system() }, clock.clone());
    let router = system.router();
    let snapshots = SnapshotFile::new(&config.data_dir);
    let consumer = snapshot::take_up(&system, &journal, &snapshots).await?;
    let intake = Arc::<Intake>::default();
    let remembered = config.history.telemetry.age;
    let saving = snapshot::keep_saving(router.clone(), journal.clone(), intake.clone(), snapshots.clone(), consumer, remembered);

    let parts = PipelineParts {
        router: router.clone(),
        journal: journal.clone(),
        stores: stores.clone(),
        records: records.clone(),
        clock: clock.clone(),
        clock_skew: config.limits.max_clock_skew,
        data_dir: config.data_dir.clone(),
        bounds: config.pipelines.clone(),
    };
    let declared_pipelines = declared.start(parts).await;

    let parts = TrainingParts { router: router.clone(), clock: clock.clone(), stores: stores.clone() };
    let trainings = Trainings::new(parts, &config.data_dir, config.models_dir(), config.rl.trainings);
    trainings.take_up().await;

    // Sources.
    let ledger = Arc::new(Ledger::restore(recovery.publishers));
    journal.watch(ledger.clone());
    let series = stores.first().cloned().expect("series::open yields at least the embedded store");
    let services = Arc::new(Services {
        auth: Auth::from_config(&config)?,
        revocations: Arc::default(),
        setup: auth::setup::Setup::default(),
        refused_origins: http::RefusedOrigins::default(),
        frames: FrameStore::new(&config.data_dir, records.clone(), router.clone()),
        coaching: Coaching::from_config(&config, records.clone(), router.clone()),
        bus: Bus::new(Models::new(config.models_dir()), changes, router.clone()),
        evaluations: Evaluations::new(Models::new(config.models_dir()), router.clone()),
        trainings,
        voice: Voice::from_config(&config, records.clone()),
        ledger,
        decoders: DecoderPool::new(config.decoder_limits()),
        intake,
        rates: RateLimits::new(&config.rate, config.limits.max_batch),
        bodies: Bodies::new(&config.limits),
        tcp: OpenConnections::new(&config.limits, &config.rate.proxies, descriptors::descriptor_limit()),
        forwarded: PerAddress::new(config.limits.max_connections_per_address),
        joining: Joining::default(),
        replays: Replays::new(&config.data_dir, &router.views().sessions()),
        what_ifs: WhatIfs::default(),
        connections: Connections::default(),
        counters: Counters::default(),
        clock,
        router,
        journal,
        series,
        writers,
        pipelines: declared_pipelines,
        records,
        started_at,
        config,
    });
    let listening = http::serve(address.listen()?, services.clone()).map_err(|source| ListenError { addr, source })?;
    tracing::info!(addr = %listening.addr, url = auth::setup::url(listening.addr), "listening");
    let heart = CancellationToken::new();
    tokio::spawn(heartbeat::run(services.clone(), heart.clone()));
    tokio::spawn(auth::keep_current(services.clone(), heart.clone()));
    tokio::spawn(auth::setup::offer(services.clone(), listening.addr, heart.clone()));
    tokio::spawn(rate::keep_forgetting(services.clone(), heart.clone()));
    tokio::spawn(pipelines::keep_bounds(services.clone(), heart.clone()));
    Ok(RunningServer { addr: listening.addr, services, listening, system, snapshots, saving, heart })
}

fn make_data_dir(config: &Config) -> Result<(), StartError> {
    let path = &config.data_dir;
    make_private(path).map(|_| ()).map_err(|source| StartError::DataDir { path: path.display().to_string(), source })
}

fn series_config(config: &Config) -> SeriesConfig {
    SeriesConfig { data_dir: config.data_dir.clone(), influx2: config.influx2.clone(), influx1: config.influx1.clone() }
}

/// Starts one writer per store, and lets the journal forget stores that are configured no longer.
fn feed(
    stores: &[Arc<dyn SeriesStore>],
    declared: &DeclaredPipelines,
    journal: &Arc<EmbeddedJournal>,
    clock: &Arc<dyn Clock>,
    config: &Config,
) -> Vec<SeriesWriter> {
    let mut names: Vec<&str> = stores.iter().map(|store| store.name()).collect();
    names.push(snapshot::CONSUMER);
    let pipelines = declared.consumers();
    names.extend(pipelines.iter().map(String::as_str));
    let forgotten = journal.retain_consumers(&names);
    if !forgotten.is_empty() {
        tracing::warn!(?forgotten, "these stores are configured no longer; what they had not got yet is not kept for them");
    }
    let writing = SeriesWriterConfig::new(config.data_dir.join("dead-letters"));
    stores.iter().map(|store| SeriesWriter::start(store.clone(), journal, clock.clone(), writing.clone())).collect()
}

fn journal_config(config: &Config) -> JournalConfig {
    JournalConfig {
        commit_delay: config.journal.sync_delay,
        segment_bytes: config.journal.segment_bytes,
        retain_bytes: config.journal.retain_bytes,
        unsent_bytes: config.journal.unsent_bytes,
        max_waiting_bytes: config.journal.queue_bytes,
        ..JournalConfig::new(config.data_dir.join("journal"))
    }
}

impl RunningServer {
    /// Base address for clients on this machine.
    pub fn url(&self) -> String {
        auth::setup::url(self.addr)
    }

    /// What the doors work with.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The door into the actors.
    pub fn router(&self) -> &Router {
        &self.services.router
    }

    /// Drains and stops, in at most about `drain_timeout`: accepts nothing more, reads nothing more,
    /// keeps what was promised, lets the actors run empty, flushes journal and stores, sends what
    /// waits for subscribers and closes them with `GoingAway`.
    pub async fn shutdown(self) {
        let Self { services, listening, system, snapshots, saving, heart, .. } = self;
        heart.cancel();
        let deadline = Instant::now() + services.config.drain_timeout;
        // Never nothing: a step whose turn comes late still gets to do what takes no time.
        let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        tracing::info!("draining");
        services.connections.stop_reading();
        if timeout(left() / 4, services.bus.close()).await.is_err() {
            tracing::warn!("the Socket.IO clients did not close in time");
        }
        // A client that stalls in the middle of a request or an answer must not cost the others their share.
        listening.stop(left() / 2).await;
        let routed = timeout(left() / 2, services.intake.close()).await.is_ok();
        saving.abort();
        services.trainings.close(left() / 2).await;
        services.pipelines.stop(left() / 2).await;
        let state = system.drain(left()).await;
        // Where something journalled was not routed, the state is not the whole: the next start begins with the one before.
        if let Some(state) = state.filter(|_| routed) {
            snapshot::save_drained(&services.journal, &snapshots, state, left()).await;
        }
        if timeout(left(), services.connections.close()).await.is_err() {
            tracing::warn!(open = services.connections.open(), "some connections did not close in time");
        }
        let (journal, share) = (services.journal.clone(), left());
        futures_util::future::join_all(services.writers.iter().map(|writer| writer.flush(share))).await;
        // It waits for the disk.
        match timeout(left().max(LAST_SYNC), tokio::task::spawn_blocking(move || journal.close())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!("closing the journal panicked"),
            Err(_) => tracing::error!("the disk did not take the end of the journal in time; what was acknowledged is on it"),
        }
        // Both leave nothing behind in write-ahead logs: a copy of the folder is a backup.
        if timeout(left().max(LAST_SYNC), services.series.close()).await.is_err() {
            tracing::warn!("the time-series store did not close in time; its write-ahead log belongs to it");
        }
        if timeout(left().max(LAST_SYNC), services.records.close()).await.is_err() {
            tracing::warn!("the database of records did not close in time; its write-ahead log belongs to it");
        }
        tracing::info!("stopped");
    }
}
