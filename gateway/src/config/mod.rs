//! Configuration: flags over environment over file over defaults, resolved once.
//!
//! Every setting is one row of [`settings::SETTINGS`]: its key in the file, its environment
//! variable, what is expected, and how it is set. [`resolve`] walks the sources from weak to strong
//! and yields one [`Config`], which `slipstream config` prints.

pub mod duration;
mod flags;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod history;
pub mod moment;
mod secret;
mod settings;
mod sources;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use serde::Serialize;
use slipstream_protocol::{DEFAULT_CLOCK_SKEW, Limits};

use crate::{rate::RateConfig, rl::RlConfig};

pub use flags::Flags;
pub use history::{HistoryConfig, HistoryLimit};
pub use secret::Secret;
pub use settings::{SETTINGS, Setting};
pub use sources::{ConfigError, resolve, resolve_from};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// An InfluxDB 2 server (or one that speaks its write API).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Influx2 {
    /// Base address; the sink is on where it is set.
    pub url: Option<String>,
    /// Organisation.
    pub org: String,
    /// Bucket.
    pub bucket: String,
    /// API token.
    pub token: Option<Secret>,
}

/// An InfluxDB 1.x server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Influx1 {
    /// Base address; the sink is on where it is set.
    pub url: Option<String>,
    /// Database.
    pub db: String,
    /// User, where the server asks for one.
    pub user: Option<String>,
    /// Password of the user.
    pub password: Option<Secret>,
}

/// Bounds of the WebSocket door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WsConfig {
    /// A client silent for this long is pinged.
    #[serde(serialize_with = "duration::serialize")]
    pub ping_after: Duration,
    /// A client silent for this long is closed.
    #[serde(serialize_with = "duration::serialize")]
    pub idle_timeout: Duration,
    /// Telemetry frames of one connection that may wait for their promised level before reading stops.
    pub window: usize,
    /// Bytes of telemetry frames that may wait so; one frame may always.
    pub window_bytes: usize,
    /// Frames refused in a row before the connection is closed.
    pub max_refusals: u32,
    /// A reader that takes nothing for this long is dropped.
    #[serde(serialize_with = "duration::serialize")]
    pub stall_timeout: Duration,
    /// Most bytes that wait for one connection.
    pub outbox_bytes: usize,
    /// Most publications that wait for one connection.
    pub outbox_frames: usize,
}

/// Bounds of the actor system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActorsConfig {
    /// Threads that run actors; 0: one per core.
    pub arbiters: usize,
    /// Messages one mailbox holds.
    pub mailbox: usize,
    /// Bytes of samples, roughly, that may wait to be applied for all vehicles together.
    pub backlog_bytes: usize,
    /// An idle vehicle leaves memory after this long.
    #[serde(serialize_with = "duration::serialize")]
    pub passivate_after: Duration,
    /// How often session rooms publish their numbers.
    #[serde(serialize_with = "duration::serialize")]
    pub metrics_every: Duration,
}

/// Bounds of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalConfig {
    /// Longest wait for company before a sync.
    #[serde(serialize_with = "duration::serialize")]
    pub sync_delay: Duration,
    /// Size of one segment, bytes.
    pub segment_bytes: u64,
    /// Segments every consumer has passed are kept until all together are larger than this, bytes.
    pub retain_bytes: u64,
    /// Most bytes kept for a time-series store that is away; beyond, the oldest that wait for it are given up.
    pub unsent_bytes: u64,
    /// Bytes that may wait for the disk before publishers are slowed down and refused.
    pub queue_bytes: u64,
}

