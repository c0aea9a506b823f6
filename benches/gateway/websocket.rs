//! A lean WebSocket client: raw sockets, frames counted by their heads. The same for every server.

use std::{cell::RefCell, io, rc::Rc};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::servers::{Dialect, Target};

/// One large buffer for every reader of the thread: it stays in the cache.
const READ_BUFFER: usize = 256 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER]);
}

/// Appends one whole client frame. Its mask is zero: valid, and free for both sides to apply.
pub(crate) fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            out.push(0x80 | 0x7E);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 0x7F);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Opens a WebSocket to `target`.
pub(crate) async fn connect(target: &Target, query: &str, subprotocol: Option<&str>) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", target.port)).await?;
    stream.set_nodelay(true)?;
    let path = if target.dialect == Dialect::Nats { "/" } else { "/ws" };
    let mut request = format!(
        "GET {path}{query} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        target.port
    );
    if !target.token.is_empty() {
        request.push_str("Authorization: Bearer ");
        request.push_str(&target.token);
        request.push_str("\r\n");
    }
    if let Some(subprotocol) = subprotocol {
        request.push_str("Sec-WebSocket-Protocol: ");
        request.push_str(subprotocol);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    // Byte by byte: what follows the head must stay in the socket. Heads are short and not measured.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.context("the handshake was not answered")?);
        ensure!(head.len() < 8_192, "the handshake's answer has no end");
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "no upgrade: {}", String::from_utf8_lossy(&head));
    Ok(stream)
}

/// Opens a WebSocket that hears `channel`, and waits until the server says so.
pub(crate) async fn subscribe(target: &Target, channel: &str, subprotocol: Option<&str>) -> Result<TcpStream> {
    let mut stream = connect(target, "", subprotocol).await?;
    let mut request = Vec::new();
    let awaited = match target.dialect {
        Dialect::Pitbox => {
            put_frame(&mut request, 1, format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#).as_bytes());
            "subscribed"
        }
        Dialect::Nats => {
            let subject = channel.replace(':', ".");
            let text = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {subject} 1\r\nPING\r\n");
            put_frame(&mut request, 2, text.as_bytes());
            "PONG"
        }
    };
    stream.write_all(&request).await?;
    // Room for the whole answer: what is left of it in the socket would be taken for frames.
    let mut seen = Vec::with_capacity(4_096);
    // Nothing is published yet, so nothing but the answer arrives. An rkyv answer is taken as it comes.
    while !contains(&seen, awaited.as_bytes()) && (subprotocol.is_none() || seen.is_empty()) {
        ensure!(stream.read_buf(&mut seen).await? > 0, "the subscription was not answered");
    }
    Ok(stream)
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// Reads whatever arrives until the connection ends; `take` sees the bytes as they come.
pub(crate) async fn read_all(stream: Rc<TcpStream>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let read: io::Result<usize> = BUFFER.with_borrow_mut(|buffer| {
            let read = stream.try_read(buffer)?;
            take(&buffer[..read]);
            Ok(read)
        });
        match read {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Counts frames without looking into them.
#[derive(Default)]
pub(crate) struct Counter {
    /// Text and binary frames begun.
    pub(crate) frames: u64,
    /// Bytes of their payloads.
    pub(crate) payload_bytes: u64,
    /// A close frame arrived: the server ended the connection.
    pub(crate) closed: bool,
    /// Bytes of the current payload still to come.
    rest: usize,
    /// A head of which a part has arrived.
    head: Vec<u8>,
}

impl Counter {
    /// Takes the next bytes of the stream.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        loop {
            if self.rest > 0 {
                let skipped = self.rest.min(bytes.len());
                self.rest -= skipped;
                bytes = &bytes[skipped..];
            }
            if bytes.is_empty() {
                return;
            }
            if self.head.is_empty()
                && let Some((opcode, head, payload)) = parse_head(bytes)
            {
                self.begin(opcode, payload);
                bytes = &bytes[head..];
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if let Some((opcode, _, payload)) = parse_head(&self.head) {
                self.head.clear();
                self.begin(opcode, payload);
            }
        }
    }

    fn begin(&mut self, opcode: u8, payload: usize) {
        self.rest = payload;
        match opcode {
            0..=2 => {
                self.frames += 1;
                self.payload_bytes += payload as u64;
            }
            8 => self.closed = true,
            _ => {}
        }
    }
}

/// Opcode, length of the head, length of the payload of the (unmasked) frame at the start of `bytes`.
pub(crate) fn parse_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (head, payload) = match second & 0x7F {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        short => (2, usize::from(short)),
    };
    Some((first & 0x0F, head, payload))
}
