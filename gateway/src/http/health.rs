//! `/health` and `/api/status`.

use std::time::Duration;

use serde::Serialize;
use slipstream_protocol::{Timestamp, token::Claims};
use tokio::time::timeout;

use super::{
    operation::{Access, Operation},
    reply::{self, ApiResult},
};
use crate::{
    app::Services,
    pipelines::{PipelineStats, RunState},
    series::writer::SeriesWriterStats,
    ws::Described,
};

/// Longest wait for a store to answer.
const PING: Duration = Duration::from_secs(2);

/// `GET /health`, `GET /api/health`, `GET /api/status`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/health", "server", Access::Open, "Health: what restarted and why, stores, journal", &[], |r| {
        Box::pin(async move { health(&r.services).await })
    }),
    Operation::get("/api/health", "server", Access::Open, "The same as /health", &[], |r| {
        Box::pin(async move { health(&r.services).await })
    }),
    Operation::get("/api/status", "server", Access::Token, "The server's state and who the caller is", &[], |r| {
        Box::pin(async move { Ok(reply::ok(r.services.clock.now(), Overview::of(&r.services, r.claims()?), "status")) })
    }),
];

async fn health(services: &Services) -> ApiResult {
    let health = Health::of(services).await;
    Ok(reply::ok(services.clock.now(), health, "health"))
}

/// The server's health.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// `ok`, or `degraded` where something was given up or does not answer.
    status: &'static str,
    version: &'static str,
    uptime_s: f64,
    draining: bool,
    actors: ActorHealth,
    records: Part,
    series: Part,
    sinks: Vec<Sink>,
    journal: JournalHealth,
    /// Pipelines that give no results any more, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pipelines: Vec<UnwellPipeline>,
    connections: usize,
}

/// A pipeline that takes rows and can make nothing of them.
#[derive(Serialize)]
struct UnwellPipeline {
    name: String,
    reason: String,
}

impl UnwellPipeline {
    fn of(name: String, stats: &PipelineStats) -> Option<Self> {
        if !stats.all_lost || stats.state != RunState::Running {
            return None;
        }
        let watermark = stats.watermark.map_or_else(String::new, |time| format!(" of {time}"));
        let reason = match stats.ahead_sources.first() {
            Some(source) if stats.results.ahead > stats.results.late => format!(
                "all rows come with clocks ahead of this server's ('{}' by {:.0} s); set the clock that is wrong",
                source.vehicle_id, source.lead_s
            ),
            _ => format!("all rows come too late for its watermark{watermark}; declare it anew where older samples are wanted"),
        };
        Some(Self { name, reason })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActorHealth {
    vehicles: u64,
    rooms: u64,
    restarts: u64,
    poisoned: u64,
    given_up: u64,
    incidents: Vec<Incident>,
}

/// What restarted and why.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Incident {
    at: Timestamp,
    actor: String,
    generation: u64,
    reason: String,
    given_up: bool,
}

/// A store.
#[derive(Serialize)]
struct Part {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What feeds a time-series store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sink {
    store: &'static str,
    state: &'static str,
    lag_records: u64,
    lag_s: f64,
    points_written: u64,
    points_rejected: u64,
    /// Journal records given up because the store was behind by more than `journal.unsent_bytes`.
    given_up_records: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_error: String,
}

impl Sink {
    fn of(stats: &SeriesWriterStats) -> Self {
        Self {
            store: stats.store,
            state: stats.state.as_str(),
            lag_records: stats.lag_records,
            lag_s: stats.lag_seconds,
            points_written: stats.points_written,
            points_rejected: stats.points_rejected,
            given_up_records: stats.given_up_records,
            last_error: stats.last_error.clone(),
        }
    }
}

/// The journal.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JournalHealth {
    position: u64,
    segments: u64,
    bytes: u64,
    waiting_bytes: u64,
    write_errors: u64,
    /// What the disk says and what to do, where it takes no writes now.
    #[serde(skip_serializing_if = "Option::is_none")]
    write_error: Option<String>,
    corrupt_records: u64,
}

impl JournalHealth {
    fn of(services: &Services) -> Self {
        let stats = services.journal.stats();
        Self {
            position: stats.position,
            segments: stats.segments,
            bytes: stats.segment_bytes,
            waiting_bytes: stats.waiting_bytes,
            write_errors: stats.write_errors,
            write_error: stats.write_error.map(|error| {
                format!("{error}: nothing can be kept, publishers are refused; free disk space under DATA_DIR or move it to a larger disk")
            }),
            corrupt_records: stats.corrupt,
        }
    }
}

impl Part {
    fn of(name: &'static str, answer: Result<Result<(), String>, tokio::time::error::Elapsed>) -> Self {
        let reason = match answer {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason),
            Err(_) => Some(format!("no answer within {} s", PING.as_secs())),
        };
        Self { name, ok: reason.is_none(), reason }
    }
}

