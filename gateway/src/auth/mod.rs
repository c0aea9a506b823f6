//! Tokens: minting, checking, the secret under `DATA_DIR`.

pub mod api_key;
pub mod password;
mod secret_file;
mod verified;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use slipstream_protocol::{ErrorCode, ProtocolError, Timestamp, token::Claims};

use crate::config::Config;
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
    Sign(#[from] jsonwebtoken::errors::Error),
}

impl AuthError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// Signs and checks tokens (HS256 JWT, nothing else is accepted).
pub struct Auth {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// Tokens whose signature was checked before.
    verified: Verified,
}

impl Auth {
    /// With the secret of `config`, or the one kept under its `data_dir` (made on first start).
    pub fn from_config(config: &Config) -> Result<Self, AuthError> {
        match &config.jwt_secret {
            Some(secret) => Ok(Self::new(secret.expose().as_bytes())),
            None => Ok(Self::new(&secret_file::load_or_make(&config.data_dir)?)),
        }
    }

    /// With `secret`.
    pub fn new(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The end of life is checked against the gateway's clock, not the library's.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            verified: Verified::default(),
        }
    }

    /// Signs `claims`.
    pub fn mint(&self, claims: &Claims) -> Result<String, AuthError> {
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)?)
    }

    /// Checks a token at the moment `now`.
    ///
    /// Fails with [`ErrorCode::Unauthorized`] where it is malformed, wrongly signed, of another
    /// algorithm or past its end of life.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, ProtocolError> {
        let claims = match self.verified.claims(token) {
            Some(claims) => claims,
            None => self.verified.keep(token, self.check(token)?),
        };
        if claims.exp.saturating_mul(1_000_000) <= now.micros() {
            return Err(refused("the token has expired; get a new one"));
        }
        Ok(claims)
    }

    fn check(&self, token: &str) -> Result<Claims, ProtocolError> {
        let checked = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        Ok(checked.map_err(|error| refused(&reason(&error)))?.claims)
    }
}

fn refused(why: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::Unauthorized, why)
}

fn reason(error: &jsonwebtoken::errors::Error) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "the token is not signed by this server".to_owned(),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "the token must be signed with HS256".to_owned(),
        ErrorKind::Json(e) => format!("the token's claims are not as expected: {e}"),
        _ => "the token is not a JWT".to_owned(),
    }
}

/// No token was given.
pub fn missing_token() -> ProtocolError {
    refused("a token is needed: ?token=<jwt> or the header Authorization: Bearer <jwt>")
}

/// The token of a request: `Authorization: Bearer <jwt>`, else `?token=<jwt>`.
pub fn token_of<'a>(authorization: Option<&'a str>, query: Option<&'a str>) -> Option<&'a str> {
    let bearer = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| query_value(query?, "token")).filter(|t| !t.is_empty())
}

/// The raw (not percent-decoded) value of `name` in a query string. JWTs and ids need no decoding.
pub fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v))
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
        let key = EncodingKey::from_secret(b"0123456789abcdef");
        let other = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims(1_900_000_000), &key).unwrap();
        assert!(auth.verify(&other, NOW).unwrap_err().message.contains("HS256"));
        // `alg: none`, unsigned.
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJBTEIiLCJleHAiOjE5MDAwMDAwMDAsInJvbGUiOiJhZG1pbiJ9.";
        for bad in [none, "", "a.b.c", "not a token"] {
            assert_eq!(auth.verify(bad, NOW).unwrap_err().code, ErrorCode::Unauthorized, "{bad}");
        }
    }

    #[test]
    fn tokens_are_found_in_header_or_query() {
        assert_eq!(token_of(Some("Bearer abc"), None), Some("abc"));
        assert_eq!(token_of(Some("bearer abc"), Some("token=x")), Some("abc"));
        assert_eq!(token_of(Some("Basic abc"), Some("a=1&token=x.y")), Some("x.y"));
        assert_eq!(token_of(None, Some("token=")), None);
    }
}
