//! Tokens: minting, checking, the secret under `DATA_DIR`.

pub mod api_key;
mod credential;
mod email;
mod hs256;
mod jwt;
pub mod one_time;
pub mod password;
mod revocations;
mod secret_file;
pub mod setup;
mod verified;
pub mod withdrawal;

use std::{borrow::Cow, sync::Arc};

use hs256::Key;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use slipstream_protocol::{
    ErrorCode, ProtocolError, Timestamp,
    token::{Claims, Role},
};

use crate::{config::Config, percent};
pub use credential::Credential;
pub use email::{MAX_EMAIL, email};
pub use revocations::{Registered, Revocations, keep_current, revoke};
use verified::Verified;

/// Why tokens cannot be signed or checked.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The secret under `DATA_DIR` could not be read or made.
    #[error("the token secret {path} cannot be read or made: {source}; set JWT_SECRET or mend DATA_DIR")]
    Secret {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Signing failed.
    #[error("a token could not be signed: {0}")]
    Sign(#[from] serde_json::Error),
}

impl AuthError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// The audience of tokens where none is set.
pub const AUDIENCE: &str = "slipstream";

/// Signs and checks tokens (HS256 JWT, nothing else is accepted).
pub struct Auth {
    key: Key,
    audience: String,
    /// Tokens whose signature was checked before.
    verified: Verified,
}

/// What is signed: the claims, and what names the one token.
#[derive(Serialize)]
struct Minted<'a> {
    #[serde(flatten)]
    claims: &'a Claims,
    jti: String,
}

impl<'a> Minted<'a> {
    fn of(claims: &'a Claims) -> Self {
        Self { claims, jti: uuid::Uuid::new_v4().simple().to_string() }
    }
}

impl Auth {
    /// With the secret of `config`, or the one kept under its `data_dir` (made on first start).
    pub fn from_config(config: &Config) -> Result<Self, AuthError> {
        let auth = match &config.jwt_secret {
            Some(secret) => Self::new(secret.expose().as_bytes()),
            None => Self::new(&secret_file::load_or_make(&config.data_dir)?),
        };
        Ok(Self { audience: config.auth.audience.clone(), ..auth })
    }

    /// Like [`Self::from_config`], but never makes a secret: `None` where there is none.
    pub fn existing(config: &Config) -> Result<Option<Self>, AuthError> {
        let is_there = config.jwt_secret.is_some() || secret_file::exists(&config.data_dir);
        is_there.then(|| Self::from_config(config)).transpose()
    }

    /// With `secret`.
    pub fn new(secret: &[u8]) -> Self {
        Self { key: Key::new(secret), audience: AUDIENCE.to_owned(), verified: Verified::default() }
    }

    /// Signs `claims`, with an id (`jti`) of its own.
    pub fn mint(&self, claims: &Claims) -> Result<String, AuthError> {
        Ok(self.key.token(&Minted::of(claims))?)
    }

    /// Like [`Self::mint`], issued at the moment `now`, fraction included: a token that follows a revocation within the same
    /// second is told from those before it.
    pub fn issue(&self, claims: &Claims, now: Timestamp) -> Result<String, AuthError> {
        let mut minted = serde_json::to_value(Minted::of(claims))?;
        minted["iat"] = (now.micros() as f64 / 1e6).into();
        Ok(self.key.token(&minted)?)
    }

    /// Checks a token at the moment `now`.
    ///
    /// Fails with [`ErrorCode::Unauthorized`] where it is malformed, wrongly signed, of another
    /// algorithm, for another audience, before its begin or past its end. Whether it was revoked, [`Revocations`] knows.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Credential, ProtocolError> {
        let credential = match self.verified.credential(token) {
            Some(credential) => credential,
            None => self.verified.keep(token, self.check(token)?),
        };
        if let Some(begin) = credential.not_before.filter(|begin| *begin > now) {
            return Err(refused(&format!("the token is not valid before {begin} (claim 'nbf')")));
        }
        if credential.is_over(now) {
            return Err(refused(&format!("the token has expired at {} (claim 'exp'); get a new one", credential.expires_at)));
        }
        Ok(credential)
    }

    fn check(&self, token: &str) -> Result<Credential, ProtocolError> {
        let jwt = jwt::read(token, &self.key, &self.audience).map_err(|why| refused(&why))?;
        if jwt.claims.role == Role::Admin && jwt.claims.is_narrowed() {
            return Err(refused("an admin may do everything: the claims 'channels' and 'publish' narrow other roles"));
        }
        let id = jwt.id.filter(|id| !id.is_empty()).map_or_else(|| hash_of(token), Into::into);
        Ok(Credential {
            claims: Arc::new(jwt.claims),
            id,
            issued_at: jwt.issued_at,
            expires_at: jwt.expires_at,
            not_before: jwt.not_before,
        })
    }
}