impl Health {
    /// Asks everything that can be unwell.
    pub(crate) async fn of(services: &Services) -> Self {
        let (records, series) = tokio::join!(timeout(PING, services.records.ping()), timeout(PING, services.series.ping()));
        let records = Part::of(services.records.name(), records.map(|r| r.map_err(|e| e.to_string())));
        let series = Part::of(services.series.name(), series.map(|r| r.map_err(|e| e.to_string())));
        let report = services.router.health();
        let sinks: Vec<Sink> = services.writers.iter().map(|writer| Sink::of(&writer.stats())).collect();
        let journal = JournalHealth::of(services);
        let pipelines: Vec<UnwellPipeline> =
            services.pipelines.stats().into_iter().filter_map(|(name, stats)| UnwellPipeline::of(name, &stats)).collect();
        let degraded = report.given_up > 0
            || journal.write_error.is_some()
            || !pipelines.is_empty()
            || !records.ok
            || !series.ok
            || sinks.iter().any(|s| !s.last_error.is_empty());
        let incidents = report.incidents.into_iter().map(|i| Incident {
            at: i.at,
            actor: i.actor,
            generation: i.generation,
            reason: i.reason,
            given_up: i.given_up,
        });
        Self {
            status: if degraded { "degraded" } else { "ok" },
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: services.clock.now().since(services.started_at).as_secs_f64(),
            draining: services.connections.is_draining(),
            actors: ActorHealth {
                vehicles: report.vehicles,
                rooms: report.rooms,
                restarts: report.restarts,
                poisoned: report.poisoned,
                given_up: report.given_up,
                incidents: incidents.collect(),
            },
            records,
            series,
            sinks,
            journal,
            pipelines,
            connections: services.connections.open(),
        }
    }
}

/// The server and who asks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview<'a> {
    status: &'static str,
    version: &'static str,
    uptime_s: f64,
    user: User<'a>,
    samples: u64,
    publications: u64,
    deliveries: u64,
    vehicles: u64,
    sessions: u64,
    connections: usize,
    histories: Histories,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clients: Vec<Described>,
}

/// What all channels together remember.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Histories {
    /// Bytes, roughly.
    bytes: usize,
    /// Most there may be, `history.bytes`.
    most_bytes: usize,
    /// Publications given up so far to stay within that, before they were too many or too old for their channel.
    evicted: u64,
}

impl Histories {
    pub(super) fn of(services: &Services) -> Self {
        let (bytes, most_bytes, evicted) = services.router.histories();
        Self { bytes, most_bytes, evicted }
    }
}

#[derive(Serialize)]
struct User<'a> {
    id: &'a str,
    role: &'static str,
    #[serde(rename = "expiresAt")]
    expires_at: Timestamp,
}

impl<'a> Overview<'a> {
    fn of(services: &Services, claims: &'a Claims) -> Self {
        let stats = services.router.stats();
        Self {
            status: if services.connections.is_draining() { "draining" } else { "running" },
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: services.clock.now().since(services.started_at).as_secs_f64(),
            user: User {
                id: &claims.sub,
                role: claims.role.as_str(),
                expires_at: Timestamp::from_millis(claims.exp.saturating_mul(1_000)),
            },
            samples: stats.samples.get(),
            publications: stats.publications.get(),
            deliveries: stats.deliveries.get(),
            vehicles: stats.vehicles.get(),
            sessions: stats.rooms.get(),
            connections: services.connections.open(),
            histories: Histories::of(services),
            clients: if claims.may_manage() { services.connections.described() } else { Vec::new() },
        }
    }
}
