//! `/api/telemetry`: samples in, the newest state and the series out.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use bytes::Bytes;
use serde::Serialize;
use slipstream_engine::twin::Twin;
use slipstream_protocol::{
    Channel, ChannelKind, ErrorCode, ProtocolError, SessionId, Timestamp, VehicleId,
    client::{Refusal, TelemetryFrame},
    server::Lateness,
    token::Claims,
};

use super::{
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult},
    series_query,
};
use crate::{app::Services, ingest, percent};

/// `POST /api/telemetry`, the busiest route, `GET /api/telemetry/<id>` and `GET /api/telemetry/<id>/latest`.
const AGGREGATE: &str = "one of mean|min|max|sum|count|first|last|circular_mean";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/telemetry",
        "telemetry",
        Access::Token,
        "Store and broadcast one sample, or a batch of objects with these fields; durable before the answer",
        &[
            ("driverId?", "name", "whose sample (alias vehicleId)"),
            ("sessionId?", "name", "in which session"),
            ("fleetId?", "name", "for which fleet"),
            ("timestamp?", "moment", "source time: RFC 3339, or since 1970 in s, ms, µs or ns; the time of arrival where absent"),
            ("data?", "object", "numbers, booleans and strings become signals; nested ones flatten to dotted names"),
            ("batch?", "array", "several samples instead of one"),
        ],
        |r| Box::pin(async move { publish(&r.services, r.claims()?, &r.body).await }),
    ),
    Operation::get(
        "/api/telemetry/{id}",
        "telemetry",
        Access::Token,
        "A vehicle's series",
        &[
            ("from?", "string", "RFC 3339 or relative to now, as in -15m; the beginning where absent"),
            ("to?", "string", "as from; now where absent"),
            ("signals?", "string", "comma-separated names; all where absent"),
            ("window?", "string", "length of the aggregation windows, as in 100ms, 1s or 1m; raw points where absent"),
            ("aggregate?", AGGREGATE, "of the values in a window; mean where absent, of directions (heading_deg) as directions"),
            ("session?", "name", "only of this session"),
            ("limit?", "integer 1..", "most points in the answer"),
        ],
        |r| Box::pin(async move { series(&r.services, r.claims()?, r.parameter(0), &percent::map(&r.query)).await }),
    ),
    Operation::get("/api/telemetry/{id}/latest", "telemetry", Access::Token, "A vehicle's newest state, by source time", &[], |r| {
        Box::pin(async move { latest(&r.services, r.claims()?, r.parameter(0)) })
    }),
];

/// What became of the samples of a request.
#[derive(Serialize)]
struct Published {
    /// Names the record they are kept in.
    id: String,
    /// Samples taken.
    accepted: usize,
    /// Taken, and of no say in what is newest: late ones, and those whose clock is ahead.
    #[serde(flatten)]
    lateness: Lateness,
    /// Samples not taken, by their place in the batch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<RefusedSample>,
}

#[derive(Serialize)]
struct RefusedSample {
    index: usize,
    code: &'static str,
    message: String,
}

async fn publish(services: &Arc<Services>, claims: &Claims, body: &Bytes) -> ApiResult {
    let now = services.clock.now();
    let mut frame = services.decoders.with(|decoder| decoder.decode_telemetry_body(body, now))?;
    frame.refuse_where(|sample| {
        let message = || format!("this token may not publish for '{}'", sample.vehicle);
        (!claims.may_publish(&sample.vehicle)).then(|| ProtocolError::new(ErrorCode::Forbidden, message()))
    });
    let TelemetryFrame { samples, refused } = frame;
    for refusal in &refused {
        services.counters.refuse(refusal.error.code);
    }
    if samples.is_empty() {
        return Err(nothing_taken(refused));
    }
    services.rates.samples_of(services.rates.token(&claims.sub), samples.len())?;
    let taken = samples.len();
    let lateness = ingest::Judge::default().judge(services, &samples);
    let position = ingest::accept(services, samples).await?;
    let refused =
        refused.into_iter().map(|r| RefusedSample { index: r.index, code: r.error.code.as_str(), message: r.error.message }).collect();
    let answer = Published { id: position.to_string(), accepted: taken, lateness, refused };
    Ok(reply::created(now, answer, "telemetry stored"))
}

