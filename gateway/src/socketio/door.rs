//! What every Socket.IO request goes through around the protocol's own service: rate limits, bounds, the origin of pages,
//! and errors as the protocol words them.

use std::{
    borrow::Cow,
    convert::Infallible,
    str::FromStr as _,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Body as _, Incoming},
    upgrade::OnUpgrade,
};
use slipstream_protocol::ErrorCode;
use socketioxide::{layer::SocketIoLayer, service::SocketIoService, socket::Sid};
use tokio::sync::OwnedSemaphorePermit;
use tower::{Layer as _, Service};

use super::{MAX_PAYLOAD, frame_limit::FrameLimited, joining::Place, upgrade};
use crate::{
    app::Services,
    http::{
        AnyBody, PageOrigin, Peer, Sender, allow_origin, boxed, collect,
        reply::{self, ApiError},
    },
    rate::ClientAddress,
};

/// Most bytes of an error of the protocol.
const MAX_ERROR_BYTES: u64 = 1_024;

/// Where Socket.IO lives.
const PATH: &str = "/socket.io";
/// Separates packets in the body of a poll.
const SEPARATOR: u8 = 0x1E;
/// A client that sends nothing for so long has missed a ping by far (one every 25 s, answered within 20 s).
const QUIET: Duration = Duration::from_secs(50);

/// Serves Socket.IO, and passes everything else on to `rest`. Cloned per connection.
#[derive(Clone)]
pub(crate) struct Door<R> {
    services: Arc<Services>,
    socketio: SocketIoService<Elsewhere>,
    rest: R,
}

impl<R> Door<R> {
    /// The door with its handlers in place, before `rest`.
    pub(crate) fn new(services: Arc<Services>, rest: R) -> Self {
        let layer: SocketIoLayer = super::layer(&services);
        Self { services, socketio: layer.layer(Elsewhere), rest }
    }
}

impl<R> Service<Request<Incoming>> for Door<R>
where
    R: Service<Request<Incoming>, Response = reply::Response, Error = Infallible>,
    R::Future: Send + 'static,
{
    type Response = Response<AnyBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.rest.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        // Preflights are answered alike on every path, by the frame within.
        if !request.uri().path().starts_with(PATH) || request.method() == Method::OPTIONS {
            return self.rest.call(request).map(|answer| answer.map(boxed)).boxed();
        }
        let (services, socketio) = (self.services.clone(), self.socketio.clone());
        let page = PageOrigin::of(&services.config, &request);
        // Each opens a session, sends an event or takes those of one: of other origins none passes, not even a GET.
        let admitted = page.check(&services, request.uri()).and_then(|()| admit(&services, &request));
        async move {
            let answered = match admitted {
                Ok(_) if has_unreadable_session(&request) => Ok(boxed(unknown_session())),
                Ok(place) => answer(&services, socketio, request, place).await,
                Err(refused) => Err(refused),
            };
            let mut response = answered.unwrap_or_else(|refused| boxed(reply::fail(services.clock.now(), refused)));
            if let Some(origin) = page.into_reader() {
                allow_origin(response.headers_mut(), origin);
            }
            Ok(response)
        }
        .boxed()
    }
}

async fn answer(
    services: &Services,
    mut socketio: SocketIoService<Elsewhere>,
    mut request: Request<Incoming>,
    place: Option<Place>,
) -> Result<Response<AnyBody>, ApiError> {
    if let Some(place) = place {
        request.extensions_mut().insert(place);
    }
    if let Some(outer) = request.extensions_mut().remove::<OnUpgrade>() {
        let limit = |stream| FrameLimited::new(stream, MAX_PAYLOAD, QUIET);
        if let Some(inner) = upgrade::through(outer, limit).await {
            request.extensions_mut().insert(inner);
        }
    }
    let (head, body) = request.into_parts();
    let (body, _held) = whole_body(services, body).await?;
    match socketio.call(Request::from_parts(head, Full::new(body))).await {
        Ok(response) => Ok(with_numeric_code(boxed(response)).await),
        Err(never) => match never {},
    }
}

