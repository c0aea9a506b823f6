//! The opening handshake (RFC 6455, section 4.2), checked before anything is upgraded.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use slipstream_protocol::{ErrorCode, WireFormat, codec::RKYV_SUBPROTOCOL};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http::reply::{ApiError, Response};

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
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|v| v != "13") {
            return Err(bad("Sec-WebSocket-Version must be 13"));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| bad("Sec-WebSocket-Key is missing"))?;
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
        let old = headers(&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "8")]);
        assert!(Handshake::check(&old).unwrap_err().message.contains("13"));
        let keyless = headers(&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]);
        assert!(Handshake::check(&keyless).unwrap_err().message.contains("Key"));
    }
}
