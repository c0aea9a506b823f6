//! What every request goes through before and after its route: request id, tracing span, CORS,
//! size limit, token, counting, and a panic that becomes a 500.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::Request;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use slipstream_protocol::ErrorCode;
use tokio::sync::OwnedSemaphorePermit;
use tower::Service;
use tracing::Instrument;

use super::{
    Peer, access,
    bodies::{Sender, Uncollected, collect},
    content_encoding,
    cors::{self, PageOrigin},
    reply::{self, ApiError, Response},
    request_id, route_label,
};
use crate::{app::Services, rate::ClientAddress};

/// Wraps the routes. Cloned per connection.
#[derive(Clone)]
pub struct Frame<R> {
    services: Arc<Services>,
    routes: R,
}

impl<R> Frame<R> {
    /// `routes` within the frame.
    pub const fn new(services: Arc<Services>, routes: R) -> Self {
        Self { services, routes }
    }
}

impl<R> Service<Request<Incoming>> for Frame<R>
where
    R: Service<Request<Full<Bytes>>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    R::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (services, routes) = (self.services.clone(), self.routes.clone());
        let id = request_id::of(request.headers());
        let span = tracing::info_span!("request", id = id.to_str().unwrap_or(""), method = %request.method(), path = request.uri().path());
        let framed = async move {
            let route = route_label::of(request.uri().path());
            let page = PageOrigin::of(&services.config, &request);
            let mut response = match cors::preflight(&services, &request, &page) {
                Some(answer) => answer,
                None => guarded(&services, routes, request, &page).await,
            };
            response.headers_mut().insert(request_id::X_REQUEST_ID, id);
            if let Some(origin) = page.into_reader() {
                cors::allow(response.headers_mut(), origin);
            }
            services.counters.http_request(route, response.status().as_u16());
            tracing::debug!(status = response.status().as_u16(), "answered");
            Ok(response)
        };
        framed.instrument(span).boxed()
    }
}

/// Runs the request, and turns a panic anywhere below into a 500: the connection lives on.
async fn guarded<R>(services: &Services, routes: R, request: Request<Incoming>, page: &PageOrigin) -> Response
where
    R: Service<Request<Full<Bytes>>, Response = Response, Error = Infallible>,
{
    match AssertUnwindSafe(admitted(services, routes, request, page)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(refusal)) => reply::fail(services.clock.now(), refusal),
        Err(panic) => {
            let reason = panic_text(&*panic);
            tracing::error!(reason, "a handler panicked");
            services.counters.handler_panics.inc();
            let message = "a fault of the server, it has been logged; the request id says which";
            reply::fail(services.clock.now(), ApiError::new(ErrorCode::Internal, message))
        }
    }
}

/// Lets a request in: its page's origin, token and size are right, and it is not one too many.
async fn admitted<R>(services: &Services, mut routes: R, mut request: Request<Incoming>, page: &PageOrigin) -> Result<Response, ApiError>
where
    R: Service<Request<Full<Bytes>>, Response = Response, Error = Infallible>,
{
    if !names_its_host(&request) {
        return Err(ApiError::new(ErrorCode::ValidationError, "HTTP/1.1 needs the header Host, once, with a host name or an address"));
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let address = ClientAddress::of(peer, Some(request.headers()), &services.config.rate.proxies);
    services.rates.request_from(address)?;
    if cors::is_guarded(&request) {
        page.check(services, request.uri())?;
    }
    request.extensions_mut().insert(address);
    let mut sender = Sender::Open;
    if super::compiled().needs_token(request.method(), request.uri().path(), services.config.rl.open) {
        sender = Sender::Token;
        let claims = access::claims_of(services, &request).await.map_err(|error| access::refused(services, address, error))?;
        services.rates.request_of(services.rates.token(&claims.sub))?;
        request.extensions_mut().insert(claims);
    }
    let (head, body) = request.into_parts();
    // Held until the answer is there: what is made of the body is about as large.
    let (body, _held) = whole_body(body, services, sender).await?;
    let packed = body.len();
    let body = without_mark(content_encoding::unpacked(&head.headers, body, max_body(services, sender))?);
    let _grown = services.bodies.more(sender, body.len().saturating_sub(packed)).map_err(|why| why.refusal(max_body(services, sender)))?;
    match routes.call(Request::from_parts(head, Full::new(body))).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

/// Whether a request names its host, as one of HTTP/1.1 must: once and well-formed (RFC 9112, 3.2).
fn names_its_host<B>(request: &Request<B>) -> bool {
    if request.version() != http::Version::HTTP_11 {
        return true;
    }
    let mut hosts = request.headers().get_all(http::header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    // Empty where the target's URI has no authority (RFC 9110, 7.2).
    host.is_empty() || http::uri::Authority::try_from(host.as_bytes()).is_ok_and(|authority| !authority.as_str().contains('@'))
}

/// A body without the mark of UTF-8 that editors and PowerShell put in front of a text.
fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with("\u{feff}".as_bytes()) { body.slice("\u{feff}".len()..) } else { body }
}

/// Largest body of such callers, bytes.
fn max_body(services: &Services, sender: Sender) -> usize {
    let limits = &services.config.limits;
    match sender {
        Sender::Token => limits.max_frame_bytes,
        Sender::Open => limits.max_open_body_bytes.min(limits.max_frame_bytes),
    }
}

/// The whole body, and what it holds of the memory for all bodies.
async fn whole_body(body: Incoming, services: &Services, sender: Sender) -> Result<(Bytes, Option<OwnedSemaphorePermit>), ApiError> {
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    let max = max_body(services, sender);
    if body.size_hint().lower() > max as u64 {
        return Err(Uncollected::TooLarge.refusal(max));
    }
    collect(body, max, sender, &services.bodies).await.map_err(|why| why.refusal(max))
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::{
        rt::{TokioExecutor, TokioIo},
        server::conn::auto::Builder,
        service::TowerToHyperService,
    };

    #[tokio::test]
    async fn a_handler_that_panics_answers_500_and_its_connection_and_the_others_go_on() {
        let data = tempfile::tempdir().unwrap();
        let config = crate::config::Config { bind: [127, 0, 0, 1].into(), port: 0, data_dir: data.path().into(), ..Default::default() };
        let server = crate::app::start(config).await.unwrap();
        let routes = tower::service_fn(|request: Request<Full<Bytes>>| async move {
            assert_ne!(request.uri().path(), "/boom", "a fault of this handler");
            Ok::<_, Infallible>(reply::body(http::StatusCode::OK, "text/plain", "well"))
        });
        let frame = Frame::new(server.services().clone(), routes);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(frame.clone());
                tokio::spawn(async move { Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await });
            }
        });
        let client = reqwest::Client::new();
        let get = |path: &str| client.get(format!("http://{addr}{path}")).send();
        for panics in 1..=3 {
            let (well, boom) = tokio::join!(get("/well"), get("/boom"));
            assert_eq!(well.unwrap().text().await.unwrap(), "well");
            let boom = boom.unwrap();
            assert_eq!(boom.status(), 500);
            assert!(boom.headers().contains_key("x-request-id"), "to find it in the log");
            let body: serde_json::Value = boom.json().await.unwrap();
            assert_eq!((body["success"].as_bool(), body["error"]["code"].as_str()), (Some(false), Some("INTERNAL")), "{body}");
            assert_eq!(server.services().counters.handler_panics.get(), panics);
        }
        serving.abort();
        server.shutdown().await;
    }
}
