//! A connection's TCP stream: bytes that are taken count as activity, and a peer that takes none for long is given up.
//!
//! A refusal is sent before the body it refuses has arrived. Closing at once would answer the rest with a reset, which
//! destroys the refusal on its way: so the stream stops sending, and reads what still comes and throws it away until the
//! peer has read its answer and closes, within bounds of time and bytes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::{Activity, Ended, OpenConnection};

/// Answers to pings and the like are smaller; they say nothing of a reader that takes what it asked for.
const SMALL: usize = 64;

/// A peer that goes on sending what was refused has this long to begin with ...
const LINGER: Duration = Duration::from_secs(3);
/// ... and a second more for so many bytes that came ...
const LINGER_SPEED: f64 = 65_536.0;
/// ... but no more than this altogether ...
const LINGER_LONGEST: Duration = Duration::from_secs(30);
/// ... or this where it comes when all places are taken ...
const LINGER_CROWDED: Duration = Duration::from_secs(1);
/// ... and is reset after so many bytes.
const LINGER_BYTES: usize = 64 << 20;
/// Read and thrown away at a time, bytes.
const DISCARD: usize = 16 << 10;
/// Discarded in one go, before other connections have their turn, bytes.
const DISCARD_TURN: usize = 256 << 10;

/// What still comes after the last answer.
struct Lingering {
    began: Instant,
    received: usize,
    timer: Pin<Box<Sleep>>,
}

impl Lingering {
    fn new() -> Self {
        Self { began: Instant::now(), received: 0, timer: Box::pin(sleep(LINGER)) }
    }

    /// When it ends, by what has come.
    fn deadline(&self, crowded: bool) -> Instant {
        let longest = if crowded { LINGER_CROWDED } else { LINGER_LONGEST };
        self.began + longest.min(LINGER + Duration::from_secs_f64(self.received as f64 / LINGER_SPEED))
    }
}

/// The stream below HTTP. Holds the connection's place for as long as it lives.
pub(crate) struct DoorStream {
    tcp: TcpStream,
    open: Arc<OpenConnection>,
    activity: Arc<Activity>,
    stall_after: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    lingering: Option<Lingering>,
}

impl DoorStream {
    pub(in crate::http) const fn new(tcp: TcpStream, open: Arc<OpenConnection>, activity: Arc<Activity>, stall_after: Duration) -> Self {
        Self { tcp, open, activity, stall_after, stalled: None, lingering: None }
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

    /// Throws away what still comes, until the peer closes or its time is over.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { tcp, open, lingering, .. } = self;
        let lingering = lingering.get_or_insert_with(Lingering::new);
        let mut turn = 0;
        let mut bytes = [0; DISCARD];
        loop {
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    let received = buf.filled().len();
                    open.discarded(received);
                    (lingering.received, turn) = (lingering.received + received, turn + received);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
            if lingering.received >= LINGER_BYTES {
                open.count(Ended::Unread);
                return Poll::Ready(());
            }
            if turn >= DISCARD_TURN {
                cx.waker().wake_by_ref();
                break;
            }
        }
        let deadline = lingering.deadline(open.crowded);
        lingering.timer.as_mut().reset(deadline);
        ready!(lingering.timer.as_mut().poll(cx));
        open.count(Ended::Unread);
        Poll::Ready(())
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
        ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        if self.lingering.is_none() && !self.activity.is_unread() {
            return Poll::Ready(Ok(()));
        }
        self.linger(cx).map(Ok)
    }
}
