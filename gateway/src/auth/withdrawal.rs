//! What ends with a change or the removal of a user: its tokens, and the API keys that went with it.

use std::time::Duration;

use slipstream_ports::{ApiKey, Page, Records, RecordsError, Revocation, RevocationKind};
use slipstream_protocol::{Id, Timestamp};

use super::api_key;

/// How long a token from a log-in lives.
pub const TOKEN_LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// How long it is remembered that a key was deleted: until every server has closed the connections open with it.
const KEY_REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// Keys read at a time.
const PAGE: u32 = 100;

/// The keys that a user, or the bearer of any token of this subject, made; of a user read before it is changed.
pub async fn keys_of(records: &dyn Records, maker: &str) -> Result<Vec<ApiKey>, RecordsError> {
    let mut keys = Vec::new();
    for number in 1.. {
        let page = records.api_keys(Some(maker), Page { number, size: PAGE }).await?.entries;
        let is_last = page.len() < PAGE as usize;
        keys.extend(page);
        if is_last {
            break;
        }
    }
    Ok(keys)
}

/// What is to be revoked after the change: the user's tokens, and those of its keys `before` that are gone.
pub async fn after_change(
    records: &dyn Records,
    user: &Id,
    before: &[ApiKey],
    by: &str,
    at: Timestamp,
) -> Result<Vec<Revocation>, RecordsError> {
    let mut revocations = vec![of_subject(user.to_string(), TOKEN_LIFE, by, at)];
    for key in before {
        if records.api_key_by_hash(&key.hash).await?.is_none() {
            revocations.push(of_key(&key.id, by, at));
        }
    }
    Ok(revocations)
}

/// The revocation that closes the connections open with a deleted key.
pub fn of_key(key: &Id, by: &str, at: Timestamp) -> Revocation {
    of_subject(api_key::subject(key), KEY_REMEMBERED, by, at)
}

fn of_subject(value: String, remembered: Duration, by: &str, at: Timestamp) -> Revocation {
    Revocation { kind: RevocationKind::Subject, value, at, until: Some(at.plus(remembered)), by: by.to_owned() }
}
