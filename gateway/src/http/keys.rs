//! `/api/keys`: API keys, made and shown once, listed, deleted.

use serde::Deserialize as _;
use serde_json::{Value, json};
use slipstream_actors::ports::ApiKey;
use slipstream_protocol::{
    Id, VehicleId,
    token::{Claims, Role},
};

use super::{
    fields::{Fields, text},
    paging::{listed, page_of, path_id},
    reply::{self, ApiError, ApiResult},
    routing::Route,
    users::role,
};
use crate::{app::Services, auth::api_key, media::new_id};

/// Longest name, characters.
const MAX_NAME: usize = 200;

/// Most vehicle ids one key names.
const MAX_PUBLISH: usize = 1_000;

/// `POST /api/keys`, `GET /api/keys` and `DELETE /api/keys/<id>`.
pub(super) const ROUTES: &[Route] = &[
    Route::post("/api/keys", |r| Box::pin(async move { create(&r.services, r.claims()?, &r.body).await })),
    Route::get("/api/keys", |r| Box::pin(async move { list(&r.services, r.claims()?, &r.query).await })),
    Route::delete("/api/keys/{id}", |r| Box::pin(async move { delete(&r.services, r.claims()?, r.parameter(0)).await })),
];

async fn create(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    managers_only(claims)?;
    let mut fields = Fields::of(body)?;
    let name = fields.required("name", text(MAX_NAME));
    let role = fields.required("role", role);
    let publish = fields.optional("publish", publish);
    let (Some(name), Some(role), Some(publish)) = (name, role, publish) else {
        return Err(fields.refusal());
    };
    if role == Role::Admin && claims.role != Role::Admin {
        return Err(ApiError::forbidden("make keys of role admin"));
    }
    let now = services.clock.now();
    let secret = api_key::make();
    let hash = api_key::hash(&secret);
    let key = ApiKey { id: new_id(), name, role, publish, hash, owner: claims.sub.clone(), created_at: now };
    services.records.create_api_key(key.clone()).await?;
    let mut shown = view(&key);
    shown["key"] = secret.into();
    Ok(reply::created(now, shown, "key created; it is shown this once"))
}

async fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    managers_only(claims)?;
    let page = page_of(query)?;
    let listing = services.records.api_keys(owner(claims), page).await?;
    Ok(listed(services.clock.now(), page, listing, "keys", |key| view(&key)))
}

async fn delete(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    managers_only(claims)?;
    let id: Id = path_id("id", id)?;
    if services.records.delete_api_key(&id, owner(claims)).await? {
        Ok(reply::ok(services.clock.now(), json!({ "id": id }), "key deleted"))
    } else {
        Err(ApiError::not_found(format_args!("the key '{id}'")))
    }
}

fn managers_only(claims: &Claims) -> Result<(), ApiError> {
    if claims.may_manage() { Ok(()) } else { Err(ApiError::forbidden("manage keys")) }
}

/// Whose keys a caller sees: an admin everyone's, others their own.
fn owner(claims: &Claims) -> Option<&str> {
    (claims.role != Role::Admin).then_some(claims.sub.as_str())
}

/// Vehicle ids, or `*`.
fn publish(value: &Value) -> Result<Vec<String>, String> {
    let ids: Vec<String> = Vec::deserialize(value).map_err(|_| "a list of vehicle ids is expected".to_owned())?;
    if ids.len() > MAX_PUBLISH {
        return Err(format!("at most {MAX_PUBLISH} vehicle ids are taken"));
    }
    match ids.iter().find(|id| *id != "*" && VehicleId::new(id).is_err()) {
        Some(bad) => Err(format!("'{}' is not a vehicle id", bad.chars().take(40).collect::<String>())),
        None => Ok(ids),
    }
}

fn view(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "publish": key.publish,
        "owner": key.owner,
        "createdAt": key.created_at,
    })
}