/// The refusal of a request of which nothing was taken.
fn nothing_taken(mut refused: Vec<Refusal>) -> ApiError {
    match refused.len() {
        0 => ApiError::invalid(vec!["batch: it holds no samples".to_owned()]),
        1 => ApiError { details: vec![refused[0].error.message.clone()], ..refused.remove(0).error.into() },
        count => ApiError {
            code: refused[0].error.code,
            message: format!("none of the {count} samples could be taken"),
            details: refused.into_iter().map(|r| format!("batch[{}]: {}: {}", r.index, r.error.code, r.error.message)).collect(),
            retry_after: None,
        },
    }
}

/// The vehicle called `id`, when the caller may hear it.
pub(super) fn audible(claims: &Claims, id: &str) -> Result<VehicleId, ApiError> {
    let vehicle = VehicleId::new(id).map_err(|e| ApiError::invalid(vec![format!("id: {}", e.message)]))?;
    if claims.may_hear(&Channel::one(ChannelKind::Telemetry, vehicle.clone())) {
        Ok(vehicle)
    } else {
        Err(ApiError::forbidden(format_args!("hear 'telemetry:{vehicle}'")))
    }
}

/// A vehicle's newest state.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Latest<'a> {
    vehicle_id: &'a VehicleId,
    driver_id: &'a VehicleId,
    /// What people call it: the id, or the name that the id is derived from.
    name: Cow<'a, str>,
    session_id: Option<&'a SessionId>,
    /// Absent while every sample came with a clock ahead of the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    samples: u64,
    late_samples: u64,
    /// Samples whose clock was ahead of the server's by more than `limits.max_clock_skew`: no state of theirs is shown.
    ahead_samples: u64,
    /// Newest value of every signal.
    data: serde_json::Map<String, serde_json::Value>,
    /// Source time of each of them.
    times: HashMap<&'a str, Timestamp>,
}

fn latest(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let vehicle = audible(claims, id)?;
    let twin = services.router.views().vehicle(&vehicle).ok_or_else(|| ApiError::not_found(format_args!("vehicle '{vehicle}'")))?;
    let now = services.clock.now();
    Ok(reply::ok(now, Latest::of(&vehicle, &twin), "newest state"))
}

impl<'a> Latest<'a> {
    fn of(vehicle: &'a VehicleId, twin: &'a Twin) -> Self {
        Self {
            vehicle_id: vehicle,
            driver_id: vehicle,
            name: vehicle.name(),
            session_id: twin.session.as_ref(),
            timestamp: twin.newest().map(|newest| newest.source_time),
            received_at: twin.newest().map(|newest| newest.received_at),
            samples: twin.samples,
            late_samples: twin.late_samples,
            ahead_samples: twin.ahead_samples,
            data: twin.signals.iter().map(|s| (s.name.to_string(), json_value(&s.value))).collect(),
            times: twin.signals.iter().map(|s| (&*s.name, s.time)).collect(),
        }
    }
}

fn json_value(value: &slipstream_protocol::SignalValue) -> serde_json::Value {
    use slipstream_protocol::SignalValue::{Bool, Number, Text};
    match value {
        Number(n) => (*n).into(),
        Bool(b) => (*b).into(),
        Text(t) => t.as_ref().into(),
    }
}

async fn series(services: &Services, claims: &Claims, id: &str, query: &HashMap<String, String>) -> ApiResult {
    let vehicle = audible(claims, id)?;
    let now = services.clock.now();
    let query = series_query::parse(vehicle, query, now, services.config.limits.max_points)?;
    let answer = services.series.query(&query).await?;
    Ok(reply::ok(now, series_query::Answer::of(&query, &answer, services.series.name()), "series"))
}
