//! `/api/auth` and `/api/users`: log in, and whom an admin lets in, changes and removes.

use serde_json::{Value, json};
use slipstream_ports::{ApiKey, User};
use slipstream_protocol::{
    ErrorCode, Id, ProtocolError, VehicleId,
    token::{Claims, Role},
};

use super::{
    access::refused,
    fields::{Fields, id as id_field, string, text},
    operation::{Access, Operation, PAGE, ROLE},
    paging::{listed, page_of, path_id},
    reply::{self, ApiError, ApiResult},
};
use crate::{
    app::Services,
    auth::{
        self, password,
        withdrawal::{self, TOKEN_LIFE},
    },
    media::new_id,
    rate::ClientAddress,
};

/// Longest name, characters.
const MAX_NAME: usize = 200;

/// `POST /api/auth/login`, `GET /api/auth/me`, `GET` and `POST /api/users`, `PUT` and `DELETE /api/users/<id>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/auth/login",
        "people",
        Access::Open,
        "Log in; answers a token",
        &[("email", "text 254", ""), ("password", "string", "")],
        |r| Box::pin(async move { login(&r.services, r.origin.address, &r.body).await }),
    )
    .answering_200(),
    Operation::get("/api/auth/me", "people", Access::Token, "What the caller's token says", &[], |r| {
        Box::pin(async move { Ok(reply::ok(r.services.clock.now(), &**r.claims()?, "what this token says")) })
    }),
    Operation::post(
        "/api/users",
        "people",
        Access::Admin,
        "Let someone in",
        &[
            ("email", "text 254", "login name"),
            ("password", "string", "at first"),
            ("role", ROLE, "what it may"),
            ("name?", "text 200", "for people"),
            ("driverId?", "name", "the id a driver drives as"),
        ],
        |r| Box::pin(async move { create(&r.services, &r.body).await }),
    ),
    Operation::get("/api/users", "people", Access::Admin, "Users", PAGE, |r| Box::pin(async move { list(&r.services, &r.query).await }))
        .list(),
    Operation::put(
        "/api/users/{id}",
        "people",
        Access::Admin,
        "Change a user; its tokens are revoked",
        &[
            ("role?", ROLE, "what it may"),
            ("password?", "string", "a new one"),
            ("name?", "text 200", "for people"),
            ("driverId?", "name", "the id a driver drives as"),
        ],
        |r| Box::pin(async move { change(&r.services, r.claims()?, r.parameter(0), &r.body).await }),
    ),
    Operation::delete("/api/users/{id}", "people", Access::Admin, "Remove a user, its tokens and the API keys it made", |r| {
        Box::pin(async move { remove(&r.services, r.claims()?, r.parameter(0)).await })
    }),
];

/// Who fails too often is turned away before the password is looked at.
async fn login(services: &Services, address: ClientAddress, body: &[u8]) -> ApiResult {
    services.rates.attempt_from(address)?;
    let mut fields = Fields::of(body)?;
    let email = fields.required("email", email);
    let given = fields.required("password", |value| string(value).map(ToOwned::to_owned));
    let (Some(email), Some(given)) = (email, given) else {
        return Err(fields.refusal());
    };
    let user = services.records.user_by_email(&email).await?;
    let right = password::verify(given, user.as_ref().map(|user| user.password_hash.clone())).await?;
    let wrong = || refused(services, address, ProtocolError::new(ErrorCode::Unauthorized, "the email or the password is wrong"));
    let user = user.filter(|_| right).ok_or_else(wrong)?;
    let token = token_for(services, &user)?;
    Ok(reply::ok(services.clock.now(), token, "logged in"))
}

async fn create(services: &Services, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let new = NewUser::of(&mut fields);
    let role = fields.required("role", role);
    let driver = fields.optional("driverId", id_field::<VehicleId>);
    if role == Some(Role::Driver) && driver == Some(None) {
        fields.breaks("driverId", "a user of role driver needs the id it drives as");
        return Err(fields.refusal());
    }
    let (Some(new), Some(role), Some(driver)) = (new, role, driver) else {
        return Err(fields.refusal());
    };
    let user = services.records.add_user(new.into_user(services, role, driver).await?).await?;
    Ok(reply::created(services.clock.now(), view(&user), "user created"))
}

async fn list(services: &Services, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let listing = services.records.users(page).await?;
    Ok(listed(services.clock.now(), page, listing, "users", |user| view(&user)))
}

