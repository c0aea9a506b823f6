//! `/api/tracks`: read and change tracks.

use serde_json::{Value, json};
use slipstream_ports::Track;
use slipstream_protocol::Id;

use super::{
    fields::{Fields, positive, text},
    operation::{Access, Operation, PAGE},
    paging::{listed, page_of, path_id},
    reply::{self, ApiError, ApiResult},
};
use crate::app::Services;

/// Longest name, characters.
const MAX_NAME: usize = 200;

/// `GET /api/tracks`, `GET /api/tracks/<id>` and `PUT /api/tracks/<id>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/tracks", "drivers", Access::Token, "Tracks", PAGE, |r| Box::pin(async move { list(&r.services, &r.query).await }))
        .list(),
    Operation::get("/api/tracks/{id}", "drivers", Access::Token, "A track", &[], |r| {
        Box::pin(async move { read(&r.services, r.parameter(0)).await })
    }),
    Operation::put(
        "/api/tracks/{id}",
        "drivers",
        Access::Manager,
        "Write a track down",
        &[("name", "text 200", "for people"), ("lengthM?", "number", "metres, above 0")],
        |r| Box::pin(async move { put(&r.services, r.parameter(0), &r.body).await }),
    ),
];

async fn list(services: &Services, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let listing = services.records.tracks(page).await?;
    Ok(listed(services.clock.now(), page, listing, "tracks", |track| view(&track)))
}

async fn read(services: &Services, id: &str) -> ApiResult {
    let id: Id = path_id("id", id)?;
    let found = services.records.track(&id).await?.ok_or_else(|| ApiError::not_found(format_args!("the track '{id}'")))?;
    Ok(reply::ok(services.clock.now(), view(&found), "track"))
}

async fn put(services: &Services, id: &str, body: &[u8]) -> ApiResult {
    let id = path_id("id", id)?;
    let mut fields = Fields::of(body)?;
    let name = fields.required("name", text(MAX_NAME));
    let length_m = fields.optional("lengthM", positive);
    let (Some(name), Some(length_m)) = (name, length_m) else {
        return Err(fields.refusal());
    };
    let now = services.clock.now();
    let kept = services.records.put_track(Track { id, name, length_m, created_at: now }).await?;
    Ok(reply::ok(now, view(&kept), "track kept"))
}

fn view(track: &Track) -> Value {
    json!({ "id": track.id, "name": track.name, "lengthM": track.length_m, "createdAt": track.created_at })
}