/// Bounds on what one client may send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitsConfig {
    /// Largest frame or body, bytes.
    pub max_frame_bytes: usize,
    /// Most samples in one batch.
    pub max_batch: usize,
    /// Most signals of one sample.
    pub max_signals: usize,
    /// Deepest nesting of `data`.
    pub max_depth: usize,
    /// How far ahead of the server's clock a source time may be.
    #[serde(serialize_with = "duration::serialize")]
    pub max_future: Duration,
    /// How far a source's clock may be ahead of the server's before its samples decide nothing: they are kept and published, and
    /// change no newest state, lap, watermark or alarm.
    #[serde(serialize_with = "duration::serialize")]
    pub max_clock_skew: Duration,
    /// Most points one series answer holds.
    pub max_points: usize,
    /// Most bytes that the bodies of all requests under way with a token may hold.
    pub max_buffered_bytes: usize,
    /// Largest body of a request without a token (to log in, to register), bytes.
    pub max_open_body_bytes: usize,
    /// Most TCP connections; 0: as many as the limit of file descriptors leaves.
    pub max_connections: usize,
    /// Most TCP connections of one address; 0: no bound.
    pub max_connections_per_address: usize,
    /// A connection that sends no whole request head for this long is closed.
    #[serde(serialize_with = "duration::serialize")]
    pub head_timeout: Duration,
    /// An HTTP connection on which nothing happens for this long is closed.
    #[serde(serialize_with = "duration::serialize")]
    pub idle_timeout: Duration,
}

/// Bounds of declared pipelines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PipelinesConfig {
    /// How often tables that rows are enriched from are read again.
    #[serde(serialize_with = "duration::serialize")]
    pub refresh: Duration,
    /// Most bytes of the journal that are kept for a pipeline that stands still.
    pub hold_bytes: u64,
    /// Longest time the journal is kept for a pipeline that stands still.
    #[serde(serialize_with = "duration::serialize")]
    pub hold_age: Duration,
}

impl Default for PipelinesConfig {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(30), hold_bytes: 1 << 30, hold_age: Duration::from_secs(86_400) }
    }
}

/// How someone becomes a user without an admin's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Nobody registers.
    Closed,
    /// A one-time code of an admin is needed.
    Invite,
    /// Anyone may, as viewer.
    Open,
}

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthConfig {
    /// Who may register; where absent it is open to this machine alone while the server listens to this machine alone, and
    /// closed otherwise.
    pub registration: Option<Registration>,
    /// What a token's `aud` must name, where it has one.
    pub audience: String,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { registration: None, audience: crate::auth::AUDIENCE.to_owned() }
    }
}

