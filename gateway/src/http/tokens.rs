//! `/api/tokens/revoke`: tokens taken back before their end.

use serde_json::{Value, json};
use slipstream_ports::{Revocation, RevocationKind};
use slipstream_protocol::{
    Timestamp,
    token::{Claims, Role},
};

use super::{
    fields::{Fields, string},
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult},
};
use crate::{
    app::Services,
    auth::{self, Credential, withdrawal},
};

/// Longest id of a token, or subject, bytes.
const MAX_VALUE: usize = 512;

/// `POST /api/tokens/revoke`.
pub(super) const OPERATIONS: &[Operation] = &[Operation::post(
    "/api/tokens/revoke",
    "people",
    Access::Token,
    "Revoke a token, by itself, its id or its subject; its connections are closed; those of others only as admin",
    &[
        ("token?", "string", "the token"),
        ("jti?", "string", "a token's id"),
        ("subject?", "string", "all tokens of this subject issued until now"),
    ],
    |r| Box::pin(async move { revoke(&r.services, r.claims()?, &r.body).await }),
)
.answering_200()];

/// An admin revokes any token or subject; whoever shows a token may revoke that one.
async fn revoke(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    let now = services.clock.now();
    let mut fields = Fields::of(body)?;
    let token = fields.optional("token", |value| credential(services, value, now));
    let id = fields.optional("jti", name);
    let subject = fields.optional("subject", name);
    let (Some(token), Some(id), Some(subject)) = (token, id, subject) else { return Err(fields.refusal()) };
    let (kind, value, until) = match (token, id, subject) {
        (Some(token), None, None) => {
            if claims.role != Role::Admin && claims.sub != token.claims.sub {
                return Err(ApiError::forbidden("revoke tokens of others; an admin's may"));
            }
            (RevocationKind::Token, token.id.to_string(), Some(token.expires_at))
        }
        (None, Some(id), None) => (RevocationKind::Token, id, None),
        (None, None, Some(subject)) => (RevocationKind::Subject, subject, None),
        _ => return Err(ApiError::invalid(vec!["one of the fields 'token', 'jti' and 'subject' is expected".to_owned()])),
    };
    if until.is_none() && claims.role != Role::Admin {
        return Err(ApiError::forbidden("revoke tokens by id or subject; an admin's may"));
    }
    let revocation = Revocation { kind, value: value.clone(), at: now, until, by: claims.sub.clone() };
    let closed = auth::revoke(services, revocation).await?;
    if kind == RevocationKind::Subject {
        revoke_keys_of(services, &value, claims).await?;
    }
    tracing::info!(kind = kind.as_str(), value, closed, by = claims.sub, "revoked");
    let field = if kind == RevocationKind::Token { "jti" } else { "subject" };
    Ok(reply::ok(now, json!({ field: value, "connectionsClosed": closed }), "revoked; connections that were open with it are closed"))
}

/// Deletes the API keys that a subject made, and closes what is open with them: whoever stole its token may have made one.
async fn revoke_keys_of(services: &Services, subject: &str, claims: &Claims) -> Result<(), ApiError> {
    for key in withdrawal::keys_of(&*services.records, subject).await? {
        services.records.delete_api_key(&key.id, None).await?;
        auth::revoke(services, withdrawal::of_key(&key.id, &claims.sub, services.clock.now())).await?;
    }
    Ok(())
}

fn credential(services: &Services, value: &Value, now: Timestamp) -> Result<Credential, String> {
    services.auth.verify(string(value)?.trim(), now).map_err(|error| error.message)
}

fn name(value: &Value) -> Result<String, String> {
    let name = string(value)?;
    if name.is_empty() || name.len() > MAX_VALUE { Err(format!("1 to {MAX_VALUE} bytes are expected")) } else { Ok(name.to_owned()) }
}
