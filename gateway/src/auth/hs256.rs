//! HS256 (RFC 7518, 3.2): HMAC with SHA-256 over the first two parts of a JWS compact serialisation (RFC 7515).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde::Serialize;

/// The header of every token minted here, `{"typ":"JWT","alg":"HS256"}`.
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9";

/// A secret that signs and checks.
pub(super) struct Key(hmac::Key);

impl Key {
    /// With `secret`, of any length.
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Signs `claims` as a token. Fails where they are no JSON.
    pub(super) fn token(&self, claims: &impl Serialize) -> Result<String, serde_json::Error> {
        let message = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
        Ok(format!("{message}.{}", self.signature(&message)))
    }

    /// Whether `signature`, base64url without padding, is this key's of `message`. The time it takes does not depend on
    /// where they differ.
    pub(super) fn is_signature(&self, message: &str, signature: &str) -> bool {
        URL_SAFE_NO_PAD.decode(signature).is_ok_and(|bytes| hmac::verify(&self.0, message.as_bytes(), &bytes).is_ok())
    }

    /// The signature of `message`, base64url without padding.
    pub(super) fn signature(&self, message: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, message.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_example_of_rfc_7515_is_signed_as_there() {
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = Key::new(&URL_SAFE_NO_PAD.decode(secret).unwrap());
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                       eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(key.signature(message), signature);
        assert!(key.is_signature(message, signature));
    }

    #[test]
    fn only_the_whole_signature_of_the_same_message_by_the_same_key_counts() {
        let (key, other) = (Key::new(b"0123456789abcdef"), Key::new(b"0123456789abcdeg"));
        let signature = key.signature("a.b");
        assert!(key.is_signature("a.b", &signature));
        assert!(!key.is_signature("a.c", &signature) && !other.is_signature("a.b", &signature));
        for bad in ["", &signature[1..], &format!("{signature}="), &format!("{signature}AA"), "!!"] {
            assert!(!key.is_signature("a.b", bad), "{bad}");
        }
    }

    #[test]
    fn a_token_has_the_header_that_its_name_says() {
        let token = Key::new(b"0123456789abcdef").token(&json!({"sub": "a"})).unwrap();
        let parts: Vec<Vec<u8>> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        assert_eq!(
            (parts[0].as_slice(), parts[1].as_slice()),
            (br#"{"typ":"JWT","alg":"HS256"}"#.as_slice(), br#"{"sub":"a"}"#.as_slice())
        );
    }
}
