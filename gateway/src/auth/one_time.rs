//! One-time codes: invitations, and the set-up link. Only their hashes are kept.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// What every code of an invitation begins with; the page of the link tells it by that.
pub const INVITE: &str = "sli_";

/// A fresh code that begins with `prefix`: 256 random bits, fit for the fragment of an address.
pub fn make(prefix: &str) -> String {
    let secret: [u8; 32] = rand::random();
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(secret))
}

/// A fresh password: 144 random bits.
pub fn password() -> String {
    let secret: [u8; 18] = rand::random();
    URL_SAFE_NO_PAD.encode(secret)
}
