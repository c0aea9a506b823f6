//! What every Socket.IO request goes through around the protocol's own service: rate limits, the origin of pages, and
//! errors as the protocol words them.

use std::{
    borrow::Cow,
    convert::Infallible,
    str::FromStr as _,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Incoming};
use socketioxide::socket::Sid;
use tower::Service;

use crate::{
    app::Services,
    http::{
        PageOrigin, Peer, allow_origin,
        reply::{self, ApiError},
    },
    rate::ClientAddress,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxBody = UnsyncBoxBody<Bytes, BoxError>;

/// Most bytes of an error of the protocol.
const MAX_ERROR_BYTES: u64 = 1_024;

/// Where Socket.IO lives.
const PATH: &str = "/socket.io";

/// Wraps the Socket.IO service, which has everything else behind it. Cloned per connection.
#[derive(Clone)]
pub(crate) struct Door<S> {
    services: Arc<Services>,
    inner: S,
}

impl<S> Door<S> {
    pub(crate) const fn new(services: Arc<Services>, inner: S) -> Self {
        Self { services, inner }
    }
}

impl<S, B> Service<Request<Incoming>> for Door<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<BoxBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        // Preflights are answered alike on every path, by the frame within.
        if !request.uri().path().starts_with(PATH) || request.method() == Method::OPTIONS {
            let request = if request.method() == Method::OPTIONS { elsewhere(request) } else { request };
            return self.inner.call(request).map(|answer| answer.map(boxed)).boxed();
        }
        let services = self.services.clone();
        let page = PageOrigin::of(&services.config, &request);
        // Each opens a session, sends an event or takes those of one: of other origins none passes, not even a GET.
        if let Err(refused) = admit(&services, &request).and_then(|()| page.check(&services, request.uri())) {
            let refusal = reply::fail(services.clock.now(), refused);
            return std::future::ready(Ok(boxed(refusal))).boxed();
        }
        if has_unreadable_session(&request) {
            return std::future::ready(Ok(boxed(unknown_session()))).boxed();
        }
        let answer = self.inner.call(request);
        async move {
            let mut response = with_numeric_code(answer.await?.map(|body| body.map_err(Into::into).boxed_unsync())).await;
            if let Some(origin) = page.into_reader() {
                allow_origin(response.headers_mut(), origin);
            }
            Ok(response)
        }
        .boxed()
    }
}

/// A new session counts as a new connection of its address, any other request as a request.
fn admit(services: &Services, request: &Request<Incoming>) -> Result<(), ApiError> {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let address = ClientAddress::of(peer, Some(request.headers()), &services.config.rate.proxies);
    let has_session = session_of(request).is_some_and(|sid| Sid::from_str(&sid).is_ok());
    if has_session {
        services.rates.request_from(address)?;
    } else {
        services.rates.connection_from(address)?;
    }
    if services.connections.is_draining() {
        return Err(ApiError::new(slipstream_protocol::ErrorCode::Unavailable, "the server is draining, come back in a moment"));
    }
    Ok(())
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
async fn with_numeric_code(response: Response<BoxBody>) -> Response<BoxBody> {
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

/// The same preflight on a path that Socket.IO does not take for its own.
fn elsewhere(mut request: Request<Incoming>) -> Request<Incoming> {
    if request.uri().path().starts_with(PATH) {
        *request.uri_mut() = http::Uri::from_static("/health");
    }
    request
}

fn boxed<B>(response: Response<B>) -> Response<BoxBody>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
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