/// Changes role, name, driver or password. What the user holds of tokens is revoked: it logs in again as what it is now.
async fn change(services: &Services, claims: &Claims, id: &str, body: &[u8]) -> ApiResult {
    let id: Id = path_id("id", id)?;
    let mut user = find(services, &id).await?;
    let mut fields = Fields::of(body)?;
    let name = fields.optional("name", text(MAX_NAME));
    let role = fields.optional("role", role);
    let driver = fields.optional("driverId", id_field::<VehicleId>);
    let password = fields.optional("password", password_text);
    let (Some(name), Some(role), Some(driver), Some(password)) = (name, role, driver, password) else {
        return Err(fields.refusal());
    };
    user.role = role.unwrap_or(user.role);
    user.driver = driver.or(user.driver);
    user.name = name.unwrap_or(user.name);
    if user.role == Role::Driver && user.driver.is_none() {
        fields.breaks("driverId", "a user of role driver needs the id it drives as");
    }
    fields.whole()?;
    if let Some(password) = password {
        user.password_hash = password::hash(password).await?;
    }
    let keys = withdrawal::keys_of(&*services.records, id.as_str()).await?;
    if !services.records.change_user(user.clone()).await? {
        return Err(last_admin());
    }
    withdraw(services, &id, &keys, claims).await?;
    Ok(reply::ok(services.clock.now(), view(&user), "user changed; its tokens are revoked"))
}

async fn remove(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let id: Id = path_id("id", id)?;
    let user = find(services, &id).await?;
    let keys = withdrawal::keys_of(&*services.records, id.as_str()).await?;
    if !services.records.remove_user(&id).await? {
        return Err(last_admin());
    }
    withdraw(services, &id, &keys, claims).await?;
    Ok(reply::ok(services.clock.now(), view(&user), "user removed; its tokens and the API keys it made are revoked"))
}

async fn find(services: &Services, id: &Id) -> Result<User, ApiError> {
    services.records.user(id).await?.ok_or_else(|| ApiError::not_found(format_args!("the user '{id}'")))
}

fn last_admin() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "it is the last admin: make another one first")
}

/// Revokes what the user held, and closes the connections open with it.
async fn withdraw(services: &Services, user: &Id, keys: &[ApiKey], claims: &Claims) -> Result<(), ApiError> {
    let now = services.clock.now();
    for revocation in withdrawal::after_change(&*services.records, user, keys, &claims.sub, now).await? {
        auth::revoke(services, revocation).await?;
    }
    Ok(())
}

/// What every new user brings.
pub(super) struct NewUser {
    email: String,
    password: String,
    name: Option<String>,
}

impl NewUser {
    pub(super) fn of(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", email);
        let password = fields.required("password", password_text);
        let name = fields.optional("name", text(MAX_NAME));
        Some(Self { email: email?, password: password?, name: name? })
    }

    /// The user to keep, its password hashed.
    pub(super) async fn into_user(self, services: &Services, role: Role, driver: Option<VehicleId>) -> Result<User, ApiError> {
        let password_hash = password::hash(self.password).await?;
        let name = self.name.unwrap_or_else(|| self.email.split('@').next().unwrap_or_default().to_owned());
        Ok(User { id: new_id(), email: self.email, name, role, driver, password_hash, created_at: services.clock.now() })
    }
}

/// A password as long as it may be.
fn password_text(value: &Value) -> Result<String, String> {
    let given = string(value)?;
    password::check(given).map(|()| given.to_owned())
}

/// An email as [`auth::email`] takes it.
fn email(value: &Value) -> Result<String, String> {
    auth::email(&text(auth::MAX_EMAIL)(value)?)
}

/// The word for a role.
pub(super) fn role(value: &Value) -> Result<Role, String> {
    let word = string(value)?;
    Role::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| {
        let words = Role::ALL.map(Role::as_str).join(", ");
        format!("one of {words} is expected")
    })
}

pub(super) fn token_for(services: &Services, user: &User) -> Result<Value, ApiError> {
    let now = services.clock.now();
    let expires_at = now.plus(TOKEN_LIFE);
    let publish = match user.role {
        Role::Driver => user.driver.as_ref().map(|driver| vec![driver.to_string()]),
        _ => None,
    };
    let claims = Claims {
        sub: user.id.to_string(),
        exp: expires_at.micros() / 1_000_000,
        iat: Some(now.micros() / 1_000_000),
        role: user.role,
        channels: None,
        publish,
    };
    let token = services.auth.issue(&claims, now).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(json!({ "token": token, "tokenType": "Bearer", "expiresAt": expires_at, "user": view(user) }))
}

fn view(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "driverId": user.driver,
        "createdAt": user.created_at,
    })
}
