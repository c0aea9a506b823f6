//! One TCP connection and its deadlines, whichever protocol it turns out to speak.
//!
//! From accept on it has `limits.head_timeout` to send one whole request, so that silence, a half
//! preface of HTTP/2 or a head that drips end alike. After that it may be quiet for
//! `limits.idle_timeout`; then it is asked to close, and cut off where it does not. A connection that
//! was upgraded leaves this module with its stream, which keeps its place among the open ones.

mod activity;
mod bounds;
mod stream;

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::Body;
use hyper_util::server::graceful::GracefulConnection;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub(crate) use activity::Activity;
pub(super) use activity::Tracked;
pub(crate) use bounds::{AddressPlace, Ended, OpenConnection, OpenConnections, PerAddress};
pub(crate) use stream::DoorStream;

/// Any error of a body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of any answer.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

/// How long a connection that lets nobody else in may take for its request.
const CROWDED_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a quiet connection may take to close when it was asked to.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// An answer whose body has any type.
pub(crate) fn boxed<B>(response: Response<B>) -> Response<AnyBody>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// From accept to the first whole request.
    pub(super) head: Duration,
    /// Without any activity, after that.
    pub(super) idle: Duration,
}

/// How the connections of a listener are ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Endings {
    /// Finish what is under way, take nothing more.
    pub(super) finish: CancellationToken,
    /// End at once.
    pub(super) cut: CancellationToken,
}

/// Serves a connection until it ends, is upgraded, or lets a deadline pass.
pub(super) async fn serve<C>(connection: C, open: Arc<OpenConnection>, activity: Arc<Activity>, deadlines: Deadlines, endings: Endings)
where
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    speak_http(connection, &open, &activity, deadlines, endings).await;
    open.leaves_http();
}

async fn speak_http<C>(connection: C, open: &OpenConnection, activity: &Arc<Activity>, deadlines: Deadlines, endings: Endings)
where
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let head = if open.crowded { CROWDED_TIMEOUT.min(deadlines.head) } else { deadlines.head };
    let head = Instant::now() + head;
    let mut look = pin!(sleep_until(head.min(Instant::now() + deadlines.idle)));
    let mut finishing = false;
    let mut asked_to_close = false;
    loop {
        tokio::select! {
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "an HTTP connection ended early");
                }
                return;
            }
            () = endings.cut.cancelled() => return,
            () = endings.finish.cancelled(), if !finishing => {
                if !activity.has_begun() {
                    return;
                }
                finishing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = open.give_way.notified() => {
                if !activity.has_begun() {
                    return open.count(Ended::GaveWay);
                }
                // A request may have arrived while it was chosen.
                if activity.quiet().is_none() {
                    open.has_begun(activity);
                } else {
                    open.count(Ended::GaveWay);
                    asked_to_close = true;
                    connection.as_mut().graceful_shutdown();
                    look.as_mut().reset(Instant::now() + LAST_WORDS);
                }
            }
            () = look.as_mut() => {
                let now = Instant::now();
                let next = match activity.quiet() {
                    _ if !activity.has_begun() && now >= head => return open.count(Ended::NoHead),
                    _ if !activity.has_begun() => head,
                    None => now + deadlines.idle,
                    Some(quiet) if quiet < deadlines.idle => now + deadlines.idle.saturating_sub(quiet),
                    Some(_) if asked_to_close => return,
                    Some(_) => {
                        open.count(Ended::Idle);
                        asked_to_close = true;
                        connection.as_mut().graceful_shutdown();
                        now + LAST_WORDS
                    }
                };
                look.as_mut().reset(next);
            }
        }
    }
}
