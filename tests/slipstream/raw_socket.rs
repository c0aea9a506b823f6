//! A WebSocket client that may break the protocol.

use slipstream_protocol::token::Role;
use slipstream_tests::gateway::{Gateway, PATIENCE};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// An upgraded connection without a library above it.
pub(crate) struct RawSocket(pub(crate) TcpStream);

impl RawSocket {
    /// Opens one with a relay's token.
    pub(crate) async fn open(gateway: &Gateway) -> Self {
        let mut stream = TcpStream::connect(gateway.server().addr).await.unwrap();
        let request = format!(
            "GET /ws?token={} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            gateway.token(Role::Relay)
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self(stream)
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next frame: opcode and payload; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(PATIENCE, async {
            let first = self.0.read_u8().await.ok()?;
            let len = match self.0.read_u8().await.ok()? {
                126 => usize::from(self.0.read_u16().await.ok()?),
                127 => self.0.read_u64().await.ok()? as usize,
                len => usize::from(len),
            };
            let mut payload = vec![0; len];
            self.0.read_exact(&mut payload).await.ok()?;
            Some((first & 0x0F, payload))
        })
        .await
        .expect("a frame or the end comes in time")
    }

    /// The code of the close frame that comes, others passed over.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (opcode, payload) = self.frame().await?;
            if opcode == 0x8 {
                return Some(u16::from_be_bytes([payload[0], payload[1]]));
            }
        }
    }
}

/// A masked frame, as clients send them.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [9, 8, 7, 6];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            frame.push(0xFE);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0xFF);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    frame
}
