//! A connection's TCP stream: bytes that are taken count as activity, and a peer that takes none for long is given up.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{Activity, Ended, OpenConnection};

/// Answers to pings and the like are smaller; they say nothing of a reader that takes what it asked for.
const SMALL: usize = 64;

/// The stream below HTTP. Holds the connection's place for as long as it lives.
pub(crate) struct DoorStream {
    tcp: TcpStream,
    open: Arc<OpenConnection>,
    activity: Arc<Activity>,
    stall_after: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl DoorStream {
    pub(in crate::http) const fn new(tcp: TcpStream, open: Arc<OpenConnection>, activity: Arc<Activity>, stall_after: Duration) -> Self {
        Self { tcp, open, activity, stall_after, stalled: None }
    }

    /// The stream for another protocol, and the connection's place, which is to be kept as long as the stream.
    pub(crate) fn into_parts(self) -> (TcpStream, Arc<OpenConnection>) {
        (self.tcp, self.open)
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let after = self.stall_after;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(after)));
        if stalled.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.open.count(Ended::Stalled);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not take what is sent to it")))
    }

    fn wrote(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(outcome, Poll::Ready(Ok(bytes)) if bytes > SMALL) {
            self.activity.note();
        }
        self.watch(cx, outcome)
    }
}

impl AsyncRead for DoorStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for DoorStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.wrote(cx, outcome)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.wrote(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
