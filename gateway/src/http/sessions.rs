//! `/api/sessions`: open one, read one, list a driver's or all.

use serde_json::{Value, json};
use slipstream_ports::Session;
use slipstream_protocol::{Channel, ChannelKind, Id, SessionId, VehicleId, token::Claims};

use super::{
    fields::{Fields, id, text},
    operation::{Access, NUMBER, Operation, PAGE, SIZE},
    paging::{id_in, listed, page_of, path_id},
    reply::{self, ApiError, ApiResult},
};
use crate::{app::Services, media::new_id};

/// Longest name, characters.
const MAX_NAME: usize = 200;

/// `POST /api/sessions`, `GET /api/sessions` and `GET /api/sessions/<session or driver>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/sessions",
        "sessions",
        Access::Token,
        "Open a session",
        &[("driverId", "name", "whose"), ("name", "text 200", "what it is called"), ("trackId?", "id", "where")],
        |r| Box::pin(async move { create(&r.services, r.claims()?, &r.body).await }),
    ),
    Operation::get("/api/sessions", "sessions", Access::Token, "Sessions", &[("driverId?", "name", "of this driver"), NUMBER, SIZE], |r| {
        Box::pin(async move { list(&r.services, r.claims()?, &r.query).await })
    })
    .list(),
    Operation::get(
        "/api/sessions/{id}",
        "sessions",
        Access::Token,
        "The session of this id, or the sessions of the driver of this id",
        PAGE,
        |r| Box::pin(async move { read(&r.services, r.claims()?, r.parameter(0), &r.query).await }),
    )
    .either(),
];

async fn create(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    let now = services.clock.now();
    let mut fields = Fields::of(body)?;
    let driver = fields.required("driverId", id::<VehicleId>);
    let name = fields.required("name", text(MAX_NAME));
    let track = fields.optional("trackId", id::<Id>);
    let (Some(driver), Some(name), Some(track)) = (driver, name, track) else {
        return Err(fields.refusal());
    };
    if !claims.may_manage_vehicle(&driver) {
        return Err(ApiError::forbidden(format_args!("open a session of '{driver}'")));
    }
    let session = Session { id: SessionId::from(new_id()), driver, name, track, created_at: now };
    let session = services.records.create_session(session).await?;
    Ok(reply::created(now, view(&session), "session created"))
}

async fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    let driver: Option<VehicleId> = id_in(query, "driverId")?;
    let allowed = match &driver {
        Some(driver) => claims.may_hear(&Channel::one(ChannelKind::Telemetry, driver.clone())),
        None => claims.may_hear(&Channel::all(ChannelKind::Session)),
    };
    if !allowed {
        return Err(ApiError::forbidden("read these sessions; ask for one by its id, or for those of a driver you may hear"));
    }
    let page = page_of(query)?;
    let listing = services.records.sessions(driver.as_ref(), page).await?;
    Ok(listed(services.clock.now(), page, listing, "sessions", |session| view(&session)))
}

/// A session's id gives that session, a driver's id that driver's sessions.
async fn read(services: &Services, claims: &Claims, id: &str, query: &str) -> ApiResult {
    let id: Id = path_id("id", id)?;
    let now = services.clock.now();
    let session = SessionId::from(id.clone());
    if let Some(found) = services.records.session(&session).await? {
        if !claims.may_hear(&Channel::one(ChannelKind::Session, session)) {
            return Err(ApiError::forbidden(format_args!("read the session '{id}'")));
        }
        return Ok(reply::ok(now, view(&found), "session"));
    }
    let driver = VehicleId::from(id);
    if services.records.driver(&driver).await?.is_none() {
        return Err(ApiError::not_found(format_args!("a session or driver '{driver}'")));
    }
    if !claims.may_hear(&Channel::one(ChannelKind::Telemetry, driver.clone())) {
        return Err(ApiError::forbidden(format_args!("read the sessions of '{driver}'")));
    }
    let page = page_of(query)?;
    let listing = services.records.sessions(Some(&driver), page).await?;
    Ok(listed(now, page, listing, "sessions of the driver", |session| view(&session)))
}

fn view(session: &Session) -> Value {
    json!({
        "id": session.id,
        "driverId": session.driver,
        "name": session.name,
        "trackId": session.track,
        "createdAt": session.created_at,
    })
}
