//! The listener: accepts, serves each connection, and stops gracefully.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

use super::{Frame, routes};
use crate::{
    app::Services,
    socketio::{self, Door},
};

/// A client that does not finish its request head for this long is dropped.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Read buffer of one HTTP connection, bytes: heads are small and bodies are read in pieces.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Pause after the process ran out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The peer's address, in the extensions of every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A listener that serves.
pub struct Listening {
    /// Where it listens; tells the port where 0 was asked for.
    pub addr: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<GracefulShutdown>,
}

/// Serves `services` on `listener` until [`Listening::stop`].
pub fn serve(listener: TcpListener, services: Arc<Services>) -> io::Result<Listening> {
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    let task = tokio::spawn(accept(listener, services, stop.clone()));
    Ok(Listening { addr, stop, task })
}

impl Listening {
    /// Stops accepting and lets requests under way finish, at most until `deadline` passes.
    pub async fn stop(self, deadline: Duration) {
        self.stop.cancel();
        let Ok(graceful) = self.task.await else { return };
        if tokio::time::timeout(deadline, graceful.shutdown()).await.is_err() {
            tracing::warn!("some HTTP connections did not finish in time and are dropped");
        }
    }
}

async fn accept(listener: TcpListener, services: Arc<Services>, stop: CancellationToken) -> GracefulShutdown {
    let graceful = GracefulShutdown::new();
    let frame = Frame::new(services.clone(), warp::service(routes(&services)));
    let service = Door::new(services.clone(), socketio::layer(&services).layer(frame));
    let mut builder = Builder::new(TokioExecutor::new());
    // Half-closed clients are answered: otherwise every request costs one more read, to see whether its client is still there.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES).half_close(true);
    builder.http2().timer(TokioTimer::new());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return graceful,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a peer gone before it was accepted: neither ends the listener.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Frames are coalesced by us; the kernel must not wait for more.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        services.counters.tcp_accepted.inc();
        let service = tower::util::MapRequest::new(service.clone(), move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%peer, %error, "an HTTP connection ended early");
            }
        });
    }
}
