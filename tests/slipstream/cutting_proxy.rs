//! A TCP proxy that cuts connections, and whose other end can move: a bad network, a restarted server.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Listens on a loopback port and passes on to `upstream`.
pub(crate) struct CuttingProxy {
    pub(crate) addr: SocketAddr,
    upstream: Arc<Mutex<SocketAddr>>,
    pub(crate) connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl CuttingProxy {
    /// Cuts the first connections after so many bytes from the client each; later ones live.
    pub(crate) async fn start(upstream: SocketAddr, cuts: &[usize]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let upstream = Arc::new(Mutex::new(upstream));
        let connections = Arc::new(AtomicU64::new(0));
        let (target, count, cuts) = (upstream.clone(), connections.clone(), cuts.to_vec());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let index = count.fetch_add(1, Ordering::SeqCst) as usize;
                let to = *target.lock().unwrap();
                tokio::spawn(pass(client, to, cuts.get(index).copied().unwrap_or(usize::MAX)));
            }
        });
        Self { addr, upstream, connections, task }
    }

    /// From now on connections go to `upstream`.
    pub(crate) fn move_to(&self, upstream: SocketAddr) {
        *self.upstream.lock().unwrap() = upstream;
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, to: SocketAddr, mut left: usize) {
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let (mut up, mut down) = (vec![0; 4096], vec![0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(n @ 1..) = read else { return };
                // The last bytes before a cut end mid-frame.
                let n = n.min(left);
                left -= n;
                if server.write_all(&up[..n]).await.is_err() || left == 0 { return }
            }
            read = server.read(&mut down) => {
                let Ok(n @ 1..) = read else { return };
                if client.write_all(&down[..n]).await.is_err() { return }
            }
        }
    }
}
