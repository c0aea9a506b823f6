//! The listener: accepts, serves each connection, and stops gracefully.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::{
    Frame,
    connection::{self, Activity, Deadlines, DoorStream, Endings, OpenConnection, Tracked},
    routes,
};
use crate::{app::Services, socketio::Door};

/// Read buffer of one HTTP connection, bytes: heads are small and bodies are read in pieces.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Longest pause after the process ran out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Least time between two log lines about connections that could not be accepted.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// An HTTP/2 client is pinged so often, and dropped where it does not answer within as long.
const HTTP2_PING: Duration = Duration::from_secs(20);
/// What a connection that is not let in is sent, where it can be.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// The peer's address, in the extensions of every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A listener that serves.
pub struct Listening {
    /// Where it listens; tells the port where 0 was asked for.
    pub addr: SocketAddr,
    endings: Endings,
    connections: TaskTracker,
    task: JoinHandle<()>,
}

/// Serves `services` on `listener` until [`Listening::stop`].
pub fn serve(listener: TcpListener, services: Arc<Services>) -> io::Result<Listening> {
    let addr = listener.local_addr()?;
    let (endings, connections) = (Endings::default(), TaskTracker::new());
    let task = tokio::spawn(accept(listener, services, endings.clone(), connections.clone()));
    Ok(Listening { addr, endings, connections, task })
}

impl Listening {
    /// Stops accepting and lets requests under way finish, at most until `deadline` passes; then it cuts them off.
    pub async fn stop(self, deadline: Duration) {
        self.endings.finish.cancel();
        if self.task.await.is_err() {
            tracing::error!("the listener had panicked");
        }
        self.connections.close();
        if tokio::time::timeout(deadline, self.connections.wait()).await.is_err() {
            tracing::warn!(open = self.connections.len(), "some HTTP connections did not finish in time and are dropped");
            self.endings.cut.cancel();
        }
    }
}

async fn accept(listener: TcpListener, services: Arc<Services>, endings: Endings, connections: TaskTracker) {
    let service = Door::new(services.clone(), Frame::new(services.clone(), warp::service(routes(&services))));
    let limits = &services.config.limits;
    let deadlines = Deadlines { head: limits.head_timeout, idle: limits.idle_timeout };
    let mut builder = Builder::new(TokioExecutor::new());
    // Half-closed clients are answered: otherwise every request costs one more read, to see whether its client is still there.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(MAX_HEAD_BYTES).half_close(true);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING).keep_alive_timeout(HTTP2_PING);
    let mut said: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            () = endings.finish.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a peer gone before it was accepted: neither ends the listener.
                if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
                    said = Some(Instant::now());
                    tracing::warn!(%error, open = services.tcp.open(), "a connection could not be accepted");
                }
                if !matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted) {
                    services.tcp.make_space();
                    services.tcp.until_freed(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        services.counters.tcp_accepted.inc();
        let Some(open) = let_in(&services, &stream, peer).await else { continue };
        let activity = Activity::new();
        let stream = DoorStream::new(stream, open.clone(), activity.clone(), deadlines.idle);
        let (inner, shared) = (service.clone(), services.clone());
        let tracked = Tracked { inner, services: shared, activity: activity.clone(), open: open.clone(), peer: Peer(peer) };
        let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(tracked)).into_owned();
        let serving = connection::serve(served, open, activity, deadlines, endings.clone());
        connections.spawn(serving.instrument(tracing::debug_span!("http", %peer)));
    }
}

/// A place for a connection; without one it is told so and closed.
async fn let_in(services: &Services, stream: &TcpStream, peer: SocketAddr) -> Option<Arc<OpenConnection>> {
    // Frames are coalesced by us; the kernel must not wait for more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    match services.tcp.enter(peer.ip()).await {
        Ok(open) => Some(Arc::new(open)),
        Err(why) => {
            tracing::debug!(%peer, ?why, "no place for a connection");
            // It may not have room for even that.
            let _ = stream.try_write(NO_PLACE);
            None
        }
    }
}
