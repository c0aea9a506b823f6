//! How someone becomes a user: `/api/auth/register`, and `/api/auth/setup` for the first admin.

use http::HeaderMap;
use slipstream_protocol::{ErrorCode, ProtocolError, token::Role};

use super::{
    access::refused,
    cors::names_this_machine,
    fields::{Fields, string},
    invites,
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult},
    users::{NewUser, token_for},
};
use crate::{
    app::Services,
    config::{Config, Registration},
    rate::ClientAddress,
};

/// Headers by which a proxy says that a request comes from elsewhere.
const FORWARDED: [&str; 13] = [
    "cdn-loop",
    "cf-connecting-ip",
    "fastly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// `POST /api/auth/register` and `POST /api/auth/setup`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/auth/register",
        "people",
        Access::Open,
        "Register as viewer, or as an invitation says, where auth.registration lets one; on this machine the very first becomes admin",
        &[
            ("email", "text 254", "login name"),
            ("password", "string", "kept as an argon2 hash"),
            ("name?", "text 200", "for people"),
            ("invite?", "string", "the one-time code of an invitation"),
        ],
        |r| Box::pin(async move { register(&r.services, r.origin.address, &r.headers, &r.body).await }),
    ),
    Operation::post(
        "/api/auth/setup",
        "people",
        Access::Open,
        "Become the first admin, by the one-time code that the log shows while there is none",
        &[
            ("code", "string", "what follows # in the link"),
            ("email", "text 254", "login name"),
            ("password", "string", "kept as an argon2 hash"),
            ("name?", "text 200", "for people"),
        ],
        |r| Box::pin(async move { setup(&r.services, r.origin.address, &r.body).await }),
    ),
];

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Closed,
    /// Whoever has a one-time code.
    Invite,
    /// Anyone, as viewer.
    Open,
    /// Anyone on this machine, which alone reaches the server. The very first one becomes admin.
    ThisMachine,
}

impl Door {
    fn of(config: &Config, address: ClientAddress, headers: &HeaderMap) -> Self {
        let is_local = config.bind.is_loopback()
            && address.is_loopback()
            && names_this_machine(&http::Uri::default(), headers)
            && !FORWARDED.iter().any(|name| headers.contains_key(*name));
        match config.auth.registration {
            Some(Registration::Invite) => Self::Invite,
            Some(Registration::Open) | None if is_local => Self::ThisMachine,
            Some(Registration::Open) => Self::Open,
            Some(Registration::Closed) | None => Self::Closed,
        }
    }

    fn refusal(self) -> ApiError {
        let message = match self {
            Self::Invite => "registering takes a one-time code of an admin here (field 'invite')",
            _ => "nobody registers here: an admin lets people in (POST /api/users); auth.registration = invite or open would change that",
        };
        ApiError::new(ErrorCode::Forbidden, message)
    }
}

/// Whether one-time codes are taken at all.
pub(super) fn takes_invites(config: &Config) -> bool {
    config.auth.registration.map_or(config.bind.is_loopback(), |registration| registration != Registration::Closed)
}

/// Registers a viewer, or what an invitation says.
async fn register(services: &Services, address: ClientAddress, headers: &HeaderMap, body: &[u8]) -> ApiResult {
    // Each costs as much as a wrong password: hashing is slow on purpose.
    services.rates.attempt_from(address)?;
    services.rates.failure_from(address)?;
    let door = Door::of(&services.config, address, headers);
    let mut fields = Fields::of(body)?;
    let code = fields.optional("invite", |value| string(value).map(ToOwned::to_owned));
    let is_closed = match &code {
        Some(None) => matches!(door, Door::Closed | Door::Invite),
        _ => !takes_invites(&services.config),
    };
    if is_closed {
        return Err(door.refusal());
    }
    let new = NewUser::of(&mut fields);
    let (Some(new), Some(code)) = (new, code) else { return Err(fields.refusal()) };
    let user = if let Some(code) = code {
        invites::accept(services, &code, new).await?
    } else {
        let user = new.into_user(services, Role::Viewer, None).await?;
        let kept = if door == Door::ThisMachine { services.records.create_user(user) } else { services.records.add_user(user) };
        kept.await?
    };
    Ok(reply::created(services.clock.now(), token_for(services, &user)?, "user registered"))
}

