//! HTTP/1.1 keep-alive requests over a raw socket, one in flight.

use anyhow::{Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{servers::Target, websocket::contains};

/// The bytes of one `POST /api/telemetry`.
pub(crate) fn telemetry_request(target: &Target, driver: &str, data: &str) -> Vec<u8> {
    let body = format!(r#"{{"driverId":"{driver}","sessionId":"bench","data":{data}}}"#);
    format!(
        "POST /api/telemetry HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        target.port,
        target.token,
        body.len()
    )
    .into_bytes()
}

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", target.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096) })
    }

    /// Sends a request and waits for its whole answer, which must be a 201.
    pub(crate) async fn post(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
            if let Some(length) = answer_length(&self.buffer)?
                && self.buffer.len() >= length
            {
                break;
            }
        }
        ensure!(self.buffer.starts_with(b"HTTP/1.1 201"), "refused: {}", String::from_utf8_lossy(&self.buffer));
        Ok(())
    }
}

/// Length of head and body together, once the head is there.
fn answer_length(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    for line in bytes[..end].split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            return Ok(Some(end + 4 + std::str::from_utf8(&line[colon + 1..])?.trim().parse::<usize>()?));
        }
    }
    if contains(&bytes[..end], b"204") {
        return Ok(Some(end + 4));
    }
    bail!("an answer without a length: {}", String::from_utf8_lossy(bytes))
}