/// Everything that can be set, resolved. Secrets are redacted when printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port for everything; 0: any free one.
    pub port: u16,
    /// Where data is kept.
    pub data_dir: PathBuf,
    /// Folder with declared pipelines, one TOML or JSON file each; none where absent.
    pub pipelines_dir: Option<PathBuf>,
    /// Bounds of declared pipelines.
    pub pipelines: PipelinesConfig,
    /// Secret that signs tokens; made and kept under `data_dir` where absent.
    pub jwt_secret: Option<Secret>,
    /// Who is let in.
    pub auth: AuthConfig,
    /// Origins browsers may call from; `*` for all.
    pub cors_origins: Vec<String>,
    /// A `tracing` filter: `info`, `debug`, `slipstream_gateway::ws=trace,info`.
    pub log_level: String,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// PostgreSQL (`postgres://...`) or SQLite (`sqlite://...`); a SQLite file under `data_dir` where absent.
    pub database_url: Option<Secret>,
    /// The AI agent; the built-in coach where absent.
    pub ai_agent_url: Option<String>,
    /// Bearer for the AI agent.
    pub gradient_ai_api_key: Option<Secret>,
    /// Key for ElevenLabs; `espeak-ng` where absent.
    pub elevenlabs_api_key: Option<Secret>,
    /// Base address of ElevenLabs.
    pub elevenlabs_url: String,
    /// InfluxDB 2 sink.
    pub influx2: Influx2,
    /// InfluxDB 1.x sink.
    pub influx1: Influx1,
    /// Bounds of the WebSocket door.
    pub ws: WsConfig,
    /// Bounds of the actor system.
    pub actors: ActorsConfig,
    /// What channels remember.
    pub history: HistoryConfig,
    /// Bounds of the journal.
    pub journal: JournalConfig,
    /// Bounds on what one client may send.
    pub limits: LimitsConfig,
    /// How much one token and one address may ask for.
    pub rate: RateConfig,
    /// Reinforcement learning.
    pub rl: RlConfig,
    /// Longest drain on shutdown.
    #[serde(serialize_with = "duration::serialize")]
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([0, 0, 0, 0]),
            port: 8080,
            data_dir: PathBuf::from("./data"),
            pipelines_dir: None,
            pipelines: PipelinesConfig::default(),
            jwt_secret: None,
            auth: AuthConfig::default(),
            cors_origins: Vec::new(),
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            database_url: None,
            ai_agent_url: None,
            gradient_ai_api_key: None,
            elevenlabs_api_key: None,
            elevenlabs_url: "https://api.elevenlabs.io".to_owned(),
            influx2: Influx2 { url: None, org: "slipstream".to_owned(), bucket: "slipstream".to_owned(), token: None },
            influx1: Influx1 { url: None, db: "slipstream".to_owned(), user: None, password: None },
            ws: WsConfig {
                ping_after: Duration::from_secs(30),
                idle_timeout: Duration::from_secs(75),
                window: 64,
                window_bytes: 4 << 20,
                max_refusals: 100,
                stall_timeout: Duration::from_secs(30),
                outbox_bytes: 4 << 20,
                outbox_frames: 65_536,
            },
            actors: ActorsConfig {
                arbiters: 0,
                mailbox: 256,
                backlog_bytes: 64 << 20,
                passivate_after: Duration::from_secs(900),
                metrics_every: Duration::from_millis(500),
            },
            history: HistoryConfig::default(),
            journal: JournalConfig {
                sync_delay: Duration::from_millis(5),
                segment_bytes: 64 << 20,
                retain_bytes: 256 << 20,
                unsent_bytes: 8 << 30,
                queue_bytes: 64 << 20,
            },
            limits: LimitsConfig {
                max_frame_bytes: 8 << 20,
                max_batch: 4_096,
                max_signals: 512,
                max_depth: 8,
                max_future: Duration::from_secs(600),
                max_clock_skew: DEFAULT_CLOCK_SKEW,
                max_points: 100_000,
                max_buffered_bytes: 256 << 20,
                max_open_body_bytes: 16 << 10,
                max_connections: 0,
                max_connections_per_address: 1_024,
                head_timeout: Duration::from_secs(30),
                idle_timeout: Duration::from_secs(75),
            },
            rate: RateConfig::default(),
            rl: RlConfig::default(),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// The bounds decoders keep to.
    pub fn decoder_limits(&self) -> Limits {
        Limits {
            max_frame_bytes: self.limits.max_frame_bytes,
            max_batch: self.limits.max_batch,
            max_signals: self.limits.max_signals,
            max_depth: self.limits.max_depth,
            max_future: self.limits.max_future,
            ..Limits::default()
        }
    }

    /// How the actor system is laid out.
    pub fn system(&self) -> slipstream_actors::SystemConfig {
        slipstream_actors::SystemConfig {
            arbiters: self.actors.arbiters,
            mailbox: self.actors.mailbox,
            backlog_bytes: self.actors.backlog_bytes,
            passivate_after: self.actors.passivate_after,
            history: self.history.bounds(),
            history_bytes: self.history.bytes,
            metrics_every: self.actors.metrics_every,
            clock_skew: self.limits.max_clock_skew,
            outbox: self.outbox_limits(),
            ..slipstream_actors::SystemConfig::default()
        }
    }

    /// Where models lie.
    pub fn models_dir(&self) -> PathBuf {
        self.rl.models.clone().unwrap_or_else(|| self.data_dir.join("models"))
    }

    /// Bounds of each connection's outbox.
    pub const fn outbox_limits(&self) -> slipstream_actors::OutboxLimits {
        slipstream_actors::OutboxLimits { max_bytes: self.ws.outbox_bytes, max_frames: self.ws.outbox_frames }
    }

    /// The resolved settings as TOML, secrets redacted.
    ///
    /// # Panics
    ///
    /// Never: plain structs of strings and numbers always have a TOML form.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("plain structs of strings and numbers always have a TOML form")
    }
}
