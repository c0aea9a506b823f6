//! API keys: long random texts that stand for a token. Only their hash is kept.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use slipstream_actors::ports::Records;
use slipstream_protocol::{ErrorCode, ProtocolError, token::Claims};

use crate::app::Services;

/// What every key begins with, so that people and secret scanners know one when they see it.
pub const PREFIX: &str = "slk_";

/// The end of life of the claims that a key stands for: a key lives until it is deleted.
/// 9999-12-31T23:59:59Z, seconds since the Unix epoch.
const NO_END: i64 = 253_402_300_799;

/// A fresh key: 256 random bits.
pub fn make() -> String {
    let secret: [u8; 32] = rand::random();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))
}

/// What is kept of a key. A plain hash is enough: nobody guesses 256 random bits.
pub fn hash(key: &str) -> String {
    crate::media::hexadecimal(&Sha256::digest(key))
}

/// The claims of what a caller shows as bearer: a token, or an API key.
///
/// Fails with [`ErrorCode::Unauthorized`] where it is neither.
pub async fn claims_of_bearer(services: &Services, bearer: &str) -> Result<Arc<Claims>, ProtocolError> {
    if bearer.starts_with(PREFIX) {
        claims(&*services.records, bearer).await.map(Arc::new)
    } else {
        services.auth.verify(bearer, services.clock.now())
    }
}

async fn claims(records: &dyn Records, key: &str) -> Result<Claims, ProtocolError> {
    let found = records.api_key_by_hash(&hash(key)).await.map_err(|error| crate::records::refusal(&error))?;
    let key = found.ok_or_else(|| ProtocolError::new(ErrorCode::Unauthorized, "there is no such API key; it may have been deleted"))?;
    Ok(Claims { sub: format!("key-{}", key.id), exp: NO_END, iat: None, role: key.role, channels: None, publish: key.publish })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_never_the_same() {
        let (one, other) = (make(), make());
        assert!(one.starts_with(PREFIX) && one.len() == PREFIX.len() + 43 && one != other);
        assert_eq!(hash(&one), hash(&one));
        assert_ne!(hash(&one), hash(&other));
    }
}
