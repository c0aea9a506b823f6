//! `/api/invites`: one-time codes by which people register.

use std::time::Duration;

use serde_json::{Value, json};
use slipstream_ports::{Invite, User};
use slipstream_protocol::{
    ErrorCode, Id, VehicleId,
    token::{Claims, Role},
};

use super::{
    fields::{Fields, id as id_field, string},
    operation::{Access, Operation, PAGE, ROLE},
    paging::{listed, page_of, path_id},
    registration::takes_invites,
    reply::{self, ApiError, ApiResult},
    users::{NewUser, role},
};
use crate::{
    app::Services,
    auth::{api_key::hash, one_time},
    config::duration,
    media::new_id,
};

/// How long a code works where nothing is said.
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long at most.
const MAX_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// `POST /api/invites`, `GET /api/invites` and `DELETE /api/invites/<id>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/invites",
        "people",
        Access::Admin,
        "Make a one-time code by which someone registers",
        &[
            ("role?", ROLE, "what the user will be; viewer where absent"),
            ("driverId?", "name", "the id a driver drives as"),
            ("ttl?", "string", "how long it works, as in 12h; 7d where absent"),
        ],
        |r| Box::pin(async move { create(&r.services, r.claims()?, &r.body).await }),
    ),
    Operation::get("/api/invites", "people", Access::Admin, "Invitations not used yet", PAGE, |r| {
        Box::pin(async move { list(&r.services, &r.query).await })
    })
    .list(),
    Operation::delete("/api/invites/{id}", "people", Access::Admin, "Take an invitation back", |r| {
        Box::pin(async move { delete(&r.services, r.parameter(0)).await })
    }),
];

async fn create(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    if !takes_invites(&services.config) {
        let message = "nobody registers here, not with a code either: set auth.registration = invite, or make the user by POST /api/users";
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    let mut fields = Fields::of(if body.is_empty() { b"{}" } else { body })?;
    let role = fields.optional("role", role);
    let driver = fields.optional("driverId", id_field::<VehicleId>);
    let life = fields.optional("ttl", life);
    let (Some(role), Some(driver), Some(life)) = (role, driver, life) else { return Err(fields.refusal()) };
    let role = role.unwrap_or(Role::Viewer);
    if role == Role::Driver && driver.is_none() {
        fields.breaks("driverId", "a user of role driver needs the id it drives as");
        return Err(fields.refusal());
    }
    let (now, code) = (services.clock.now(), one_time::make(one_time::INVITE));
    let invite = Invite {
        id: new_id(),
        hash: hash(&code),
        role,
        driver,
        created_by: claims.sub.clone(),
        created_at: now,
        expires_at: now.plus(life.unwrap_or(LIFE)),
    };
    services.records.create_invite(invite.clone()).await?;
    let mut shown = view(&invite);
    shown["code"] = code.into();
    Ok(reply::created(now, shown, "invitation made; its code is shown this once"))
}

async fn list(services: &Services, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let listing = services.records.invites(page).await?;
    Ok(listed(services.clock.now(), page, listing, "invitations not used yet", |invite| view(&invite)))
}

async fn delete(services: &Services, id: &str) -> ApiResult {
    let id: Id = path_id("id", id)?;
    if services.records.delete_invite(&id).await? {
        Ok(reply::ok(services.clock.now(), json!({ "id": id }), "invitation taken back"))
    } else {
        Err(ApiError::not_found(format_args!("the invitation '{id}'")))
    }
}

/// Uses up a code for a new user.
pub(super) async fn accept(services: &Services, code: &str, new: NewUser) -> Result<User, ApiError> {
    // Hashed before: a code taken out must not be lost to a fault in between.
    let user = new.into_user(services, Role::Viewer, None).await?;
    let Some(invite) = services.records.take_invite(&hash(code), services.clock.now()).await? else {
        let message = "the code of the invitation was used, taken back or has ended; ask for a new one";
        return Err(ApiError::new(ErrorCode::Forbidden, message));
    };
    let user = User { role: invite.role, driver: invite.driver.clone(), ..user };
    match services.records.add_user(user).await {
        Ok(user) => Ok(user),
        Err(error) => {
            // The email is taken, or the database went away: the code serves another try.
            services.records.create_invite(invite).await?;
            Err(error.into())
        }
    }
}

fn life(value: &Value) -> Result<Duration, String> {
    let life = duration::parse(string(value)?).filter(|life| !life.is_zero() && *life <= MAX_LIFE);
    life.ok_or_else(|| "a length of time such as 12h or 7d is expected, 90d at most".to_owned())
}

fn view(invite: &Invite) -> Value {
    json!({
        "id": invite.id,
        "role": invite.role,
        "driverId": invite.driver,
        "createdBy": invite.created_by,
        "createdAt": invite.created_at,
        "expiresAt": invite.expires_at,
    })
}
