//! `/api/ai/feedback`: ask for feedback, read what was given.

use serde_json::{Value, json};
use slipstream_ports::Feedback;
use slipstream_protocol::{Channel, ChannelKind, ProtocolError, SessionId, VehicleId, token::Claims};

use super::{
    fields::{Fields, id, object},
    operation::{Access, NUMBER, Operation, SIZE},
    paging::{id_in, listed, page_of},
    reply::{self, ApiError, ApiResult},
};
use crate::{app::Services, coach::CoachRequest};

/// `POST /api/ai/feedback` and `GET /api/ai/feedback?driverId`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/ai/feedback",
        "coaching",
        Access::Token,
        "Ask the coach; the answer is stored and broadcast on ai:<driverId>",
        &[
            ("driverId", "name", "whom to coach"),
            ("sessionId", "name", "in which session"),
            ("telemetryData", "object", "what the AI agent is told"),
        ],
        |r| Box::pin(async move { give(&r.services, r.claims()?, &r.body).await }),
    )
    .answering_200(),
    Operation::get(
        "/api/ai/feedback",
        "coaching",
        Access::Token,
        "Feedback given before",
        &[("driverId", "name", "to whom"), ("sessionId?", "name", "of this session"), NUMBER, SIZE],
        |r| Box::pin(async move { list(&r.services, r.claims()?, &r.query).await }),
    )
    .list(),
];

async fn give(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let driver = fields.required("driverId", id::<VehicleId>);
    let session = fields.required("sessionId", id::<SessionId>);
    let telemetry = fields.required("telemetryData", object);
    let (Some(driver), session @ Some(_), Some(telemetry)) = (driver, session, telemetry) else {
        return Err(fields.refusal());
    };
    // Feedback is told on the driver's channel, so it takes the right to speak there; and it tells of the driver's laps.
    if !claims.may_manage_vehicle(&driver) || !claims.may_hear_of(&driver) {
        return Err(ApiError::forbidden(format_args!("ask for feedback for '{driver}'")));
    }
    let now = services.clock.now();
    let given = services.coaching.give(CoachRequest { driver, session, telemetry }, now).await.map_err(ProtocolError::from)?;
    Ok(reply::ok(services.clock.now(), view(&given), "feedback given"))
}

async fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let driver: VehicleId = id_in(query, "driverId")?.ok_or_else(|| ApiError::invalid(vec!["Field 'driverId' is required".to_owned()]))?;
    let session: Option<SessionId> = id_in(query, "sessionId")?;
    if !claims.may_hear(&Channel::one(ChannelKind::Ai, driver.clone())) {
        return Err(ApiError::forbidden(format_args!("read feedback for '{driver}'")));
    }
    let listing = services.records.feedback(&driver, session.as_ref(), page).await?;
    Ok(listed(services.clock.now(), page, listing, "feedback", |given| view(&given)))
}

fn view(given: &Feedback) -> Value {
    let said: Value = serde_json::from_str(&given.feedback).unwrap_or(Value::Null);
    json!({
        "id": given.id,
        "driverId": given.driver,
        "sessionId": given.session,
        "source": given.source,
        "feedback": said,
        "timestamp": given.created_at,
    })
}
