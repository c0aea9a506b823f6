//! The WebSocket door.
//!
//! `/ws` is checked as a request (token, handshake), answered 101, and then taken off the HTTP
//! stack: a [`session`] reads the raw TCP stream, a [`writer`] drains the connection's outbox.

mod acks;
mod connections;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handshake;
mod presence;
mod session;
mod telemetry;
mod writer;

use std::sync::Arc;

use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade};
use slipstream_protocol::{ErrorCode, PublisherId, Timestamp, server::AckLevel, token::Claims};
use tokio::net::TcpStream;
use tracing::Instrument;

pub use connections::{Connections, Described};

use crate::{
    app::Services,
    auth::{Credential, Registered},
    http::{
        AddressPlace, DoorStream, OpenConnection, Origin, Peer, Route, RoutedRequest,
        reply::{ApiError, ApiResult},
    },
    percent,
    rate::{ClientAddress, TokenKey},
};
use handshake::Handshake;

/// What a connection may do and how it wants it, settled before the upgrade.
struct Admission {
    claims: Arc<Claims>,
    expires_at: Timestamp,
    /// Its place among those that a revocation of the token or key ends.
    registered: Registered,
    /// Whose rate its messages count for.
    token: TokenKey,
    handshake: Handshake,
    publisher: Option<PublisherId>,
    level: AckLevel,
    /// Its place among the connections of the address that a proxy forwards.
    _place: Option<AddressPlace>,
}

/// `GET /ws`.
pub(crate) const ROUTES: &[Route] = &[Route::page("/ws", |r| Box::pin(open(r)))];

async fn open(request: RoutedRequest) -> ApiResult {
    let RoutedRequest { services, origin: Origin { address, peer, upgrade }, query, headers, .. } = request;
    services.rates.connection_from(address)?;
    if let Some(refusal) = handshake::other_version(&headers, services.clock.now()) {
        return Ok(refusal);
    }
    let place = forwarded(&services, peer, address)?;
    let admission = Admission { _place: place, ..admit(&services, &query, &headers, address).await? };
    if services.connections.is_draining() {
        return Err(ApiError::new(ErrorCode::Unavailable, "the server is draining, come back in a moment"));
    }
    let on_upgrade =
        upgrade.ok_or_else(|| ApiError::new(ErrorCode::ValidationError, "this connection cannot be upgraded: use HTTP/1.1"))?;
    let response = admission.handshake.response();
    let number = services.connections.number();
    let span = tracing::info_span!("ws", connection = number, sub = %admission.claims.sub, peer = peer.map(|p| p.0.to_string()));
    let tasks = services.connections.tasks.clone();
    tasks.spawn(
        async move {
            match take_stream(on_upgrade).await {
                Ok((stream, open, already_read)) => {
                    session::run(services, number, admission, stream, &already_read).await;
                    drop(open);
                }
                Err(reason) => tracing::debug!(reason, "the connection was not upgraded"),
            }
        }
        .instrument(span),
    );
    Ok(response)
}

/// A place for one more connection of the address that a proxy forwards; others are counted as they are accepted.
fn forwarded(services: &Services, peer: Option<Peer>, address: ClientAddress) -> Result<Option<AddressPlace>, ApiError> {
    if peer.is_none_or(|peer| ClientAddress::of(Some(peer.0.ip()), None, &[]) == address) {
        return Ok(None);
    }
    let place = services.forwarded.enter(address);
    let message = "this address has as many connections open as it may (limits.max_connections_per_address)";
    place.map(Some).ok_or_else(|| ApiError::new(ErrorCode::Busy, message))
}

/// Token first: who may not enter learns nothing else.
async fn admit(services: &Services, query: &str, headers: &HeaderMap, address: ClientAddress) -> Result<Admission, ApiError> {
    let authorization = headers.get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let token = crate::auth::token_of(authorization, Some(query)).ok_or_else(crate::auth::missing_token)?;
    let credential = crate::auth::api_key::credential_of_bearer(services, &token).await;
    let credential = credential.map_err(|error| crate::http::refused(services, address, error))?;
    let mut broken = Vec::new();
    let publisher = percent::value(query, "publisher")
        .and_then(|text| PublisherId::new(&text).map_err(|e| broken.push(format!("publisher: {}", e.message))).ok());
    let level = percent::value(query, "ack").map_or(AckLevel::default(), |text| {
        level_of(&text).unwrap_or_else(|| {
            broken.push("ack: must be received, durable or stored".to_owned());
            AckLevel::default()
        })
    });
    if !broken.is_empty() {
        return Err(ApiError::invalid(broken));
    }
    let handshake = Handshake::check(headers)?;
    let token = services.rates.token(&credential.claims.sub);
    let registered = services.revocations.register(&credential, &services.connections.stop_reading);
    let Credential { claims, expires_at, .. } = credential;
    Ok(Admission { claims, expires_at, registered, token, handshake, publisher, level, _place: None })
}

fn level_of(text: &str) -> Option<AckLevel> {
    [AckLevel::Received, AckLevel::Durable, AckLevel::Stored].into_iter().find(|l| l.as_str() == text)
}

/// The raw stream below the HTTP stack, its place among the open connections, and what was already read from it.
async fn take_stream(on_upgrade: OnUpgrade) -> Result<(TcpStream, Arc<OpenConnection>, bytes::Bytes), &'static str> {
    let upgraded = on_upgrade.await.map_err(|_| "the peer was gone before the upgrade")?;
    let parts = upgrade::downcast::<TokioIo<DoorStream>>(upgraded).map_err(|_| "not a plain TCP stream")?;
    let (stream, open) = parts.io.into_inner().into_parts();
    Ok((stream, open, parts.read_buf))
}
