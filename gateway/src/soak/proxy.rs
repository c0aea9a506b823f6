//! A TCP proxy that fails on command: it refuses, goes silent, or cuts connections mid-frame.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What the proxy does with connections, those that stand and new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Passes bytes on.
    Pass,
    /// Closes at once.
    Refuse,
    /// Accepts, and passes nothing on.
    Silent,
    /// Passes so many bytes more on each connection, both ways together, then closes it.
    CutAfter(u64),
}

/// A running proxy; gone when dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) addr: SocketAddr,
    mode: watch::Sender<Mode>,
    cuts: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free loopback port and passes connections on to `target`.
    pub(super) async fn start(target: String) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let mode = watch::Sender::new(Mode::Pass);
        let cuts = Arc::<AtomicU64>::default();
        let (modes, counted) = (mode.clone(), cuts.clone());
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                tokio::spawn(pass(client, target.clone(), modes.subscribe(), counted.clone()));
            }
        });
        Ok(Self { addr, mode, cuts, accepting })
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Connections ended by the proxy's own doing so far.
    pub(super) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The mode a connection is in, and what is left of a cut's bytes.
struct Gate {
    modes: watch::Receiver<Mode>,
    left: Mutex<Option<u64>>,
}

impl Gate {
    /// How many of `n` bytes may pass; `None`: the connection is to end.
    fn allow(&self, n: usize) -> Option<usize> {
        match *self.modes.borrow() {
            Mode::Pass | Mode::Silent => {
                *self.left.lock() = None;
                Some(n)
            }
            Mode::Refuse => None,
            Mode::CutAfter(bytes) => {
                let mut left = self.left.lock();
                let left = left.get_or_insert(bytes);
                let allowed = (*left).min(n as u64);
                *left -= allowed;
                Some(allowed as usize)
            }
        }
    }
}

async fn pass(client: TcpStream, target: String, mut modes: watch::Receiver<Mode>, cuts: Arc<AtomicU64>) {
    if *modes.borrow() == Mode::Refuse {
        cuts.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let quick = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    if quick.is_err() {
        return;
    }
    let gate = Gate { modes: modes.clone(), left: Mutex::new(None) };
    let (client, server) = (client.into_split(), server.into_split());
    let both = async {
        tokio::select! {
            cut = one_way(client.0, server.1, &gate) => cut,
            cut = one_way(server.0, client.1, &gate) => cut,
        }
    };
    let refused = async { modes.wait_for(|m| *m == Mode::Refuse).await.is_ok() };
    let cut = tokio::select! {
        cut = both => cut,
        cut = refused => cut,
    };
    cuts.fetch_add(u64::from(cut), Ordering::Relaxed);
}

/// True where the proxy ended it.
async fn one_way(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, gate: &Gate) -> bool {
    let mut buffer = vec![0; 16 << 10];
    let mut modes = gate.modes.clone();
    loop {
        if modes.wait_for(|m| *m != Mode::Silent).await.is_err() {
            return false;
        }
        let Ok(n @ 1..) = from.read(&mut buffer).await else { return false };
        if modes.wait_for(|m| *m != Mode::Silent).await.is_err() {
            return false;
        }
        let Some(allowed) = gate.allow(n) else { return true };
        if to.write_all(&buffer[..allowed]).await.is_err() {
            return false;
        }
        if allowed < n {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_pass_until_the_cut_and_no_further() {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().to_string()).await.unwrap();
        let mut client = TcpStream::connect(proxy.addr).await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        accepted.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        proxy.set(Mode::CutAfter(3));
        client.write_all(b"world").await.unwrap();
        let mut rest = Vec::new();
        accepted.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"wor");
        assert_eq!(proxy.cuts(), 1);
    }
}
