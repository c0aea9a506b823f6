//! nats-server with a stream on files: each batch is one message, published with an acknowledgement.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use slipstream_benches::server::Server;
use slipstream_protocol::{Sample, WireFormat, codec};
use slipstream_tests::port;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::servers;

/// A server of its own with one stream.
pub(super) struct Stage {
    port: u16,
    _server: Server,
}

pub(super) struct Agent {
    stream: BufReader<TcpStream>,
    subject: String,
    message: Vec<u8>,
}

impl Stage {
    /// `None` where it is not installed.
    pub(super) async fn start() -> Result<Option<Self>> {
        if Command::new("nats-server").arg("--version").output().is_err() {
            eprintln!("skipped: 'nats-server' is not installed (Debian package nats-server)");
            return Ok(None);
        }
        let folder = servers::folder()?;
        let port = port::free();
        let config = folder.path().join("nats.conf");
        let store = folder.path().join("jetstream");
        std::fs::write(&config, format!("host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: \"{}\" }}\n", store.display()))?;
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(&config);
        let stage = Self { port, _server: Server::start(command, folder, port)? };
        let mut agent = stage.agent("setup").await?;
        let stream =
            r#"{"name":"BENCH","subjects":["bench.>"],"storage":"file","retention":"limits","max_bytes":4294967296,"discard":"old"}"#;
        let answer = agent.ask("$JS.API.STREAM.CREATE.BENCH", stream.as_bytes()).await?;
        ensure!(!answer.contains("\"error\""), "JetStream makes no stream: {answer}");
        Ok(Some(stage))
    }

    pub(super) async fn agent(&self, name: &str) -> Result<Agent> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        ensure!(line.starts_with("INFO"), "nats-server says '{line}'");
        let hello = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB _INBOX.{name} 1\r\n");
        stream.write_all(hello.as_bytes()).await?;
        Ok(Agent { stream, subject: name.to_owned(), message: Vec::new() })
    }
}

impl Agent {
    /// Publishes a batch and waits until the stream has it.
    pub(super) async fn send(&mut self, samples: &[Sample]) -> Result<()> {
        let payload = codec::encode_telemetry(WireFormat::Rkyv, samples);
        let subject = format!("bench.{}", self.subject);
        let answer = self.ask(&subject, &payload).await?;
        ensure!(answer.contains("\"stream\":\"BENCH\""), "not acknowledged: {answer}");
        Ok(())
    }

    async fn ask(&mut self, subject: &str, payload: &[u8]) -> Result<String> {
        self.message.clear();
        self.message.extend_from_slice(format!("PUB {subject} _INBOX.{} {}\r\n", self.subject, payload.len()).as_bytes());
        self.message.extend_from_slice(payload);
        self.message.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.message).await?;
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line).await? > 0, "nats-server closed the connection");
            if line.starts_with("PING") {
                self.stream.write_all(b"PONG\r\n").await?;
            } else if line.starts_with("MSG") {
                // MSG <subject> <sid> <bytes>
                let bytes: usize = line.trim_end().rsplit(' ').next().context("a length")?.parse()?;
                let mut body = vec![0; bytes + 2];
                self.stream.read_exact(&mut body).await?;
                return Ok(String::from_utf8_lossy(&body[..bytes]).into_owned());
            } else {
                ensure!(!line.starts_with("-ERR"), "nats-server says {line}");
            }
        }
    }
}