/// Names a token that has no `jti`.
fn hash_of(token: &str) -> Arc<str> {
    format!("sha256:{}", crate::media::hexadecimal(&Sha256::digest(token))).into()
}

fn refused(why: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::Unauthorized, why)
}

/// No token was given.
pub fn missing_token() -> ProtocolError {
    refused("a token is needed: ?token=<jwt> or the header Authorization: Bearer <jwt>")
}

/// The token of a request: `Authorization: Bearer <jwt>`, else `?token=<jwt>`.
pub fn token_of<'a>(authorization: Option<&'a str>, query: Option<&'a str>) -> Option<Cow<'a, str>> {
    let bearer = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Cow::Borrowed(token.trim()))
    });
    bearer.or_else(|| percent::value(query?, "token")).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_protocol::token::Role;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn claims(exp: i64) -> Claims {
        Claims { sub: "ALB".into(), exp, iat: None, role: Role::Driver, channels: None, publish: None }
    }

    #[test]
    fn a_minted_token_verifies_until_its_end() {
        let auth = Auth::new(b"0123456789abcdef");
        let token = auth.mint(&claims(1_800_000_001)).unwrap();
        assert_eq!(auth.verify(&token, NOW).unwrap().sub, "ALB");
        let late = auth.verify(&token, Timestamp::from_millis(1_800_000_001_000)).unwrap_err();
        assert!(late.code == ErrorCode::Unauthorized && late.message.contains("expired"), "{late}");
        assert_eq!(auth.verify(&token, NOW).unwrap().sub, "ALB", "checked before");
    }

    #[test]
    fn other_secrets_other_algorithms_and_garbage_are_refused() {
        let auth = Auth::new(b"0123456789abcdef");
        let token = Auth::new(b"another secret!!").mint(&claims(1_900_000_000)).unwrap();
        assert!(auth.verify(&token, NOW).is_err());
        // `{"alg":"HS512","typ":"JWT"}` before the same claims.
        let ours = auth.mint(&claims(1_900_000_000)).unwrap();
        let other = format!("eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9{}", &ours[ours.find('.').unwrap()..]);
        assert!(auth.verify(&other, NOW).unwrap_err().message.contains("HS256"));
        // `alg: none`, unsigned.
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJBTEIiLCJleHAiOjE5MDAwMDAwMDAsInJvbGUiOiJhZG1pbiJ9.";
        for bad in [none, "", "a.b.c", "not a token"] {
            assert_eq!(auth.verify(bad, NOW).unwrap_err().code, ErrorCode::Unauthorized, "{bad}");
        }
    }

    #[test]
    fn a_token_begins_at_its_nbf_and_ends_at_the_fraction_of_its_exp() {
        let auth = Auth::new(b"0123456789abcdef");
        let claims =
            serde_json::json!({"sub": "a", "role": "viewer", "exp": 1_800_000_600.5, "nbf": 1_800_000_000.25, "iat": 1_900_000_000});
        let token = auth.key.token(&claims).unwrap();
        let at = |millis| auth.verify(&token, Timestamp::from_millis(millis));
        let early = at(1_800_000_000_249).unwrap_err();
        assert!(early.code == ErrorCode::Unauthorized && early.message.contains("'nbf'"), "{early}");
        assert!(at(1_800_000_000_250).is_ok(), "an iat ahead is no reason to refuse");
        assert!(at(1_800_000_600_499).is_ok());
        assert!(at(1_800_000_600_500).unwrap_err().message.contains("'exp'"));
    }

    #[test]
    fn every_token_has_a_name_of_its_own() {
        let auth = Auth::new(b"0123456789abcdef");
        let id = |token: &str| auth.verify(token, NOW).unwrap().id;
        assert_ne!(id(&auth.mint(&claims(1_900_000_000)).unwrap()), id(&auth.mint(&claims(1_900_000_000)).unwrap()));
        let nameless = auth.key.token(&claims(1_900_000_000)).unwrap();
        assert!(id(&nameless).starts_with("sha256:"));
    }

    #[test]
    fn tokens_are_found_in_header_or_query() {
        assert_eq!(token_of(Some("Bearer abc"), None), Some("abc".into()));
        assert_eq!(token_of(Some("bearer abc"), Some("token=x")), Some("abc".into()));
        assert_eq!(token_of(Some("Basic abc"), Some("a=1&token=x.y")), Some("x.y".into()));
        assert_eq!(token_of(None, Some("token=x%2Ey")), Some("x.y".into()));
        assert_eq!(token_of(None, Some("token=")), None);
    }
}
