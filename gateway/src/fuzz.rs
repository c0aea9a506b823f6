//! What must hold of every decoder of outside bytes here, whatever it is given.
//!
//! One function a decoder, each beside what it checks, called by the fuzz targets in `fuzz/` and, with
//! the corpus kept there, by this crate's tests. Built for them alone. A property that does not hold is
//! a panic.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a property says that it does not hold")]

use slipstream_protocol::{ErrorCode, Timestamp, token::Claims};

use crate::{
    auth::{self, Auth, api_key},
    media::{MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, check_image},
};
pub use crate::{config::fuzz::config_files, series::fuzz::series_answers, ws::fuzz::ws_frames};
pub use slipstream_engine::rl::policy::fuzz::policy_files;
#[cfg(fuzzing)]
pub use slipstream_journal::fuzz::journal_files;
#[cfg(fuzzing)]
pub use slipstream_relay::fuzz::{exported_rows, parquet_files, relay_sources};

/// A token as a caller shows it, the claims of one, and one that was tampered with.
pub fn tokens(data: &[u8]) {
    let now = Timestamp::from_millis(1_790_000_000_000);
    let auth = Auth::new(b"0123456789abcdef");
    let text = String::from_utf8_lossy(data);
    if let Some(token) = auth::token_of(Some(&text), Some(&text)) {
        assert!(!token.is_empty() && token.len() <= text.len());
        assert_eq!(api_key::hash(&token).len(), 64);
    }
    let refused = auth.verify(&text, now).expect_err("nobody guesses a signature");
    assert_eq!(refused.code, ErrorCode::Unauthorized);

    let Ok(claims) = serde_json::from_slice::<Claims>(data) else { return };
    let token = auth.mint(&claims).expect("claims that were read can be written");
    match auth.verify(&token, now) {
        Ok(read) => assert_eq!(*read, claims),
        Err(_) => assert!(claims.exp <= now.micros() / 1_000_000, "it has not expired"),
    }
    for at in [data.len() % token.len(), token.len() - 1] {
        let mut tampered = token.clone().into_bytes();
        tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).expect("a token is ASCII");
        assert!(auth.verify(&tampered, now).is_err(), "byte {at} of {tampered} is not signed");
    }
}

/// An image as it is uploaded.
pub fn images(data: &[u8]) {
    if let Ok(facts) = check_image(data) {
        assert!(data.len() <= MAX_IMAGE_BYTES);
        assert!((1..=MAX_IMAGE_PIXELS).contains(&(u64::from(facts.width) * u64::from(facts.height))));
    }
}

/// The corpus, and damaged copies of it, keep to the properties.
#[cfg(test)]
mod corpus;