/// Makes the first admin, for whoever has the one-time code of the log.
async fn setup(services: &Services, address: ClientAddress, body: &[u8]) -> ApiResult {
    services.rates.attempt_from(address)?;
    let mut fields = Fields::of(body)?;
    let code = fields.required("code", |value| string(value).map(ToOwned::to_owned));
    let new = NewUser::of(&mut fields);
    let (Some(code), Some(new)) = (code, new) else { return Err(fields.refusal()) };
    let over = "the set-up link was used, has ended, or there is an admin already; a restart prints a new one while there is none, \
                and `slipstream user add <email> --role admin` works always";
    // Taken before the password is hashed: of two uses at once one is refused.
    let Some(end) = services.setup.take(&code, services.clock.now()) else {
        return Err(refused(services, address, ProtocolError::new(ErrorCode::Unauthorized, over)));
    };
    let kept = match new.into_user(services, Role::Admin, None).await {
        Ok(user) => services.records.add_first_admin(user).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    match kept {
        Ok(Some(user)) => {
            tracing::info!(email = user.email, "the first admin is made");
            Ok(reply::created(services.clock.now(), token_for(services, &user)?, "you are the admin"))
        }
        Ok(None) => Err(ApiError::new(ErrorCode::Conflict, over)),
        Err(error) => {
            services.setup.put_back(&code, end);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn door(bind: &str, registration: Option<Registration>, peer: &str, headers: &[(&'static str, &'static str)]) -> Door {
        let mut config = Config { bind: bind.parse().unwrap(), ..Config::default() };
        config.auth.registration = registration;
        let headers: HeaderMap =
            headers.iter().map(|(n, v)| (http::HeaderName::from_static(n), http::HeaderValue::from_static(v))).collect();
        let peer: IpAddr = peer.parse().unwrap();
        Door::of(&config, ClientAddress::of(Some(peer), Some(&headers), &config.rate.proxies), &headers)
    }

    #[test]
    fn by_default_registration_is_for_this_machine_alone() {
        let local = [("host", "localhost:8080")];
        for (bind, peer) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.2", "127.0.0.1")] {
            assert_eq!(door(bind, None, peer, &local), Door::ThisMachine, "{bind}");
        }
        for bind in ["0.0.0.0", "::", "192.0.2.7"] {
            assert_eq!(door(bind, None, "127.0.0.1", &local), Door::Closed, "{bind}");
        }
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
            ("x-real-ip", "203.0.113.9"),
            ("via", "1.1 proxy"),
            ("x-forwarded-proto", "https"),
            ("cf-connecting-ip", "203.0.113.9"),
        ] {
            assert_eq!(door("127.0.0.1", None, "127.0.0.1", &[("host", "localhost"), (name, value)]), Door::Closed, "{name}");
        }
        assert_eq!(door("127.0.0.1", None, "127.0.0.1", &[("host", "evil.example:8080")]), Door::Closed, "a name made to lead here");
    }

    #[test]
    fn a_setting_counts_everywhere_and_only_this_machine_makes_an_admin() {
        let local = [("host", "127.0.0.1:8080")];
        assert_eq!(door("0.0.0.0", Some(Registration::Open), "203.0.113.9", &local), Door::Open);
        assert_eq!(door("0.0.0.0", Some(Registration::Open), "127.0.0.1", &local), Door::Open, "a proxy may stand there");
        assert_eq!(door("127.0.0.1", Some(Registration::Open), "127.0.0.1", &local), Door::ThisMachine);
        assert_eq!(door("127.0.0.1", Some(Registration::Open), "127.0.0.1", &[("host", "pit.example")]), Door::Open);
        for registration in [Registration::Closed, Registration::Invite] {
            assert_ne!(door("127.0.0.1", Some(registration), "127.0.0.1", &local), Door::ThisMachine);
        }
    }
}
