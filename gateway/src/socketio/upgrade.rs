//! A stream of our own below the WebSocket of the Socket.IO crate.
//!
//! The crate takes what hyper upgrades and sets no bound on its messages. hyper alone makes upgraded
//! connections, so a second, inner HTTP connection is made within the process and upgraded at once; its
//! stream leads to the outer one, through [`FrameLimited`]:
//!
//! ```text
//! client == outer HTTP connection, upgraded == FrameLimited == inner HTTP connection, upgraded == crate
//! ```

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::service_fn,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use super::frame_limit::FrameLimited;

/// The request of the inner connection.
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: inner\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
/// The end of its answer's head.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

type Limited = FrameLimited<TokioIo<Upgraded>>;

/// The upgrade of an inner connection whose stream goes through what `limit` makes of the outer one's.
pub(super) async fn through<F>(outer: OnUpgrade, limit: F) -> Option<OnUpgrade>
where
    F: FnOnce(TokioIo<Upgraded>) -> Limited + Send + Unpin + 'static,
{
    let (told, inner) = oneshot::channel();
    let told = Mutex::new(Some(told));
    let bridge = Bridge { head: HEAD, matched: 0, outer: Outer::Waits(outer, Some(limit)) };
    let answer = service_fn(move |mut request: Request<Incoming>| {
        if let Some(told) = told.lock().take() {
            // Whoever waits is right below.
            let _ = told.send(hyper::upgrade::on(&mut request));
        }
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .body(Empty::<bytes::Bytes>::new());
        std::future::ready(response)
    });
    // Ends as soon as it is upgraded: nothing on the way to there waits for the outer connection.
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(bridge), answer).with_upgrades().await {
        tracing::error!(%error, "an inner connection was not upgraded");
        return None;
    }
    inner.await.ok()
}

/// The stream below the inner connection.
struct Bridge<F> {
    /// What is left to read of the request.
    head: &'static [u8],
    /// How much of the end of the answer's head was written in a row; all of it: what follows is the client's.
    matched: usize,
    outer: Outer<F>,
}

enum Outer<F> {
    Waits(OnUpgrade, Option<F>),
    Open(Limited),
}

impl<F: FnOnce(TokioIo<Upgraded>) -> Limited + Unpin> Outer<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut Limited>>> {
        if let Self::Waits(upgrade, limit) = self {
            let upgraded = ready!(Pin::new(upgrade).poll(cx)).map_err(io::Error::other)?;
            let Some(limit) = limit.take() else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
            *self = Self::Open(limit(TokioIo::new(upgraded)));
        }
        match self {
            Self::Open(stream) => Poll::Ready(Ok(Pin::new(stream))),
            Self::Waits(..) => Poll::Pending,
        }
    }
}

impl<F: FnOnce(TokioIo<Upgraded>) -> Limited + Unpin> AsyncRead for Bridge<F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.head.is_empty() {
            let part = self.head.len().min(buf.remaining());
            buf.put_slice(&self.head[..part]);
            self.head = &self.head[part..];
            return Poll::Ready(Ok(()));
        }
        let stream = ready!(self.outer.poll(cx))?;
        stream.poll_read(cx, buf)
    }
}

impl<F: FnOnce(TokioIo<Upgraded>) -> Limited + Unpin> AsyncWrite for Bridge<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.matched < END_OF_HEAD.len() {
            let mut taken = 0;
            for byte in bytes {
                taken += 1;
                self.matched = if *byte == END_OF_HEAD[self.matched] { self.matched + 1 } else { usize::from(*byte == b'\r') };
                if self.matched == END_OF_HEAD.len() {
                    break;
                }
            }
            return Poll::Ready(Ok(taken));
        }
        let stream = ready!(self.outer.poll(cx))?;
        stream.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.outer {
            Outer::Open(stream) => Pin::new(stream).poll_flush(cx),
            Outer::Waits(..) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.outer {
            Outer::Open(stream) => Pin::new(stream).poll_shutdown(cx),
            Outer::Waits(..) => Poll::Ready(Ok(())),
        }
    }
}
