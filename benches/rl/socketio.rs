//! Round trips of `step` over Socket.IO: twenty clients drive one bus, beside the same bus behind Flask-SocketIO.
//!
//! The clients take turns by counting what they hear: one starts the episode, all of them step once, then as many
//! as the bus needs to its end; every update goes to all of them, and nobody acts before it has heard all that went
//! before. A step is a round trip: emitted, carried out, heard by everyone.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use slipstream_benches::{binary, median_of, server::Server};
use slipstream_engine::rl::daladala::ROUTE_LEN;
use slipstream_tests::port;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

/// Clients that share the bus.
const CLIENTS: usize = 20;
/// Steps of an episode: every step moves the bus one cell, and the last one finds it at its end.
const STEPS: usize = ROUTE_LEN;
/// The action taken: that the bus moves is all that matters.
const STEP: &str = r#"42["step",{"action":4}]"#;

/// What one server did.
struct Rate {
    per_wall_second: f64,
    per_cpu_second: f64,
}

/// `slipstream serve`: `SLIPSTREAM_BENCH_BINARY`, or the `dist` binary beside this benchmark.
fn slipstream() -> Result<Server> {
    let (folder, port) = (tempfile::tempdir()?, port::free());
    let mut command = Command::new(binary::slipstream()?);
    command.arg("serve").current_dir(folder.path()).env("DATA_DIR", folder.path().join("data"));
    command.env("PORT", port.to_string()).env("SLIPSTREAM_BIND", "127.0.0.1").env("RL_OPEN", "true").env("LOG_LEVEL", "warn");
    Server::start(command, folder, port)
}

/// Flask-SocketIO.
fn flask(mode: &str, delay: &str) -> Result<Server> {
    let python = std::env::var("SLIPSTREAM_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let (folder, port) = (tempfile::tempdir()?, port::free());
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/rl/socketio_server.py"));
    command.arg(port.to_string()).args([mode, delay]).env("PYTHONDONTWRITEBYTECODE", "1");
    Server::start(command, folder, port)
}

/// Loads the model that needs no file.
async fn load_model(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let body = json!({"algorithm": "DQN"}).to_string();
    let head = format!("POST /api/load-model HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

/// A client of Engine.IO 4 over WebSocket, as far as a bus needs one.
struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Updates heard.
    heard: usize,
    /// Updates to hear before acting again.
    due: usize,
}

impl Client {
    async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        // Every read zeroes the whole buffer.
        let config = WebSocketConfig::default().read_buffer_size(32 << 10);
        let url = format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket");
        let (mut socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
        socket.send(Message::text("40")).await?;
        let mut client = Self { socket, heard: 0, due: 0 };
        while !client.next().await?.starts_with("42[\"connection-status\"") {}
        // What happened before it came is nothing it waits for.
        client.heard = 0;
        Ok(client)
    }

    /// The next packet; pings are answered meanwhile.
    async fn next(&mut self) -> Result<Utf8Bytes> {
        loop {
            let Message::Text(text) = self.socket.next().await.context("the server hung up")?? else { continue };
            if text.starts_with('2') {
                self.socket.send(Message::text("3")).await?;
            } else {
                self.heard += usize::from(text.starts_with("42[\"rl-update\""));
                ensure!(!text.starts_with("42[\"error\""), "{text}");
                return Ok(text);
            }
        }
    }

    /// Emits one event where it is this client's turn, then hears the `updates` that all of the turn bring.
    async fn turn(&mut self, event: Option<&str>, updates: usize) -> Result<()> {
        if let Some(event) = event {
            self.socket.send(Message::text(event)).await?;
        }
        self.due += updates;
        while self.heard < self.due {
            self.next().await?;
        }
        Ok(())
    }

    /// Plays its part in `episodes`, and is there for more.
    async fn play(mut self, place: usize, episodes: usize) -> Result<Self> {
        for _ in 0..episodes {
            self.turn((place == 0).then_some(r#"42["start-episode"]"#), 1).await?;
            let mut left = STEPS;
            while left > 0 {
                let steps = left.min(CLIENTS);
                self.turn((place < steps).then_some(STEP), steps).await?;
                left -= steps;
            }
        }
        Ok(self)
    }
}

/// Plays for about `seconds`.
async fn measure(server: &Server, seconds: f64) -> Result<Rate> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::connect(server.port).await?);
    }
    let (mut episodes, mut played) = (1, 0);
    let mut since = (Instant::now(), server.cpu_seconds());
    // The first episode warms both sides up; each round is longer by what the one before took.
    loop {
        // Each a task of its own: a load that costs little leaves the machine to the server.
        let mut parts: JoinSet<_> = clients.drain(..).enumerate().map(|(place, client)| client.play(place, episodes)).collect();
        while let Some(part) = parts.join_next().await {
            clients.push(part??);
        }
        if played == 0 && episodes == 1 {
            (since, played, episodes) = ((Instant::now(), server.cpu_seconds()), 0, 2);
            continue;
        }
        played += episodes;
        let wall_s = since.0.elapsed().as_secs_f64();
        if wall_s >= seconds {
            let steps = (played * STEPS) as f64;
            return Ok(Rate { per_wall_second: steps / wall_s, per_cpu_second: steps / (server.cpu_seconds() - since.1) });
        }
        episodes = ((seconds - wall_s) / wall_s * played as f64).ceil().clamp(1.0, 4.0 * played as f64) as usize;
    }
}

/// The rows.
pub(crate) fn rows(rounds: u64, seconds: f64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = |server: Result<Server>, loads: bool| -> Result<Rate> {
        let server = server?;
        runtime.block_on(async {
            if loads {
                // Its update is heard here: counted by a client of the round, that one would act too early.
                let mut first = Client::connect(server.port).await?;
                load_model(server.port).await?;
                first.turn(None, 1).await?;
            }
            measure(&server, seconds).await
        })
    };
    println!(
        "| `step` over Socket.IO, {CLIENTS} clients (median of {rounds}) | round trips per second | ratio | per CPU second of the server | ratio |"
    );
    println!("|---|---|---|---|---|");
    let mut ours = Vec::new();
    for _ in 0..rounds {
        match measured(slipstream(), true) {
            Ok(rate) => ours.push(rate),
            Err(error) => {
                println!("skipped: {error:#}\n");
                return Ok(());
            }
        }
    }
    let (wall, cpu) = (median_of(&ours, |r| r.per_wall_second), median_of(&ours, |r| r.per_cpu_second));
    println!("| slipstream | {wall:.0} | | {cpu:.0} | |");
    for mode in ["threading", "eventlet"] {
        for delay in ["default", "nodelay"] {
            let theirs: Result<Vec<Rate>> = (0..rounds).map(|_| measured(flask(mode, delay), false)).collect();
            match theirs {
                Ok(theirs) => {
                    let (their_wall, their_cpu) = (median_of(&theirs, |r| r.per_wall_second), median_of(&theirs, |r| r.per_cpu_second));
                    let (by_wall, by_cpu) = (wall / their_wall, cpu / their_cpu);
                    println!("| Flask-SocketIO, {mode}, {delay} | {their_wall:.0} | {by_wall:.0} x | {their_cpu:.0} | {by_cpu:.0} x |");
                }
                Err(error) => println!("| Flask-SocketIO, {mode}, {delay} | skipped: {error:#} | | | |"),
            }
        }
    }
    println!();
    Ok(())
}
