//! A server that speaks the write API of InfluxDB 1 or 2 and answers as it is told: overloaded,
//! broken, refusing some points. It remembers every line it was sent.
#![expect(clippy::missing_panics_doc, reason = "in a test a panic is how the unexpected is told")]

use std::{
    collections::VecDeque,
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One write as it arrived, and what it was answered.
#[derive(Clone, Debug)]
pub struct Write {
    /// When.
    pub at: Instant,
    /// Method and path, with the query.
    pub line: String,
    /// The lines sent, unpacked.
    pub lines: Vec<String>,
    /// The status answered.
    pub status: u16,
}

/// An answer to a write.
#[derive(Clone, Debug)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// Seconds to wait, as `Retry-After`.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: String,
}

impl Told {
    /// An answer without a body.
    pub const fn status(status: u16) -> Self {
        Self { status, retry_after: None, body: String::new() }
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Told>,
    writes: Vec<Write>,
}

/// The running server; ends when dropped.
pub struct WriteApi {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl WriteApi {
    /// Starts one that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port can be had");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { addr, state, accepting }
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers the next writes so, one each; then it takes everything again.
    pub fn answers(&self, script: impl IntoIterator<Item = Told>) {
        self.state.lock().expect("no holder panics").script.extend(script);
    }

    /// The writes so far.
    pub fn writes(&self) -> Vec<Write> {
        self.state.lock().expect("no holder panics").writes.clone()
    }
}

impl Drop for WriteApi {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|l| l.split_once(':'));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let mut body = bytes.split_off(head_end + 4);
    if let Some(length) = header("content-length").and_then(|v| v.parse::<usize>().ok()) {
        while body.len() < length {
            if stream.read_buf(&mut body).await? == 0 {
                return Ok(());
            }
        }
    } else if header("transfer-encoding").is_some() {
        while !body.ends_with(b"0\r\n\r\n") {
            if stream.read_buf(&mut body).await? == 0 {
                return Ok(());
            }
        }
        body = unchunked(&body);
    }
    let told =
        if line.contains("/write") { written(&state, line, &body, header("content-encoding").as_deref()) } else { Told::status(204) };
    let wait = told.retry_after.map(|s| format!("Retry-After: {s}\r\n")).unwrap_or_default();
    let head = format!("HTTP/1.1 {} Told\r\n{wait}Content-Type: application/json\r\n", told.status);
    let length = if told.status == 204 { String::new() } else { format!("Content-Length: {}\r\n", told.body.len()) };
    stream.write_all(format!("{head}{length}Connection: close\r\n\r\n{}", told.body).as_bytes()).await?;
    stream.shutdown().await
}

fn written(state: &Mutex<State>, line: String, body: &[u8], encoding: Option<&str>) -> Told {
    let mut text = String::new();
    if encoding == Some("gzip") {
        flate2::read::GzDecoder::new(body).read_to_string(&mut text).expect("what says gzip is gzip");
    } else {
        text.push_str(&String::from_utf8_lossy(body));
    }
    let lines = text.lines().map(ToOwned::to_owned).collect();
    let mut state = state.lock().expect("no holder panics");
    let told = state.script.pop_front().unwrap_or(Told::status(204));
    state.writes.push(Write { at: Instant::now(), line, lines, status: told.status });
    told
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&bytes[..at]).trim(), 16).unwrap_or(0);
        body.extend_from_slice(&bytes[at + 2..(at + 2 + size).min(bytes.len())]);
        bytes = bytes.get(at + 4 + size..).unwrap_or_default();
    }
    body
}
