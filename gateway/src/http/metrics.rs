//! `GET /metrics` for Prometheus, in the text that the client likes best: what the doors, the actors, the journal and the writers count.

use std::fmt::{self, Write as _};

use http::{HeaderMap, StatusCode};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    bodies::Sender,
    negotiate::{MetricsText, metrics_text},
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult},
};
use slipstream_engine::pipeline::flow::StepStats;
use slipstream_protocol::token::Claims;

use crate::{
    app::Services,
    pipelines::{PipelineStats, RunState, TableHealth},
    rl::training::TrainingState,
    series::writer::WriterState,
};

const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`.
pub(super) const OPERATIONS: &[Operation] = &[Operation::get("/metrics", "server", Access::Token, "Metrics for Prometheus", &[], |r| {
    Box::pin(async move { scrape(&r.services, r.claims()?, &r.headers) })
})
.content("application/openmetrics-text")];

fn scrape(services: &Services, claims: &Claims, headers: &HeaderMap) -> ApiResult {
    // They name every pipeline, store and table.
    if !claims.hears_everything() {
        return Err(ApiError::forbidden("read the metrics: they tell of everything, and its channels are narrowed"));
    }
    Ok(match render(services).map(|text| summarised(&text)) {
        Ok(text) => match metrics_text(headers) {
            MetricsText::OpenMetrics => reply::body(StatusCode::OK, OPENMETRICS, text),
            MetricsText::Classic => reply::body(StatusCode::OK, CLASSIC, classic(&text)),
        },
        Err(_) => reply::body(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the metrics could not be written"),
    })
}

fn render(services: &Services) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("slipstream");
    services.counters.register(&mut registry);
    services.rates.register(&mut registry);
    services.revocations.register_metrics(&mut registry);
    services.refused_origins.register(&mut registry);
    services.tcp.register(&mut registry);
    services.bodies.register(&mut registry);
    let mut readings = Readings::default();
    readings.actors(services);
    readings.journal(services);
    readings.writers(services);
    readings.pipelines(services);
    readings.tables(services);
    registry.register_collector(Box::new(readings));
    let mut text = String::with_capacity(16 << 10);
    encode(&mut text, &registry)?;
    Ok(text)
}

/// Readings with quantiles are of type summary, which the library does not know: it writes them as of type unknown.
fn summarised(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        let is_summary = line.starts_with("# TYPE ") && after.split_once('\n').is_some_and(|(next, _)| next.contains("{quantile="));
        out.push_str(line.strip_suffix(" unknown").filter(|_| is_summary).unwrap_or(line));
        out.push_str(if is_summary && line.ends_with(" unknown") { " summary\n" } else { "\n" });
    }
    out.push_str(rest);
    out
}

/// Text of `OpenMetrics` in Prometheus's own: a counter's name has its suffix in every line, no units, no end.
fn classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            // The suffix follows from the type, which comes next.
            help = told.split_once(' ').or(Some((told, "")));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|told| told.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" | "stateset" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
                let _ = writeln!(out, "# HELP {name}{suffix} {text}");
            }
            let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

type Labels = Vec<(&'static str, String)>;

/// One metric as read now.
#[derive(Debug)]
struct Reading {
    name: &'static str,
    help: &'static str,
    counts: bool,
    values: Vec<(Labels, f64)>,
}

/// What is read from others at each scrape.
#[derive(Debug, Default)]
struct Readings(Vec<Reading>);

impl Readings {
    fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.0.push(Reading { name, help, counts: true, values: vec![(Vec::new(), value as f64)] });
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.0.push(Reading { name, help, counts: false, values: vec![(Vec::new(), value)] });
    }

    fn actors(&mut self, services: &Services) {
        let stats = services.router.stats();
        self.counter("samples_applied", "Samples applied by vehicle actors", stats.samples.get());
        self.counter("publications", "Publications made, each once", stats.publications.get());
        self.counter("deliveries", "Publications handed to subscribers, each once per subscriber", stats.deliveries.get());
        self.0.push(Reading {
            name: "drops",
            help: "Publications not delivered, by reason",
            counts: true,
            values: vec![
                (vec![("reason", "slow".to_owned())], stats.dropped_slow.get() as f64),
                (vec![("reason", "conflated".to_owned())], stats.conflated.get() as f64),
            ],
        });
        self.counter("slow_disconnects", "Connections closed because their reader was slow", stats.slow_disconnects.get());
        self.counter("poisoned_samples", "Samples set aside because their handler panicked", stats.poisoned.get());
        self.counter("undelivered", "Messages given up because no actor took them", stats.undelivered.get());
        self.counter("mailbox_full", "Times a full mailbox made a door wait", stats.mailbox_full.get());
        self.counter("restarts", "Actors restarted after a panic", stats.restarts.get());
        self.counter("given_up", "Actors given up after too many restarts", stats.given_up.get());
        self.counter("passivated", "Vehicles that left memory for idleness", stats.passivated.get());
        self.gauge("vehicles", "Vehicle actors resident now", stats.vehicles.get() as f64);
        self.gauge("session_rooms", "Session rooms resident now", stats.rooms.get() as f64);
        self.gauge("mailbox_depth", "Messages waiting in mailboxes now", stats.mailbox_depth.get() as f64);
        self.gauge("backlog_bytes", "Bytes of samples, roughly, that wait to be applied now", services.router.backlog_bytes() as f64);
        self.gauge("rl_agents", "Reinforcement-learning agents there are now", stats.rl_agents.get() as f64);
        self.counter("rl_steps", "Steps that agents took", stats.rl_steps.get());
        self.counter("rl_episodes", "Episodes that came to their end", stats.rl_episodes.get());
        self.counter("rl_shield_stopped", "Actions that a shield stopped", stats.rl_shield_stopped.get());
        self.counter("rl_shadow_differed", "Steps in which a shadow would have acted otherwise", stats.rl_shadow_differed.get());
        self.counter("rl_policy_swaps", "Policies swapped in", stats.rl_swaps.get());
        self.gauge("rl_attached", "Agents attached to a live vehicle now", stats.rl_attached.get() as f64);
        self.counter("rl_advised", "Pieces of advice told to live vehicles", stats.rl_advised.get());
        self.counter(
            "rl_advice_missed",
            "Samples or advice left out between agent and vehicle because a mailbox was full",
            stats.rl_advice_missed.get(),
        );
        self.counter(
            "rl_not_known",
            "Samples of live vehicles without advice, because it is not known who is ahead, or where",
            stats.rl_not_known.get(),
        );
        self.counter("rl_refused", "Commands that an agent refused", stats.rl_refused.get());
        self.counter("rl_evaluations", "Comparisons of policies played", services.evaluations.played.get());
        let trainings = &services.trainings;
        self.gauge("rl_trainings_running", "Policies being learnt beside live agents now", trainings.running() as f64);
        self.gauge("rl_trainings_most", "Trainings that may run at once", trainings.most() as f64);
        self.counter("rl_training_steps", "Steps learnt from in trainings beside live agents", trainings.counters.steps.get());
        self.counter(
            "rl_training_points_left_out",
            "Points of trainings not written because the stores were behind",
            trainings.counters.points_left_out.get(),
        );
        let over = TrainingState::ALL.into_iter().filter(|state| state.is_over());
        let ended = |state: TrainingState| {
            let count = trainings.counters.ended.get_or_create(&[("state", state.name())]).get();
            (vec![("state", state.name().to_owned())], count as f64)
        };
        self.0.push(Reading {
            name: "rl_trainings_ended",
            help: "Trainings that came to an end, by how",
            counts: true,
            values: over.map(ended).collect(),
        });
        self.counter("socketio_left_out", "Updates not broadcast because the clients were slower", services.bus.changes.left_out.get());
        let depth = services.router.outbox_depth();
        self.gauge("outbox_bytes", "Bytes waiting for subscribers now", depth.bytes as f64);
        self.gauge("outbox_bytes_slowest", "Bytes waiting for the slowest subscriber now", depth.max_bytes as f64);
        self.gauge("ingest_waiting", "Connections that wait in line for room in the journal now", services.intake.waiting() as f64);
        let (token, open) = (services.bodies.held(Sender::Token), services.bodies.held(Sender::Open));
        self.gauge("http_buffered_bytes", "Bytes that the bodies of requests under way with a token hold", token as f64);
        self.gauge("http_open_buffered_bytes", "Bytes that the bodies of requests under way without a token hold", open as f64);
        self.gauge("tcp_connections", "TCP connections open now", services.tcp.open() as f64);
        self.gauge("tcp_connections_max", "Most TCP connections that may be open", services.tcp.most() as f64);
        self.gauge("tcp_waiting", "TCP connections that have not sent a whole request yet", services.tcp.waiting() as f64);
        self.gauge("socketio_joining", "Socket.IO sessions that have not joined the namespace yet", services.joining.taken() as f64);
        self.gauge(
            "rate_remembered",
            "Tokens and addresses remembered for rate limits, once per limit",
            services.rates.remembered() as f64,
        );
        self.gauge("publishers", "Numbered publishers known", services.ledger.len() as f64);
        self.counter("publishers_forgotten", "Numbered publishers forgotten because there were too many", services.ledger.forgotten());
        let (bytes, most_bytes, evicted) = services.router.histories();
        self.gauge("history_bytes", "Bytes, roughly, that all channels together remember now", bytes as f64);
        self.gauge("history_most_bytes", "Most bytes that all channels together may remember", most_bytes as f64);
        self.counter("history_evicted", "Publications no longer remembered because all channels together remembered too much", evicted);
        let owners = services.router.owners();
        let owners = owners.into_iter().map(|(kind, count)| (vec![("kind", kind.to_owned())], count as f64)).collect();
        self.0.push(Reading {
            name: "channel_owners",
            help: "Owners of channels known now, in memory or not",
            counts: false,
            values: owners,
        });
        self.counter(
            "channel_owners_forgotten",
            "Owners of channels forgotten because nothing was published and nobody subscribed any more",
            stats.owners_forgotten.get(),
        );
        let uptime = services.clock.now().since(services.started_at);
        self.gauge("uptime_seconds", "Seconds since the start", uptime.as_secs_f64());
    }

    fn journal(&mut self, services: &Services) {
        let stats = services.journal.stats();
        self.counter("journal_appends", "Batches handed to the journal", stats.appends);
        self.counter("journal_refused", "Batches that could not be made durable", stats.refused);
        self.counter("journal_records", "Records made durable", stats.records);
        self.counter("journal_samples", "Samples made durable", stats.samples);
        self.counter("journal_bytes", "Bytes written to the journal", stats.bytes);
        self.counter("journal_syncs", "Group commits, each one write and one sync", stats.syncs);
        self.counter("journal_write_errors", "Group commits that failed", stats.write_errors);
        self.counter("journal_corrupt_records", "Records lost to damage on the disk", stats.corrupt);
        self.counter("journal_quarantined", "Pieces of damage set aside", stats.quarantined);
        self.counter("journal_quarantine_removed", "Pieces removed from quarantine to make room", stats.quarantine_removed);
        self.counter(
            "journal_given_up_records",
            "Records given up for stores that were behind for too much, each once per store",
            stats.given_up,
        );
        self.gauge("journal_writable", "Whether the journal's disk takes writes", f64::from(u8::from(stats.write_error.is_none())));
        self.gauge("journal_waiting_bytes", "Bytes that wait for the disk now", stats.waiting_bytes as f64);
        self.gauge("journal_segments", "Segment files now", stats.segments as f64);
        self.gauge("journal_segment_bytes", "Bytes in segment files now", stats.segment_bytes as f64);
        let quantiles = |latency: &crate::journal::Latency| {
            [0.5, 0.99]
                .map(|q| (vec![("quantile", q.to_string())], latency.quantile(q)))
                .into_iter()
                .filter(|(_, v)| v.is_finite())
                .collect()
        };
        self.0.push(Reading {
            name: "journal_sync_seconds",
            help: "How long write and sync of a group took, since the start",
            counts: false,
            values: quantiles(&stats.sync_latency),
        });
        self.0.push(Reading {
            name: "journal_append_seconds",
            help: "How long from the append to durable, since the start",
            counts: false,
            values: quantiles(&stats.append_latency),
        });
    }

    fn writers(&mut self, services: &Services) {
        let stats: Vec<_> = services.writers.iter().map(crate::series::writer::SeriesWriter::stats).collect();
        let mut by_store = |name, help, counts, value: &dyn Fn(&crate::series::writer::SeriesWriterStats) -> f64| {
            let values = stats.iter().map(|s| (vec![("store", s.store.to_owned())], value(s))).collect();
            self.0.push(Reading { name, help, counts, values });
        };
        by_store("sink_points_written", "Points a time-series store has", true, &|s| s.points_written as f64);
        by_store("sink_points_rejected", "Points a time-series store refused for good", true, &|s| s.points_rejected as f64);
        by_store("sink_dead_letters_removed", "Dead letters removed to make room for newer ones", true, &|s| s.dead_letters_removed as f64);
        by_store("sink_dead_letter_errors", "Times the dead-letter file could not be written", true, &|s| s.dead_letter_errors as f64);
        by_store("sink_retries", "Writes that failed and are repeated", true, &|s| s.retries as f64);
        by_store("sink_given_up_records", "Journal records given up because the store was behind for too much", true, &|s| {
            s.given_up_records as f64
        });
        by_store("sink_lag_records", "Journal records that wait for the store", false, &|s| s.lag_records as f64);
        by_store("sink_lag_seconds", "How long the oldest sample that waits for the store has waited; 0 when it has all", false, &|s| {
            s.lag_seconds
        });
        by_store("sink_refusing", "Whether the store refuses until someone acts: credentials, database or bucket", false, &|s| {
            f64::from(u8::from(s.state == WriterState::Refused))
        });
        by_store("sink_up", "Whether the last write worked", false, &|s| f64::from(u8::from(s.last_error.is_empty())));
    }
}

impl Readings {
    fn pipelines(&mut self, services: &Services) {
        let all = services.pipelines.stats();
        let mut each = |name, help, counts, value: &dyn Fn(&PipelineStats) -> f64| {
            let values = all.iter().map(|(name, stats)| (vec![("pipeline", name.clone())], value(stats))).collect();
            self.0.push(Reading { name, help, counts, values });
        };
        each("pipeline_running", "Whether the pipeline takes samples in", false, &|s| f64::from(u8::from(s.state == RunState::Running)));
        each("pipeline_failed", "Whether the pipeline broke and stands still", false, &|s| {
            f64::from(u8::from(s.state == RunState::Failed))
        });
        each("pipeline_samples", "Samples the pipeline's source took", true, &|s| s.samples_taken as f64);
        each("pipeline_results", "Final results", true, &|s| s.results.settled as f64);
        each("pipeline_corrections", "Results made anew because of late rows", true, &|s| s.results.corrections as f64);
        each("pipeline_late", "Rows that came too late", true, &|s| s.results.late as f64);
        each("pipeline_ahead", "Rows whose clock was ahead of the server's, which no step sees", true, &|s| s.results.ahead as f64);
        each("pipeline_all_lost", "Whether rows come, and all of them too late or with a clock ahead", false, &|s| {
            f64::from(u8::from(s.all_lost))
        });
        each("pipeline_alarm_events", "What happened to alarms: raised, repeated, escalated, acknowledged, cleared", true, &|s| {
            s.results.alarms as f64
        });
        each("pipeline_waiting_batches", "Batches of results and of alarms' events that wait for the stores", false, &|s| {
            s.waiting_batches as f64
        });
        each("pipeline_held_bytes", "Bytes of the journal kept because the pipeline stands still", false, &|s| s.held_bytes as f64);
        each("pipeline_missed_records", "Journal records it never saw, because it stood still for too long", false, &|s| {
            s.missed.as_ref().map_or(0.0, |missed| missed.records as f64)
        });
        each("pipeline_watermark_lag_seconds", "How far the watermark is behind the newest event time", false, &|s| s.watermark_lag_s);
        each("pipeline_lag_records", "Journal records that wait for the pipeline", false, &|s| s.lag_records as f64);
        each("pipeline_state_bytes", "Memory of all state", false, &|s| s.state_bytes as f64);
        each("pipeline_idle_sources", "Sources nobody waits for", false, &|s| s.idle_sources as f64);
        let mut step = |name, help, counts, value: &dyn Fn(&StepStats) -> Option<f64>| {
            let labels = |pipeline: &str, place: usize, step: &StepStats| {
                vec![("pipeline", pipeline.to_owned()), ("step", format!("{place}")), ("op", step.op.clone())]
            };
            let steps = all.iter().flat_map(|(name, stats)| stats.steps.iter().enumerate().map(move |(i, s)| (name, i, s)));
            let values = steps.filter_map(|(name, place, s)| Some((labels(name, place, s), value(s)?))).collect();
            self.0.push(Reading { name, help, counts, values });
        };
        step("pipeline_step_rows_in", "Rows into a step", true, &|s| Some(s.rows_in as f64));
        step("pipeline_step_rows_out", "Rows out of a step", true, &|s| Some(s.rows_out as f64));
        step("pipeline_step_late", "Rows too late for a step", true, &|s| Some(s.late as f64));
        step("pipeline_step_dropped", "Rows that ended at a step by intent", true, &|s| Some(s.dropped as f64));
        step("pipeline_step_state_bytes", "Memory of a step's state", false, &|s| Some(s.state_bytes as f64));
        step("pipeline_step_seconds_p50", "Processing time of a row, median", false, &|s| s.nanos_p50.map(|n| n as f64 / 1e9));
        step("pipeline_step_seconds_p99", "Processing time of a row, 99th percentile", false, &|s| s.nanos_p99.map(|n| n as f64 / 1e9));
    }
}

impl Readings {
    fn tables(&mut self, services: &Services) {
        let (all, now) = (services.pipelines.tables(), services.clock.now());
        let mut each = |name, help, value: &dyn Fn(&TableHealth) -> Option<f64>| {
            let values = all.iter().filter_map(|t| Some((vec![("table", t.table.clone())], value(t)?))).collect();
            self.0.push(Reading { name, help, counts: false, values });
        };
        each("pipeline_table_rows", "Rows of a table that pipelines enrich rows from", &|t| Some(t.rows as f64));
        each("pipeline_table_age_seconds", "How long ago the table was read", &|t| Some(now.since(t.read_at?).as_secs_f64()));
        each("pipeline_table_stale", "Whether the last reading of the table failed", &|t| Some(f64::from(u8::from(t.error.is_some()))));
    }
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for Reading { name, help, counts, values } in &self.0 {
            let has_quantiles = values.iter().any(|(labels, _)| labels.iter().any(|(name, _)| *name == "quantile"));
            let kind = match counts {
                true => MetricType::Counter,
                false if has_quantiles => MetricType::Unknown,
                false => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            match &values[..] {
                // Encoded as a family it would carry an empty pair of braces.
                [(labels, value)] if labels.is_empty() => put(metric, *counts, *value)?,
                several => {
                    for (labels, value) in several {
                        put(metric.encode_family(labels)?, *counts, *value)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn put(place: MetricEncoder<'_>, counts: bool, value: f64) -> Result<(), fmt::Error> {
    if counts { ConstCounter::new(value as u64).encode(place) } else { ConstGauge::new(value).encode(place) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "# HELP s_samples Samples.\n# TYPE s_samples counter\ns_samples_total 5\n\
        # HELP s_depth Depth.\n# TYPE s_depth gauge\n# UNIT s_depth bytes\ns_depth{a=\"b\"} 1.5\n\
        # HELP s_sync_seconds Sync.\n# TYPE s_sync_seconds unknown\ns_sync_seconds{quantile=\"0.5\"} 0.1\n# EOF\n";

    #[test]
    fn quantiles_are_summaries() {
        let text = summarised(OPEN);
        assert_eq!(text, OPEN.replace("seconds unknown", "seconds summary"));
    }

    #[test]
    fn the_classic_text_names_counters_whole_and_has_nothing_of_the_other() {
        assert_eq!(
            classic(&summarised(OPEN)),
            "# HELP s_samples_total Samples.\n# TYPE s_samples_total counter\ns_samples_total 5\n\
             # HELP s_depth Depth.\n# TYPE s_depth gauge\ns_depth{a=\"b\"} 1.5\n\
             # HELP s_sync_seconds Sync.\n# TYPE s_sync_seconds summary\ns_sync_seconds{quantile=\"0.5\"} 0.1\n"
        );
    }
}
