//! The address the server listens on, taken before anything is written.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections the kernel keeps until they are accepted.
const BACKLOG: u32 = 1_024;

/// The lowest port that needs no right (Linux: `net.ipv4.ip_unprivileged_port_start`).
const FIRST_FREE_PORT: u16 = 1_024;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {}", hint(self))]
pub struct ListenError {
    /// Where.
    pub(super) addr: SocketAddr,
    /// Why.
    pub(super) source: io::Error,
}

/// An address that no other server gets, and on which clients are refused until [`Reserved::listen`].
pub(super) struct Reserved {
    socket: TcpSocket,
    addr: SocketAddr,
}

impl Reserved {
    /// Takes `addr`.
    pub(super) fn take(addr: SocketAddr) -> Result<Self, ListenError> {
        let bound = || {
            let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // A server that starts again is not kept waiting by connections of its former life.
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            Ok(socket)
        };
        bound().map(|socket| Self { socket, addr }).map_err(|source| ListenError { addr, source })
    }

    /// Lets clients in.
    pub(super) fn listen(self) -> Result<TcpListener, ListenError> {
        let addr = self.addr;
        self.socket.listen(BACKLOG).map_err(|source| ListenError { addr, source })
    }
}

/// The reason and what to do.
fn hint(error: &ListenError) -> String {
    match error.source.kind() {
        io::ErrorKind::AddrInUse => "another server has it; stop that one, or pick another port by PORT or --port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; SLIPSTREAM_BIND or --bind picks one".to_owned(),
        io::ErrorKind::PermissionDenied if error.addr.port() < FIRST_FREE_PORT => {
            format!("ports below {FIRST_FREE_PORT} need root or the capability CAP_NET_BIND_SERVICE; PORT or --port picks another one")
        }
        _ => format!("{}; PORT or --port picks another port", error.source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_had_once_and_the_refusal_says_what_to_do() {
        let first = Reserved::take(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap().listen().unwrap();
        let addr = first.local_addr().unwrap();
        let second = Reserved::take(addr).and_then(Reserved::listen).map(drop).unwrap_err().to_string();
        assert!(second.contains("another server has it") && second.contains("--port"), "{second}");
    }

    #[test]
    fn each_reason_has_its_own_hint() {
        let told =
            |port, kind: io::ErrorKind| ListenError { addr: SocketAddr::from(([0, 0, 0, 0], port)), source: kind.into() }.to_string();
        assert!(told(80, io::ErrorKind::PermissionDenied).contains("CAP_NET_BIND_SERVICE"));
        assert!(!told(8080, io::ErrorKind::PermissionDenied).contains("CAP_NET_BIND_SERVICE"));
        assert!(told(8080, io::ErrorKind::AddrNotAvailable).contains("--bind"));
    }
}
