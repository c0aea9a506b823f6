//! What a caller shows, checked: the claims, and what identifies the token or key they come from.

use std::{ops::Deref, sync::Arc};

use slipstream_protocol::{Timestamp, token::Claims};

/// A checked token or API key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What its bearer may do.
    pub claims: Arc<Claims>,
    /// Names this one token: its `jti`, or `sha256:` and the hash of its text; the key's id for an API key.
    pub id: Arc<str>,
    /// When it was issued, where it says so.
    pub issued_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it begins, where it says so.
    pub not_before: Option<Timestamp>,
}

impl Credential {
    /// Whether its life has ended.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }
}

impl Deref for Credential {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.claims
    }
}
