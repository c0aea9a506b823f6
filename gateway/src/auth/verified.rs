//! Tokens whose signature was checked lately: a client shows the same one with every request.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use slipstream_protocol::token::Claims;

/// So many tokens are remembered before all are forgotten.
const MOST: usize = 4_096;
/// Longer ones are checked every time.
const MOST_BYTES: usize = 2_048;

/// Claims by token, within a bound. Whether a token has expired is for the caller to see.
#[derive(Default)]
pub(super) struct Verified(RwLock<HashMap<Box<str>, Arc<Claims>>>);

impl Verified {
    /// The claims of a token that was kept before.
    pub(super) fn claims(&self, token: &str) -> Option<Arc<Claims>> {
        self.0.read().get(token).cloned()
    }

    /// Remembers the claims of a token whose signature is good.
    pub(super) fn keep(&self, token: &str, claims: Claims) -> Arc<Claims> {
        let claims = Arc::new(claims);
        if token.len() <= MOST_BYTES {
            let mut known = self.0.write();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(token.into(), claims.clone());
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_protocol::token::Role;

    #[test]
    fn however_many_tokens_come_what_is_remembered_is_bounded() {
        let verified = Verified::default();
        let claims = || Claims { sub: "a".into(), exp: 1, iat: None, role: Role::Driver, channels: None, publish: None };
        for n in 0..2 * MOST {
            verified.keep(&n.to_string(), claims());
        }
        verified.keep(&"x".repeat(MOST_BYTES + 1), claims());
        assert!(verified.0.read().len() <= MOST);
        assert!(verified.claims(&(2 * MOST - 1).to_string()).is_some());
        assert!(verified.claims("0").is_none());
    }
}
