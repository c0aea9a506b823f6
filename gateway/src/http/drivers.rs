//! `/api/drivers` and `/api/teams`: read and change who drives, and for whom.

use serde_json::{Value, json};
use slipstream_ports::{Driver, Listing, Page, Team, TelemetrySpan};
use slipstream_protocol::{Id, VehicleId, token::Claims};

use super::{
    fields::{Fields, id as id_field, text},
    operation::{Access, Operation, PAGE},
    paging::{listed, page_of, path_id},
    reply::{self, ApiError, ApiResult},
};
use crate::app::Services;

/// Longest name, characters.
const MAX_NAME: usize = 200;

/// `GET /api/drivers`, `GET` and `PUT /api/drivers/<id>`, `GET /api/teams`, `PUT /api/teams/<id>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/drivers", "drivers", Access::Token, "Drivers", PAGE, |r| {
        Box::pin(async move { list(&r.services, r.claims()?, &r.query).await })
    })
    .list(),
    Operation::get("/api/drivers/{id}", "drivers", Access::Token, "A driver", &[], |r| {
        Box::pin(async move { read(&r.services, r.claims()?, r.parameter(0)).await })
    }),
    Operation::put(
        "/api/drivers/{id}",
        "drivers",
        Access::Manager,
        "Write a driver down",
        &[("name", "text 200", "for people"), ("teamId?", "id", "for whom")],
        |r| Box::pin(async move { put(&r.services, r.parameter(0), &r.body).await }),
    ),
    Operation::get("/api/teams", "drivers", Access::Token, "Teams", PAGE, |r| Box::pin(async move { teams(&r.services, &r.query).await }))
        .list(),
    Operation::put("/api/teams/{id}", "drivers", Access::Manager, "Write a team down", &[("name", "text 200", "for people")], |r| {
        Box::pin(async move { put_team(&r.services, r.parameter(0), &r.body).await })
    }),
];

async fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let listing = match claims.vehicles_heard_of() {
        None => services.records.drivers(page).await?,
        Some(heard) => drivers_among(services, &heard, page).await?,
    };
    Ok(listed(services.clock.now(), page, listing, "drivers", |driver| view(&driver)))
}

/// The drivers among these ids, which a token names one by one.
async fn drivers_among(services: &Services, ids: &[VehicleId], page: Page) -> Result<Listing<Driver>, ApiError> {
    let mut known = Vec::new();
    for id in ids {
        known.extend(services.records.driver(id).await?);
    }
    let total = known.len() as u64;
    let skipped = usize::try_from(page.offset()).unwrap_or(usize::MAX);
    let entries = known.into_iter().skip(skipped).take(page.size as usize).collect();
    Ok(Listing { entries, total })
}

/// A driver, with what telemetry there is of it.
async fn read(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let id: VehicleId = path_id("id", id)?;
    if !claims.may_hear_of(&id) {
        return Err(ApiError::forbidden(format_args!("read the driver '{id}'")));
    }
    let found = services.records.driver(&id).await?.ok_or_else(|| ApiError::not_found(format_args!("the driver '{id}'")))?;
    let spans = services.records.telemetry_spans(&id).await?;
    let mut shown = view(&found);
    shown["telemetry"] = spans.iter().map(span).collect();
    Ok(reply::ok(services.clock.now(), shown, "driver"))
}

async fn put(services: &Services, id: &str, body: &[u8]) -> ApiResult {
    let id: VehicleId = path_id("id", id)?;
    let mut fields = Fields::of(body)?;
    let name = fields.required("name", text(MAX_NAME));
    let team = fields.optional("teamId", id_field::<Id>);
    let (Some(name), Some(team)) = (name, team) else {
        return Err(fields.refusal());
    };
    let now = services.clock.now();
    let kept = services.records.put_driver(Driver { id, name, team, created_at: now }).await?;
    Ok(reply::ok(now, view(&kept), "driver kept"))
}

async fn teams(services: &Services, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let listing = services.records.teams(page).await?;
    Ok(listed(services.clock.now(), page, listing, "teams", |team| team_view(&team)))
}

async fn put_team(services: &Services, id: &str, body: &[u8]) -> ApiResult {
    let id: Id = path_id("id", id)?;
    let mut fields = Fields::of(body)?;
    let Some(name) = fields.required("name", text(MAX_NAME)) else {
        return Err(fields.refusal());
    };
    let now = services.clock.now();
    let kept = services.records.put_team(Team { id, name, created_at: now }).await?;
    Ok(reply::ok(now, team_view(&kept), "team kept"))
}

fn view(driver: &Driver) -> Value {
    json!({ "id": driver.id, "name": driver.name, "teamId": driver.team, "createdAt": driver.created_at })
}

fn team_view(team: &Team) -> Value {
    json!({ "id": team.id, "name": team.name, "createdAt": team.created_at })
}

fn span(span: &TelemetrySpan) -> Value {
    json!({ "sessionId": span.session, "first": span.first, "last": span.last, "samples": span.samples })
}
