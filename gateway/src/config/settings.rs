//! Every setting there is, one row each.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use super::{Config, LogFormat, Registration, Secret, duration};

/// One setting.
pub struct Setting {
    /// Its key in the file; a dot leads into a table.
    pub key: &'static str,
    /// Its environment variable.
    pub env: &'static str,
    /// What a value must be, for error messages and documents.
    pub expects: &'static str,
    /// Whether its value must not be shown.
    pub secret: bool,
    pub(super) set: fn(&mut Config, &str) -> Option<()>,
}

const TIME: &str = "a length of time such as 100ms, 30s or 5m, above 0";
const COUNT: &str = "a whole number from 1";
const RATE: &str = "a whole number a second; 0: no limit";
const URL: &str = "an address that starts with http:// or https://";
const TEXT: &str = "text";

const fn open(key: &'static str, env: &'static str, expects: &'static str, set: fn(&mut Config, &str) -> Option<()>) -> Setting {
    Setting { key, env, expects, secret: false, set }
}

const fn hidden(key: &'static str, env: &'static str, expects: &'static str, set: fn(&mut Config, &str) -> Option<()>) -> Setting {
    Setting { key, env, expects, secret: true, set }
}

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

/// An empty value unsets an optional setting.
fn put_optional<T>(place: &mut Option<T>, value: &str, parse: impl Fn(&str) -> Option<T>) -> Option<()> {
    *place = if value.is_empty() { None } else { Some(parse(value)?) };
    Some(())
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn positive<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Option<T> {
    text.parse().ok().filter(|n| *n >= T::from(1))
}

fn time(text: &str) -> Option<Duration> {
    duration::parse(text).filter(|d| !d.is_zero())
}

#[expect(clippy::unnecessary_wraps, reason = "the rows of the table have one form")]
fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the rows of the table have one form")]
fn secret(value: &str) -> Option<Secret> {
    Some(Secret::new(value))
}

fn url(value: &str) -> Option<String> {
    let rest = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"))?;
    (!rest.is_empty() && !rest.contains(char::is_whitespace)).then(|| value.trim_end_matches('/').to_owned())
}

fn database_url(value: &str) -> Option<Secret> {
    ["postgres://", "postgresql://", "sqlite:"].iter().any(|p| value.starts_with(p)).then(|| Secret::new(value))
}

fn jwt_secret(value: &str) -> Option<Secret> {
    (value.len() >= 16).then(|| Secret::new(value))
}

fn origins(value: &str) -> Option<Vec<String>> {
    let list: Vec<String> = value.split(',').map(str::trim).filter(|o| !o.is_empty()).map(|o| o.trim_end_matches('/').to_owned()).collect();
    list.iter().all(|o| o == "*" || url(o).is_some()).then_some(list)
}

fn addresses(value: &str) -> Option<Vec<IpAddr>> {
    value.split(',').map(str::trim).filter(|a| !a.is_empty()).map(|a| a.parse().ok()).collect()
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// What a semaphore can count.
fn buffered(value: &str) -> Option<usize> {
    positive_usize(value).filter(|bytes| *bytes <= tokio::sync::Semaphore::MAX_PERMITS)
}

fn log_level(value: &str) -> Option<String> {
    // The parser panics on a space before a directive that is not ASCII.
    let directives = value.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    tracing_subscriber::EnvFilter::try_new(&directives).ok().map(|_| directives)
}

fn registration(value: &str) -> Option<Registration> {
    match value {
        "closed" => Some(Registration::Closed),
        "invite" => Some(Registration::Invite),
        "open" => Some(Registration::Open),
        _ => None,
    }
}

fn log_format(value: &str) -> Option<LogFormat> {
    match value {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

/// How many publications a kind of channel remembers.
macro_rules! history_len {
    ($kind:ident, $name:literal) => {
        open(concat!("history.", stringify!($kind), ".len"), concat!("SLIPSTREAM_HISTORY_", $name, "_LEN"), "a whole number", |c, v| {
            put(&mut c.history.$kind.len, number(v))
        })
    };
}

/// How long a kind of channel remembers.
macro_rules! history_age {
    ($kind:ident, $name:literal) => {
        open(concat!("history.", stringify!($kind), ".age"), concat!("SLIPSTREAM_HISTORY_", $name, "_AGE"), TIME, |c, v| {
            put(&mut c.history.$kind.age, time(v))
        })
    };
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    open("bind", "SLIPSTREAM_BIND", "an IP address", |c, v| put(&mut c.bind, number::<IpAddr>(v))),
    open("port", "PORT", "a port number from 0 to 65535", |c, v| put(&mut c.port, number(v))),
    open("data_dir", "DATA_DIR", "a directory", |c, v| put(&mut c.data_dir, (!v.is_empty()).then(|| PathBuf::from(v)))),
    open("pipelines_dir", "SLIPSTREAM_PIPELINES_DIR", "a directory of .toml and .json files", |c, v| {
        put_optional(&mut c.pipelines_dir, v, |path| Some(PathBuf::from(path)))
    }),
    open("pipelines.refresh", "SLIPSTREAM_PIPELINES_REFRESH", TIME, |c, v| put(&mut c.pipelines.refresh, time(v))),
    open("pipelines.hold_bytes", "SLIPSTREAM_PIPELINES_HOLD_BYTES", COUNT, |c, v| put(&mut c.pipelines.hold_bytes, positive(v))),
    open("pipelines.hold_age", "SLIPSTREAM_PIPELINES_HOLD_AGE", TIME, |c, v| put(&mut c.pipelines.hold_age, time(v))),
    hidden("jwt_secret", "JWT_SECRET", "a secret of at least 16 bytes", |c, v| put_optional(&mut c.jwt_secret, v, jwt_secret)),
    open("auth.registration", "SLIPSTREAM_REGISTRATION", "closed, invite or open", |c, v| {
        put_optional(&mut c.auth.registration, v, registration)
    }),
    open("auth.audience", "SLIPSTREAM_AUDIENCE", "text", |c, v| put(&mut c.auth.audience, (!v.is_empty()).then(|| v.to_owned()))),
    open("cors_origins", "CORS_ORIGINS", "comma-separated origins such as https://pit.example, or *", |c, v| {
        put(&mut c.cors_origins, origins(v))
    }),
    open("log_level", "LOG_LEVEL", "error, warn, info, debug, trace or a tracing filter", |c, v| put(&mut c.log_level, log_level(v))),
    open("log_format", "SLIPSTREAM_LOG_FORMAT", "text or json", |c, v| put(&mut c.log_format, log_format(v))),
    hidden("database_url", "DATABASE_URL", "postgres://... or sqlite:...", |c, v| put_optional(&mut c.database_url, v, database_url)),
    open("ai_agent_url", "AI_AGENT_URL", URL, |c, v| put_optional(&mut c.ai_agent_url, v, url)),
    hidden("gradient_ai_api_key", "GRADIENT_AI_API_KEY", TEXT, |c, v| put_optional(&mut c.gradient_ai_api_key, v, secret)),
    hidden("elevenlabs_api_key", "ELEVENLABS_API_KEY", TEXT, |c, v| put_optional(&mut c.elevenlabs_api_key, v, secret)),
    open("elevenlabs_url", "SLIPSTREAM_ELEVENLABS_URL", URL, |c, v| put(&mut c.elevenlabs_url, url(v))),
    open("influx2.url", "SLIPSTREAM_INFLUX2_URL", URL, |c, v| put_optional(&mut c.influx2.url, v, url)),
    open("influx2.org", "SLIPSTREAM_INFLUX2_ORG", TEXT, |c, v| put(&mut c.influx2.org, text(v))),
    open("influx2.bucket", "SLIPSTREAM_INFLUX2_BUCKET", TEXT, |c, v| put(&mut c.influx2.bucket, text(v))),
    hidden("influx2.token", "SLIPSTREAM_INFLUX2_TOKEN", TEXT, |c, v| put_optional(&mut c.influx2.token, v, secret)),
    open("influx1.url", "SLIPSTREAM_INFLUX1_URL", URL, |c, v| put_optional(&mut c.influx1.url, v, url)),
    open("influx1.db", "SLIPSTREAM_INFLUX1_DB", TEXT, |c, v| put(&mut c.influx1.db, text(v))),
    open("influx1.user", "SLIPSTREAM_INFLUX1_USER", TEXT, |c, v| put_optional(&mut c.influx1.user, v, text)),
    hidden("influx1.password", "SLIPSTREAM_INFLUX1_PASSWORD", TEXT, |c, v| put_optional(&mut c.influx1.password, v, secret)),
    open("ws.ping_after", "SLIPSTREAM_WS_PING_AFTER", TIME, |c, v| put(&mut c.ws.ping_after, time(v))),
    open("ws.idle_timeout", "SLIPSTREAM_WS_IDLE_TIMEOUT", TIME, |c, v| put(&mut c.ws.idle_timeout, time(v))),
    open("ws.window", "SLIPSTREAM_WS_WINDOW", COUNT, |c, v| put(&mut c.ws.window, positive_usize(v))),
    open("ws.window_bytes", "SLIPSTREAM_WS_WINDOW_BYTES", COUNT, |c, v| put(&mut c.ws.window_bytes, positive_usize(v))),
    open("ws.max_refusals", "SLIPSTREAM_WS_MAX_REFUSALS", COUNT, |c, v| put(&mut c.ws.max_refusals, positive(v))),
    open("ws.stall_timeout", "SLIPSTREAM_WS_STALL_TIMEOUT", TIME, |c, v| put(&mut c.ws.stall_timeout, time(v))),
    open("ws.outbox_bytes", "SLIPSTREAM_WS_OUTBOX_BYTES", COUNT, |c, v| put(&mut c.ws.outbox_bytes, positive_usize(v))),
    open("ws.outbox_frames", "SLIPSTREAM_WS_OUTBOX_FRAMES", COUNT, |c, v| put(&mut c.ws.outbox_frames, positive_usize(v))),
    open("actors.arbiters", "SLIPSTREAM_ACTORS_ARBITERS", "a whole number; 0: one per core", |c, v| put(&mut c.actors.arbiters, number(v))),
    open("actors.mailbox", "SLIPSTREAM_ACTORS_MAILBOX", COUNT, |c, v| put(&mut c.actors.mailbox, positive_usize(v))),
    open("actors.backlog_bytes", "SLIPSTREAM_ACTORS_BACKLOG_BYTES", COUNT, |c, v| put(&mut c.actors.backlog_bytes, positive_usize(v))),
    open("actors.passivate_after", "SLIPSTREAM_ACTORS_PASSIVATE_AFTER", TIME, |c, v| put(&mut c.actors.passivate_after, time(v))),
    open("actors.metrics_every", "SLIPSTREAM_ACTORS_METRICS_EVERY", TIME, |c, v| put(&mut c.actors.metrics_every, time(v))),
    open("history.bytes", "SLIPSTREAM_HISTORY_BYTES", COUNT, |c, v| put(&mut c.history.bytes, positive_usize(v))),
    history_len!(telemetry, "TELEMETRY"),
    history_age!(telemetry, "TELEMETRY"),
    history_len!(video, "VIDEO"),
    history_age!(video, "VIDEO"),
    history_len!(ai, "AI"),
    history_age!(ai, "AI"),
    history_len!(alerts, "ALERTS"),
    history_age!(alerts, "ALERTS"),
    history_len!(session, "SESSION"),
    history_age!(session, "SESSION"),
    history_len!(cell, "CELL"),
    history_age!(cell, "CELL"),
    history_len!(rl, "RL"),
    history_age!(rl, "RL"),
    history_len!(pipeline, "PIPELINE"),
    history_age!(pipeline, "PIPELINE"),
    history_len!(system, "SYSTEM"),
    history_age!(system, "SYSTEM"),
    open("journal.sync_delay", "SLIPSTREAM_JOURNAL_SYNC_DELAY", "a length of time such as 5ms; 0ms: none", |c, v| {
        put(&mut c.journal.sync_delay, duration::parse(v))
    }),
    open("journal.segment_bytes", "SLIPSTREAM_JOURNAL_SEGMENT_BYTES", COUNT, |c, v| put(&mut c.journal.segment_bytes, positive(v))),
    open("journal.retain_bytes", "SLIPSTREAM_JOURNAL_RETAIN_BYTES", COUNT, |c, v| put(&mut c.journal.retain_bytes, positive(v))),
    open("journal.unsent_bytes", "SLIPSTREAM_JOURNAL_UNSENT_BYTES", COUNT, |c, v| put(&mut c.journal.unsent_bytes, positive(v))),
    open("journal.queue_bytes", "SLIPSTREAM_JOURNAL_QUEUE_BYTES", COUNT, |c, v| put(&mut c.journal.queue_bytes, positive(v))),
    open("limits.max_frame_bytes", "SLIPSTREAM_MAX_FRAME_BYTES", COUNT, |c, v| put(&mut c.limits.max_frame_bytes, positive_usize(v))),
    open("limits.max_batch", "SLIPSTREAM_MAX_BATCH", COUNT, |c, v| put(&mut c.limits.max_batch, positive_usize(v))),
    open("limits.max_signals", "SLIPSTREAM_MAX_SIGNALS", COUNT, |c, v| put(&mut c.limits.max_signals, positive_usize(v))),
    open("limits.max_depth", "SLIPSTREAM_MAX_DEPTH", COUNT, |c, v| put(&mut c.limits.max_depth, positive_usize(v))),
    open("limits.max_future", "SLIPSTREAM_MAX_FUTURE", TIME, |c, v| put(&mut c.limits.max_future, time(v))),
    open("limits.max_clock_skew", "SLIPSTREAM_MAX_CLOCK_SKEW", TIME, |c, v| put(&mut c.limits.max_clock_skew, time(v))),
    open("limits.max_points", "SLIPSTREAM_MAX_POINTS", COUNT, |c, v| put(&mut c.limits.max_points, positive_usize(v))),
    open("limits.max_buffered_bytes", "SLIPSTREAM_MAX_BUFFERED_BYTES", COUNT, |c, v| put(&mut c.limits.max_buffered_bytes, buffered(v))),
    open("limits.max_open_body_bytes", "SLIPSTREAM_MAX_OPEN_BODY_BYTES", COUNT, |c, v| {
        put(&mut c.limits.max_open_body_bytes, positive_usize(v))
    }),
    open("limits.max_connections", "SLIPSTREAM_MAX_CONNECTIONS", "a whole number; 0: by the limit of file descriptors", |c, v| {
        put(&mut c.limits.max_connections, number(v))
    }),
    open("limits.max_connections_per_address", "SLIPSTREAM_MAX_CONNECTIONS_PER_ADDRESS", "a whole number; 0: no bound", |c, v| {
        put(&mut c.limits.max_connections_per_address, number(v))
    }),
    open("limits.head_timeout", "SLIPSTREAM_HEAD_TIMEOUT", TIME, |c, v| put(&mut c.limits.head_timeout, time(v))),
    open("limits.idle_timeout", "SLIPSTREAM_IDLE_TIMEOUT", TIME, |c, v| put(&mut c.limits.idle_timeout, time(v))),
    open("rate.requests_per_token", "SLIPSTREAM_RATE_REQUESTS_PER_TOKEN", RATE, |c, v| put(&mut c.rate.requests_per_token, number(v))),
    open("rate.requests_per_address", "SLIPSTREAM_RATE_REQUESTS_PER_ADDRESS", RATE, |c, v| {
        put(&mut c.rate.requests_per_address, number(v))
    }),
    open("rate.connections_per_address", "SLIPSTREAM_RATE_CONNECTIONS_PER_ADDRESS", RATE, |c, v| {
        put(&mut c.rate.connections_per_address, number(v))
    }),
    open("rate.samples_per_token", "SLIPSTREAM_RATE_SAMPLES_PER_TOKEN", RATE, |c, v| put(&mut c.rate.samples_per_token, number(v))),
    open("rate.failures_per_address", "SLIPSTREAM_RATE_FAILURES_PER_ADDRESS", "a whole number a minute; 0: no limit", |c, v| {
        put(&mut c.rate.failures_per_address, number(v))
    }),
    open("rate.proxies", "SLIPSTREAM_RATE_PROXIES", "comma-separated IP addresses", |c, v| put(&mut c.rate.proxies, addresses(v))),
    open("rl.open", "RL_OPEN", "true or false", |c, v| put(&mut c.rl.open, switch(v))),
    open("rl.models", "SLIPSTREAM_RL_MODELS", "a directory", |c, v| put_optional(&mut c.rl.models, v, |v| Some(PathBuf::from(v)))),
    open("rl.trainings", "SLIPSTREAM_RL_TRAININGS", COUNT, |c, v| put(&mut c.rl.trainings, positive_usize(v))),
    open("drain_timeout", "SLIPSTREAM_DRAIN_TIMEOUT", TIME, |c, v| put(&mut c.drain_timeout, time(v))),
];

fn positive_usize(text: &str) -> Option<usize> {
    number(text).filter(|n| *n >= 1)
}
