//! Opening a WebSocket to a server's `/ws` door.

use std::time::Duration;

use slipstream_protocol::{WireFormat, codec::RKYV_SUBPROTOCOL};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream,
    tungstenite::{
        self,
        client::IntoClientRequest,
        http::{HeaderValue, Request, Uri, header},
    },
};

use crate::trust;

/// An open connection.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longest a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where to connect and how to speak there.
#[derive(Clone)]
pub struct Endpoint {
    /// `ws://host:port/ws`, without a query.
    url: String,
    /// The bearer's token.
    token: Option<String>,
    /// The wire format of both directions.
    format: WireFormat,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token stays out of logs.
        f.debug_struct("Endpoint").field("url", &self.url).field("format", &self.format).finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address makes no sense.
    #[error("'{url}' is no server address: {reason}; http://host:port or ws://host:port/ws is expected")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server answered, and not with an upgrade.
    #[error("{url} answered {status}: {message}{}", hint(*.status))]
    Refused {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Nobody answers, or the connection broke off.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// TLS fails: a certificate that is not trusted, or no TLS at all. Trying again would not help.
    #[error("{url} cannot be reached over TLS: {reason}")]
    Tls {
        /// Where.
        url: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Something answers that does not speak this protocol.
    #[error("{url} does not speak Slipstream's WebSocket protocol: {reason}")]
    Protocol {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
}

impl ConnectError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(*status, 408 | 429 | 500..=599),
            Self::Address { .. } | Self::Tls { .. } | Self::Protocol { .. } => false,
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => "; give a valid token (slipstream token mints one with the secret of the server's DATA_DIR, which --data-dir names)",
        403 => "; this token does not give the right",
        404 => "; is this the address of a Slipstream server?",
        _ => "",
    }
}

impl Endpoint {
    /// An endpoint from what people write: `host:port`, `http://host:port`, `ws://host:port/ws`.
    pub fn new(url: &str, token: Option<String>, format: WireFormat) -> Result<Self, ConnectError> {
        Ok(Self { url: websocket_url(url)?, token, format })
    }

    /// The address without token or query.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The wire format.
    pub const fn format(&self) -> WireFormat {
        self.format
    }

    fn request(&self, query: &str) -> Result<Request<()>, ConnectError> {
        let full = if query.is_empty() { self.url.clone() } else { format!("{}?{query}", self.url) };
        let address = |reason: String| ConnectError::Address { url: self.url.clone(), reason };
        let mut request = full.into_client_request().map_err(|e| address(e.to_string()))?;
        if let Some(token) = &self.token {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| address("the token has characters that no token has".into()))?;
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        if self.format == WireFormat::Rkyv {
            request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(RKYV_SUBPROTOCOL));
        }
        Ok(request)
    }

    /// Opens a connection; `query` goes behind the address (`publisher=a&ack=durable`).
    pub async fn connect(&self, query: &str) -> Result<Socket, ConnectError> {
        let request = self.request(query)?;
        let connector = self.url.starts_with("wss:").then(|| Connector::Rustls(trust::client_config()));
        let opening = tokio_tungstenite::connect_async_tls_with_config(request, None, true, connector);
        match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
            Err(_) => Err(self.unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(self.explain(error)),
        }
    }

    fn unreachable(&self, reason: String) -> ConnectError {
        ConnectError::Unreachable { url: self.url.clone(), reason }
    }

    fn explain(&self, error: tungstenite::Error) -> ConnectError {
        let url = self.url.clone();
        match error {
            tungstenite::Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                ConnectError::Refused { url, status: response.status().as_u16(), message: refusal_text(body) }
            }
            tungstenite::Error::Io(error) if trust::failure(&error).is_some() => {
                ConnectError::Tls { url, reason: trust::failure(&error).unwrap_or_default() }
            }
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::HandshakeIncomplete)
            | tungstenite::Error::Io(_)
            | tungstenite::Error::Tls(_)
            | tungstenite::Error::ConnectionClosed => self.unreachable(error.to_string()),
            tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_) => ConnectError::Address { url, reason: error.to_string() },
            other => ConnectError::Protocol { url, reason: other.to_string() },
        }
    }
}

/// The `message` of an error envelope, or what of the body can be shown.
fn refusal_text(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let message = value.pointer("/error/message").and_then(|m| m.as_str()).map(str::to_owned);
    message.unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(200)]).trim().to_owned())
}

fn websocket_url(text: &str) -> Result<String, ConnectError> {
    let bad = |reason: &str| ConnectError::Address { url: text.to_owned(), reason: reason.to_owned() };
    let full = if text.contains("://") { text.to_owned() } else { format!("ws://{text}") };
    let uri: Uri = full.parse().map_err(|_| bad("it does not parse"))?;
    let scheme = match uri.scheme_str() {
        Some("http" | "ws") => "ws",
        Some("https" | "wss") => "wss",
        _ => return Err(bad("its scheme is none of http, https, ws, wss")),
    };
    let authority = uri.authority().filter(|a| !a.host().is_empty()).ok_or_else(|| bad("it names no host"))?;
    let path = match uri.path() {
        "" | "/" => "/ws",
        path => path,
    };
    Ok(format!("{scheme}://{authority}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for (given, used) in [
            ("localhost:8080", "ws://localhost:8080/ws"),
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
            ("http://127.0.0.1:8080/?token=x", "ws://127.0.0.1:8080/ws"),
            ("wss://t.example/slip/ws", "wss://t.example/slip/ws"),
            ("https://t.example/", "wss://t.example/ws"),
        ] {
            assert_eq!(websocket_url(given).unwrap(), used);
        }
        for bad in ["", "ftp://x", "http://", "a b"] {
            assert!(!websocket_url(bad).unwrap_err().is_retryable(), "{bad}");
        }
    }

    #[test]
    fn the_token_travels_in_a_header_and_stays_out_of_debug_output() {
        let endpoint = Endpoint::new("localhost:1", Some("secret.jwt".into()), WireFormat::Rkyv).unwrap();
        let request = endpoint.request("publisher=a").unwrap();
        assert_eq!(request.uri().query(), Some("publisher=a"));
        assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer secret.jwt");
        assert!(!format!("{endpoint:?}").contains("secret"));
    }
}
