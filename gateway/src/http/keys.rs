//! `/api/keys`: API keys, made and shown once, listed, deleted.

use serde::Deserialize as _;
use serde_json::{Value, json};
use slipstream_ports::ApiKey;
use slipstream_protocol::{
    Channel, Id, Timestamp, VehicleId,
    token::{Claims, Role},
};

use super::{
    fields::{Fields, text, time},
    operation::{Access, Operation, PAGE, ROLE},
    paging::{listed, page_of, path_id},
    reply::{self, ApiError, ApiResult},
    users::role,
};
use crate::{
    app::Services,
    auth::{self, api_key, withdrawal},
    media::new_id,
};

/// Longest name, characters.
const MAX_NAME: usize = 200;

/// Most vehicle ids, and most channels, one key names.
const MAX_PUBLISH: usize = 1_000;

/// `POST /api/keys`, `GET /api/keys` and `DELETE /api/keys/<id>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/keys",
        "people",
        Access::Manager,
        "Make an API key, of at most one's own rights and life",
        &[
            ("name", "text 200", "what it is for"),
            ("role", ROLE, "what it may"),
            ("channels?", "ids", "channels it may hear; all where absent"),
            ("publish?", "ids", "ids it may publish for"),
            ("expiresAt?", "time", "when it ends; where absent never for an admin's, with the own token for an engineer's"),
        ],
        |r| Box::pin(async move { create(&r.services, r.claims()?, &r.body).await }),
    ),
    Operation::get("/api/keys", "people", Access::Manager, "API keys: an admin's sees all, others their own", PAGE, |r| {
        Box::pin(async move { list(&r.services, r.claims()?, &r.query).await })
    })
    .list(),
    Operation::delete("/api/keys/{id}", "people", Access::Manager, "Take an API key back; its connections are closed", |r| {
        Box::pin(async move { delete(&r.services, r.claims()?, r.parameter(0)).await })
    }),
];

async fn create(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let name = fields.required("name", text(MAX_NAME));
    let role = fields.required("role", role);
    let publish = fields.optional("publish", publish);
    let channels = fields.optional("channels", channels);
    let now = services.clock.now();
    let expires_at =
        fields.optional("expiresAt", |value| time(value).and_then(|end| if end > now { Ok(end) } else { Err("it has passed".to_owned()) }));
    let (Some(name), Some(role), Some(publish), Some(channels), Some(expires_at)) = (name, role, publish, channels, expires_at) else {
        return Err(fields.refusal());
    };
    // Where nothing is said an admin's key lives until it is deleted, another's as long as the token that made it.
    let own_end = (claims.role != Role::Admin).then(|| Timestamp::from_micros(claims.exp.saturating_mul(1_000_000)));
    let expires_at = expires_at.or(own_end);
    let secret = api_key::make();
    let hash = api_key::hash(&secret);
    let key = ApiKey { id: new_id(), name, role, channels, publish, hash, owner: claims.sub.clone(), created_at: now, expires_at };
    let beyond = api_key::beyond(claims, &key);
    if !beyond.is_empty() {
        let refusal = ApiError::forbidden("make a key that goes beyond itself");
        return Err(ApiError { details: beyond, ..refusal });
    }
    services.records.create_api_key(key.clone()).await?;
    let mut shown = view(&key);
    shown["key"] = secret.into();
    Ok(reply::created(now, shown, "key created; it is shown this once"))
}

async fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let listing = services.records.api_keys(owner(claims), page).await?;
    Ok(listed(services.clock.now(), page, listing, "keys", |key| view(&key)))
}

async fn delete(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let id: Id = path_id("id", id)?;
    if services.records.delete_api_key(&id, owner(claims)).await? {
        // The key is gone; this ends the connections that are open with it, on other servers of the database too.
        auth::revoke(services, withdrawal::of_key(&id, &claims.sub, services.clock.now())).await?;
        Ok(reply::ok(services.clock.now(), json!({ "id": id }), "key deleted"))
    } else {
        Err(ApiError::not_found(format_args!("the key '{id}'")))
    }
}

/// Whose keys a caller sees: an admin everyone's, others their own.
fn owner(claims: &Claims) -> Option<&str> {
    (claims.role != Role::Admin).then_some(claims.sub.as_str())
}

/// Channels such as `telemetry:ALB` and `session:*`.
fn channels(value: &Value) -> Result<Vec<Channel>, String> {
    let list: Vec<Channel> = Vec::deserialize(value).map_err(|error| error.to_string())?;
    if list.len() > MAX_PUBLISH { Err(format!("at most {MAX_PUBLISH} channels are taken")) } else { Ok(list) }
}

/// Vehicle ids, or `*`.
fn publish(value: &Value) -> Result<Vec<String>, String> {
    let ids: Vec<String> = Vec::deserialize(value).map_err(|_| "a list of vehicle ids is expected".to_owned())?;
    if ids.len() > MAX_PUBLISH {
        return Err(format!("at most {MAX_PUBLISH} vehicle ids are taken"));
    }
    // By id, whatever name was given: a name may hold the space that separates them in the records.
    let id = |text: &String| match VehicleId::new(text) {
        _ if text == "*" => Ok(text.clone()),
        Ok(id) => Ok(id.to_string()),
        Err(_) => Err(format!("'{}' is not a vehicle id", text.chars().take(40).collect::<String>())),
    };
    ids.iter().map(id).collect()
}

fn view(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "channels": key.channels,
        "publish": key.publish,
        "expiresAt": key.expires_at,
        "owner": key.owner,
        "createdAt": key.created_at,
    })
}
