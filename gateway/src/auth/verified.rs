//! Tokens whose signature was checked lately: a client shows the same one with every request.

use std::collections::HashMap;

use parking_lot::RwLock;

use super::Credential;

/// So many tokens are remembered before all are forgotten.
const MOST: usize = 4_096;
/// Longer ones are checked every time.
const MOST_BYTES: usize = 2_048;

/// Credentials by token, within a bound. Whether a token is valid at a moment is for the caller to see.
#[derive(Default)]
pub(super) struct Verified(RwLock<HashMap<Box<str>, Credential>>);

impl Verified {
    /// The credential of a token that was kept before.
    pub(super) fn credential(&self, token: &str) -> Option<Credential> {
        self.0.read().get(token).cloned()
    }

    /// Remembers the credential of a token whose signature is good.
    pub(super) fn keep(&self, token: &str, credential: Credential) -> Credential {
        if token.len() <= MOST_BYTES {
            let mut known = self.0.write();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(token.into(), credential.clone());
        }
        credential
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_protocol::{
        Timestamp,
        token::{Claims, Role},
    };

    #[test]
    fn however_many_tokens_come_what_is_remembered_is_bounded() {
        let verified = Verified::default();
        let claims = Claims { sub: "a".into(), exp: 1, iat: None, role: Role::Driver, channels: None, publish: None };
        let credential =
            Credential { claims: claims.into(), id: "t".into(), issued_at: None, expires_at: Timestamp::default(), not_before: None };
        for n in 0..2 * MOST {
            verified.keep(&n.to_string(), credential.clone());
        }
        verified.keep(&"x".repeat(MOST_BYTES + 1), credential);
        assert!(verified.0.read().len() <= MOST);
        assert!(verified.credential(&(2 * MOST - 1).to_string()).is_some());
        assert!(verified.credential("0").is_none());
    }
}