/// A new session counts as a new connection of its address and gets a place until it joins; any other request counts as a request.
fn admit(services: &Services, request: &Request<Incoming>) -> Result<Option<Place>, ApiError> {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let address = ClientAddress::of(peer, Some(request.headers()), &services.config.rate.proxies);
    let has_session = session_of(request).is_some_and(|sid| Sid::from_str(&sid).is_ok());
    if has_session {
        services.rates.request_from(address)?;
    } else {
        services.rates.connection_from(address)?;
    }
    if services.connections.is_draining() {
        return Err(ApiError::new(ErrorCode::Unavailable, "the server is draining, come back in a moment"));
    }
    if has_session {
        return Ok(None);
    }
    let place = services.joining.enter(address);
    let message = "too many sessions have not joined the namespace yet; come back in a moment";
    place.map(Some).ok_or_else(|| ApiError::new(ErrorCode::Busy, message))
}

/// The session that a request names.
fn session_of(request: &Request<Incoming>) -> Option<String> {
    let query = request.uri().query()?;
    crate::percent::value(query, "sid").filter(|sid| !sid.is_empty()).map(Cow::into_owned)
}

/// Whether it names one that can be no session: the service within would open a new one.
fn has_unreadable_session(request: &Request<Incoming>) -> bool {
    session_of(request).is_some_and(|sid| Sid::from_str(&sid).is_err())
}

/// Engine.IO's refusal of a session that there is not.
fn unknown_session() -> reply::Response {
    let mut response = reply::body(StatusCode::BAD_REQUEST, "application/json", r#"{"code":1,"message":"Session ID unknown"}"#);
    response.headers_mut().insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

/// Engine.IO's error codes are numbers; the service within writes them as text.
async fn with_numeric_code(response: Response<AnyBody>) -> Response<AnyBody> {
    let is_error = response.status() == StatusCode::BAD_REQUEST
        && response.headers().get(http::header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
        && response.body().size_hint().upper().is_some_and(|size| size <= MAX_ERROR_BYTES);
    if !is_error {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(body) = body.collect().await else { return boxed(unknown_session()) };
    let body = numeric(&body.to_bytes());
    head.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(head, Full::new(body).map_err(Into::into).boxed_unsync())
}

fn numeric(body: &Bytes) -> Bytes {
    let Ok(mut error) = serde_json::from_slice::<serde_json::Value>(body) else { return body.clone() };
    let code = error.get("code").and_then(serde_json::Value::as_str).and_then(|code| code.parse::<u8>().ok());
    let Some(code) = code else { return body.clone() };
    error["code"] = code.into();
    error.to_string().into()
}

/// The body of a poll, with what it holds of the memory for bodies.
async fn whole_body(services: &Services, body: Incoming) -> Result<(Bytes, Option<OwnedSemaphorePermit>), ApiError> {
    let collected = collect(body, MAX_PAYLOAD as usize, Sender::Open, &services.bodies).await;
    let (body, held) = collected.map_err(|why| why.refusal(MAX_PAYLOAD as usize))?;
    // The crate collects as many attachments as a packet announces.
    if body.split(|byte| *byte == SEPARATOR).any(|packet| packet.first() == Some(&b'b')) {
        return Err(ApiError::new(ErrorCode::ValidationError, "binary messages are not taken: no command has an attachment"));
    }
    Ok((body, held))
}

/// What is behind Socket.IO's own path: nothing.
#[derive(Clone, Copy, Debug)]
struct Elsewhere;

impl Service<Request<Full<Bytes>>> for Elsewhere {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        std::future::ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_numbers_and_nothing_else_changes() {
        let text = |body: &'static [u8]| String::from_utf8(numeric(&Bytes::from_static(body)).to_vec()).unwrap();
        let error: serde_json::Value = serde_json::from_str(&text(br#"{"code":"5","message":"Unsupported protocol version"}"#)).unwrap();
        assert_eq!(error, serde_json::json!({"code": 5, "message": "Unsupported protocol version"}));
        assert_eq!(text(b"not JSON"), "not JSON");
        assert_eq!(text(br#"{"code":"UNAUTHORIZED"}"#), r#"{"code":"UNAUTHORIZED"}"#);
    }
}
