//! What happens on one connection, for its deadlines: requests begun, answers under way, bytes taken.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use slipstream_protocol::ErrorCode;
use tokio::time::Instant;
use tower::Service;

use super::{AnyBody, BoxError, OpenConnection, boxed};
use crate::{
    app::Services,
    http::{
        Peer,
        reply::{self, ApiError},
    },
};

/// Shared by a connection's stream, its requests and the task that watches its deadlines.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    /// When something happened last, milliseconds since it began.
    last: AtomicU64,
    requests: AtomicU64,
    /// Requests whose answer is being made.
    handling: AtomicUsize,
    /// The last request was refused, and of its body something may still be on its way.
    unread: AtomicBool,
}

impl Activity {
    pub(in crate::http) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            handling: AtomicUsize::new(0),
            unread: AtomicBool::new(false),
        })
    }

    /// Something happened.
    pub(super) fn note(&self) {
        self.last.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether a whole request has arrived.
    pub(super) fn has_begun(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Whether something of a refused body may still be on its way.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// For how long nothing has happened; `None` while a request is being handled.
    pub(super) fn quiet(&self) -> Option<Duration> {
        if self.handling.load(Ordering::Relaxed) > 0 {
            return None;
        }
        Some(self.began.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed))))
    }
}

/// A request that is being handled.
pub(super) struct Handling(Arc<Activity>);

impl Handling {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.handling.fetch_add(1, Ordering::Relaxed);
        activity.note();
        Self(activity.clone())
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.note();
        self.0.handling.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What serves the requests of one connection.
pub(in crate::http) struct Tracked<S> {
    pub(in crate::http) inner: S,
    pub(in crate::http) services: Arc<Services>,
    pub(in crate::http) activity: Arc<Activity>,
    pub(in crate::http) open: Arc<OpenConnection>,
    pub(in crate::http) peer: Peer,
}

impl<S: Clone> Clone for Tracked<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            services: self.services.clone(),
            activity: self.activity.clone(),
            open: self.open.clone(),
            peer: self.peer,
        }
    }
}

impl<S> Service<Request<Incoming>> for Tracked<S>
where
    S: Service<Request<Incoming>, Response = Response<AnyBody>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<AnyBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        if !self.activity.has_begun() {
            self.open.has_begun(&self.activity);
        }
        let handling = Handling::begin(&self.activity);
        request.extensions_mut().insert(self.peer);
        let has_body = !request.body().is_end_stream();
        self.activity.unread.store(false, Ordering::Relaxed);
        let crowded = self.open.crowded;
        if crowded && !matches!(request.uri().path(), "/health" | "/api/health") {
            let message = "the server has as many connections open as it can; come back in a moment";
            self.activity.unread.store(has_body, Ordering::Relaxed);
            let refusal = reply::fail(self.services.clock.now(), ApiError::new(ErrorCode::Unavailable, message));
            return std::future::ready(Ok(last(boxed(refusal)))).boxed();
        }
        let answer = self.inner.call(request);
        async move {
            let response = answer.await?;
            let activity = handling.0.clone();
            activity.unread.store(has_body && response.status().as_u16() >= 400, Ordering::Relaxed);
            drop(handling);
            let response = response.map(|body| AnyBody::new(Sending { body, activity }));
            Ok(if crowded { last(response) } else { response })
        }
        .boxed()
    }
}

/// The last answer on its connection.
fn last(mut response: Response<AnyBody>) -> Response<AnyBody> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A body on its way; each piece that is taken counts as activity.
struct Sending {
    body: AnyBody,
    activity: Arc<Activity>,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.activity.note();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
