//! `/api/auth` and `/api/users`: register, log in, and whom an admin lets in.

use std::time::Duration;

use serde_json::{Value, json};
use slipstream_actors::ports::User;
use slipstream_protocol::{
    ErrorCode, ProtocolError, VehicleId,
    token::{Claims, Role},
};

use super::{
    access::refused,
    fields::{Fields, id as id_field, string, text},
    paging::{listed, page_of},
    reply::{self, ApiError, ApiResult},
    routing::Route,
};
use crate::{app::Services, auth::password, media::new_id, rate::ClientAddress};

/// How long a token from a login lives.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// Longest email, characters (RFC 5321's bound on a path, less its brackets).
const MAX_EMAIL: usize = 254;

/// Longest name, characters.
const MAX_NAME: usize = 200;

/// `POST /api/auth/register`, `POST /api/auth/login`, `GET /api/auth/me`, `GET` and `POST /api/users`.
pub(super) const ROUTES: &[Route] = &[
    Route::post("/api/auth/register", |r| Box::pin(async move { register(&r.services, r.origin.address, &r.body).await })),
    Route::post("/api/auth/login", |r| Box::pin(async move { login(&r.services, r.origin.address, &r.body).await })),
    Route::get("/api/auth/me", |r| Box::pin(async move { Ok(reply::ok(r.services.clock.now(), &**r.claims()?, "what this token says")) })),
    Route::post("/api/users", |r| Box::pin(async move { create(&r.services, r.claims()?, &r.body).await })),
    Route::get("/api/users", |r| Box::pin(async move { list(&r.services, r.claims()?, &r.query).await })),
];

/// Anyone may register, as viewer. The very first user becomes admin.
async fn register(services: &Services, address: ClientAddress, body: &[u8]) -> ApiResult {
    // Each costs as much as a wrong password: hashing is slow on purpose.
    services.rates.attempt_from(address)?;
    services.rates.failure_from(address)?;
    let mut fields = Fields::of(body)?;
    let new = NewUser::of(&mut fields);
    let Some(new) = new else { return Err(fields.refusal()) };
    let user = new.keep(services, Role::Viewer, None).await?;
    let token = token_for(services, &user)?;
    Ok(reply::created(services.clock.now(), token, "user registered"))
}

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

async fn create(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    admin_only(claims)?;
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
    let user = new.keep(services, role, driver).await?;
    Ok(reply::created(services.clock.now(), view(&user), "user created"))
}

async fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    admin_only(claims)?;
    let page = page_of(query)?;
    let listing = services.records.users(page).await?;
    Ok(listed(services.clock.now(), page, listing, "users", |user| view(&user)))
}

fn admin_only(claims: &Claims) -> Result<(), ApiError> {
    if claims.role == Role::Admin { Ok(()) } else { Err(ApiError::forbidden("manage users; an admin's may")) }
}

/// What every new user brings.
struct NewUser {
    email: String,
    password: String,
    name: Option<String>,
}

impl NewUser {
    fn of(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", email);
        let password = fields.required("password", |value| {
            let given = string(value)?;
            if given.chars().count() < password::MIN_CHARS || given.len() > password::MAX_BYTES {
                return Err(format!("{} characters to {} bytes are expected", password::MIN_CHARS, password::MAX_BYTES));
            }
            Ok(given.to_owned())
        });
        let name = fields.optional("name", text(MAX_NAME));
        Some(Self { email: email?, password: password?, name: name? })
    }

    async fn keep(self, services: &Services, role: Role, driver: Option<VehicleId>) -> Result<User, ApiError> {
        let password_hash = password::hash(self.password).await?;
        let name = self.name.unwrap_or_else(|| self.email.split('@').next().unwrap_or_default().to_owned());
        let user = User { id: new_id(), email: self.email, name, role, driver, password_hash, created_at: services.clock.now() };
        Ok(services.records.create_user(user).await?)
    }
}

/// An email as far as its form tells: something, one `@`, something. Whether it exists only mail can tell.
fn email(value: &Value) -> Result<String, String> {
    let email = text(MAX_EMAIL)(value)?.to_lowercase();
    match email.split_once('@') {
        Some((name, host)) if !name.is_empty() && !host.is_empty() && !host.contains('@') && !email.contains(char::is_whitespace) => {
            Ok(email)
        }
        _ => Err("an email such as ann@example.org is expected".to_owned()),
    }
}

/// The word for a role.
pub(super) fn role(value: &Value) -> Result<Role, String> {
    let word = string(value)?;
    Role::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| {
        let words = Role::ALL.map(Role::as_str).join(", ");
        format!("one of {words} is expected")
    })
}

fn token_for(services: &Services, user: &User) -> Result<Value, ApiError> {
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
    let token = services.auth.mint(&claims).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_lower_cased_and_what_is_none_is_refused() {
        assert_eq!(email(&Value::from(" Ann@Example.ORG ")).unwrap(), "ann@example.org");
        for bad in ["ann", "@example.org", "ann@", "a@b@c", "a b@c.d", ""] {
            assert!(email(&Value::from(bad)).is_err(), "{bad}");
        }
    }
}
