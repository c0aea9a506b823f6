//! The opening handshake (RFC 6455, section 4.2), checked before anything is upgraded.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use slipstream_protocol::{ErrorCode, Timestamp, WireFormat, codec::RKYV_SUBPROTOCOL};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http::reply::{self, ApiError, Response};

/// The version of the protocol (RFC 6455, 4.1).
const VERSION: HeaderValue = HeaderValue::from_static("13");
/// Bytes of a handshake's key.
const NONCE: usize = 16;

/// The refusal of an upgrade in another version, which names the one there is (RFC 6455, 4.2.2 and 4.4); `None` where
/// the version is right, or no upgrade to WebSocket is asked for.
pub(super) fn other_version(headers: &HeaderMap, now: Timestamp) -> Option<Response> {
    if !has_token(headers, &header::UPGRADE, "websocket") || headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|v| *v == VERSION) {
        return None;
    }
    let mut response = reply::fail(now, ApiError::new(ErrorCode::ValidationError, "Sec-WebSocket-Version must be 13"));
    *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
    let told = response.headers_mut();
    told.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
    told.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    told.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    Some(response)
}

/// What a good handshake asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    accept: String,
    /// The format of what the server sends.
    pub(super) format: WireFormat,
}

impl Handshake {
    /// Checks the headers of an upgrade request.
    pub(super) fn check(headers: &HeaderMap) -> Result<Self, ApiError> {
        let bad = |message: &str| ApiError::new(ErrorCode::ValidationError, message);
        if !has_token(headers, &header::CONNECTION, "upgrade") || !has_token(headers, &header::UPGRADE, "websocket") {
            return Err(bad("this path speaks WebSocket: Connection: Upgrade and Upgrade: websocket are needed"));
        }
        let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(bad("one Sec-WebSocket-Key is needed"));
        };
        if !STANDARD.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == NONCE) {
            return Err(bad("Sec-WebSocket-Key must be 16 bytes in base64"));
        }
        let rkyv = has_token(headers, &header::SEC_WEBSOCKET_PROTOCOL, RKYV_SUBPROTOCOL);
        let format = if rkyv { WireFormat::Rkyv } else { WireFormat::Json };
        Ok(Self { accept: derive_accept_key(key.as_bytes()), format })
    }

    /// The 101.
    pub(super) fn response(&self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if self.format == WireFormat::Rkyv {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(RKYV_SUBPROTOCOL));
        }
        response
    }
}

/// Whether a comma-separated header has `token`, in any case.
fn has_token(headers: &HeaderMap, name: &http::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (http::HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_rfcs_example_key_gives_the_rfcs_answer() {
        let asked = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "chat, slipstream.rkyv.v1"),
        ]);
        let handshake = Handshake::check(&asked).unwrap();
        assert_eq!(handshake.format, WireFormat::Rkyv);
        assert_eq!(handshake.response().headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_missing_part_is_named() {
        assert!(Handshake::check(&headers(&[])).unwrap_err().message.contains("Upgrade"));
        let keyless = headers(&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]);
        assert!(Handshake::check(&keyless).unwrap_err().message.contains("Key"));
    }

    #[test]
    fn a_key_is_sixteen_bytes_of_base64() {
        for (key, taken) in
            [("dGhlIHNhbXBsZSBub25jZQ==", true), ("!!!", false), ("", false), ("AAAAAAAAAAA=", false), ("dGhlIHNhbXBsZSBub25jZQ", false)]
        {
            let asked = headers(&[
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", key),
            ]);
            assert_eq!(Handshake::check(&asked).is_ok(), taken, "{key}");
        }
    }

    #[test]
    fn another_version_is_told_which_there_is() {
        let now = Timestamp::default();
        for version in ["8", "7, 8", ""] {
            let asked = headers(&[("upgrade", "websocket"), ("sec-websocket-version", version)]);
            let refusal = other_version(&asked, now).unwrap();
            assert_eq!((refusal.status().as_u16(), &refusal.headers()["sec-websocket-version"]), (426, &VERSION), "{version}");
        }
        assert!(other_version(&headers(&[("upgrade", "websocket"), ("sec-websocket-version", "13")]), now).is_none());
        assert!(other_version(&headers(&[]), now).is_none(), "no upgrade at all");
    }
}
