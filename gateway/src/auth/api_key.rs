//! API keys: long random texts that stand for a token. Only their hash is kept.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use slipstream_ports::{ApiKey, Records};
use slipstream_protocol::{
    ErrorCode, Id, ProtocolError, Timestamp,
    token::{Claims, Role},
};

use super::Credential;
use crate::app::Services;

/// What every key begins with, so that people and secret scanners know one when they see it.
pub const PREFIX: &str = "slk_";

/// The end of life of a key that has none of its own: it lives until it is deleted.
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

/// The subject of the claims that a key stands for.
pub fn subject(id: &Id) -> String {
    format!("key-{id}")
}

/// What a caller shows as bearer, checked: a token, or an API key.
///
/// Fails with [`ErrorCode::Unauthorized`] where it is neither, or was revoked.
pub async fn credential_of_bearer(services: &Services, bearer: &str) -> Result<Credential, ProtocolError> {
    let now = services.clock.now();
    let credential =
        if bearer.starts_with(PREFIX) { of_key(&*services.records, bearer, now).await? } else { services.auth.verify(bearer, now)? };
    services.revocations.check(&credential)?;
    Ok(credential)
}

async fn of_key(records: &dyn Records, key: &str, now: Timestamp) -> Result<Credential, ProtocolError> {
    let unauthorized = |why: &str| ProtocolError::new(ErrorCode::Unauthorized, why);
    let found = records.api_key_by_hash(&hash(key)).await.map_err(|error| crate::records::refusal(&error))?;
    let key = found.ok_or_else(|| unauthorized("there is no such API key; it may have been deleted"))?;
    let credential = credential(key);
    if credential.is_over(now) {
        return Err(unauthorized("the API key has expired; make a new one"));
    }
    Ok(credential)
}

fn credential(key: ApiKey) -> Credential {
    let expires_at = key.expires_at.unwrap_or(Timestamp::from_micros(NO_END * 1_000_000));
    let (sub, exp) = (subject(&key.id), expires_at.micros().div_euclid(1_000_000));
    Credential {
        id: key.id.to_string().into(),
        issued_at: Some(key.created_at),
        expires_at,
        not_before: None,
        claims: Claims { sub, exp, iat: None, role: key.role, channels: key.channels, publish: key.publish }.into(),
    }
}

/// What of a new key goes beyond its maker: nothing where the list is empty. A key carries at most its maker's rights and
/// lives at most as long.
pub fn beyond(maker: &Claims, key: &ApiKey) -> Vec<String> {
    let mut beyond = Vec::new();
    if !may_hand_on(maker.role, key.role) {
        beyond.push(format!("Field 'role': a token of role {} may not make a key of role {}", maker.role.as_str(), key.role.as_str()));
    }
    if maker.role != Role::Admin && key.expires_at.is_none_or(|end| end > Timestamp::from_micros(maker.exp.saturating_mul(1_000_000))) {
        beyond.push("Field 'expiresAt': it is later than the end of the token that makes the key".to_owned());
    }
    beyond
}

/// Whether a bearer of `maker` may make a key of `key`. Only admins and engineers that are not narrowed make keys, and an
/// engineer hears and publishes everything: their roles alone decide.
const fn may_hand_on(maker: Role, key: Role) -> bool {
    match maker {
        Role::Admin => true,
        Role::Engineer => !matches!(key, Role::Admin),
        Role::Driver | Role::Viewer | Role::Relay => false,
    }
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

    fn key(role: Role, expires_s: Option<i64>) -> ApiKey {
        let at = |s: i64| Timestamp::from_millis(s * 1_000);
        ApiKey {
            id: Id::new("k1").unwrap(),
            name: "k".into(),
            role,
            channels: None,
            publish: None,
            hash: "h".into(),
            owner: "ann".into(),
            created_at: at(0),
            expires_at: expires_s.map(at),
        }
    }

    #[test]
    fn a_key_carries_at_most_the_rights_and_the_life_of_its_maker() {
        let maker = |role| Claims { sub: "ann".into(), exp: 100, iat: None, role, channels: None, publish: None };
        let names =
            |role, key: &ApiKey| -> Vec<_> { beyond(&maker(role), key).iter().map(|b| b.split('\'').nth(1).unwrap().to_owned()).collect() };
        assert!(names(Role::Admin, &key(Role::Admin, None)).is_empty());
        for role in [Role::Engineer, Role::Driver, Role::Viewer, Role::Relay] {
            assert!(names(Role::Engineer, &key(role, Some(100))).is_empty(), "{role:?}");
        }
        assert_eq!(names(Role::Engineer, &key(Role::Admin, Some(100))), ["role"]);
        assert_eq!(names(Role::Engineer, &key(Role::Viewer, None)), ["expiresAt"]);
        assert_eq!(names(Role::Engineer, &key(Role::Viewer, Some(101))), ["expiresAt"]);
        assert_eq!(names(Role::Viewer, &key(Role::Viewer, Some(100))), ["role"]);
        assert_eq!(credential(key(Role::Viewer, Some(7))).exp, 7);
    }
}
