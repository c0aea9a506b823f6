//! What every Socket.IO request goes through around the protocol's own service: rate limits, the origin of pages.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::{Body, Incoming};
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
        let answer = self.inner.call(request);
        async move {
            let mut response = answer.await?;
            if let Some(origin) = page.into_reader() {
                allow_origin(response.headers_mut(), origin);
            }
            Ok(boxed(response))
        }
        .boxed()
    }
}

/// A new session counts as a new connection of its address, any other request as a request.
fn admit(services: &Services, request: &Request<Incoming>) -> Result<(), ApiError> {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let address = ClientAddress::of(peer, Some(request.headers()), &services.config.rate.proxies);
    let has_session = request.uri().query().is_some_and(|query| crate::auth::query_value(query, "sid").is_some());
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
