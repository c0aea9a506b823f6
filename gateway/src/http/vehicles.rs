//! `/api/vehicles`, and the live numbers of a session.

use serde::Serialize;
use slipstream_protocol::{Channel, ChannelKind, SessionId, Timestamp, VehicleId, token::Claims};

use super::{
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult},
};
use crate::app::Services;

/// `GET /api/vehicles` and `GET /api/sessions/<id>/metrics`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/vehicles", "telemetry", Access::Token, "Vehicles heard of", &[], |r| {
        Box::pin(async move { vehicles(&r.services, r.claims()?).await })
    })
    .list(),
    Operation::get("/api/sessions/{id}/metrics", "sessions", Access::Token, "A live session's numbers and leaderboard", &[], |r| {
        Box::pin(async move { metrics(&r.services, r.claims()?, r.parameter(0)) })
    }),
];

/// A vehicle that was heard of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Vehicle {
    id: VehicleId,
    /// What people call it: the id, or the name that the id is derived from.
    name: String,
    /// Whether it reported since the server started.
    live: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    samples: u64,
}

/// The live ones and those the time-series store remembers, sorted by id.
async fn vehicles(services: &Services, claims: &Claims) -> ApiResult {
    let views = services.router.views();
    let mut ids = views.vehicles();
    match services.series.vehicles().await {
        Ok(stored) => ids.extend(stored),
        // The live ones are worth telling even while the store is away.
        Err(error) => tracing::warn!(%error, "the list of vehicles is told without the stored ones"),
    }
    ids.sort_unstable();
    ids.dedup();
    ids.retain(|id| claims.may_hear(&Channel::one(ChannelKind::Telemetry, id.clone())));
    let list: Vec<Vehicle> = ids
        .into_iter()
        .map(|id| {
            let twin = views.vehicle(&id);
            Vehicle {
                live: twin.is_some(),
                session_id: twin.as_ref().and_then(|t| t.session.clone()),
                timestamp: twin.as_ref().and_then(|t| t.newest()).map(|newest| newest.source_time),
                received_at: twin.as_ref().and_then(|t| t.newest()).map(|newest| newest.received_at),
                samples: twin.as_ref().map_or(0, |t| t.samples),
                name: id.name().into_owned(),
                id,
            }
        })
        .collect();
    let count = list.len() as u64;
    let pagination = slipstream_protocol::envelope::Pagination::new(1, count.max(1), count);
    Ok(reply::page(services.clock.now(), list, "vehicles", pagination))
}

fn metrics(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let session = SessionId::new(id).map_err(|e| ApiError::invalid(vec![format!("id: {}", e.message)]))?;
    if !claims.may_hear(&Channel::one(ChannelKind::Session, session.clone())) {
        return Err(ApiError::forbidden(format_args!("hear 'session:{session}'")));
    }
    let metrics = services.router.views().session(&session).ok_or_else(|| ApiError::not_found(format_args!("live session '{session}'")))?;
    Ok(reply::ok(services.clock.now(), &*metrics, "session metrics"))
}
