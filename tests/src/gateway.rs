//! The gateway in this process, on a free port, with its own data folder; and clients of it.
#![expect(clippy::missing_panics_doc, reason = "in a test a panic is how the unexpected is told")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use slipstream_gateway::{
    app::{self, RunningServer, Services},
    config::{Config, Secret},
};
use slipstream_protocol::{
    WireFormat,
    codec::{RKYV_SUBPROTOCOL, decode_server},
    token::{Claims, Role},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::frame::CloseFrame},
};

/// Longest wait for anything a test expects.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A running gateway.
pub struct Gateway {
    server: Option<RunningServer>,
    data: tempfile::TempDir,
}

impl Gateway {
    /// Starts one with default settings.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one whose settings `change` has changed.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let server = start_in(&data, change).await;
        Self { server: Some(server), data }
    }

    /// The running server.
    pub fn server(&self) -> &RunningServer {
        self.server.as_ref().expect("it is gone only after `stop`")
    }

    /// What its doors work with.
    pub fn services(&self) -> &Services {
        self.server().services()
    }

    /// `http://127.0.0.1:<port><path>`
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server().url())
    }

    /// A token for an hour.
    pub fn token(&self, role: Role) -> String {
        self.token_of(&Claims { sub: "tester".into(), exp: now_s() + 3_600, iat: None, role, channels: None, publish: None })
    }

    /// A token with these claims.
    pub fn token_of(&self, claims: &Claims) -> String {
        self.services().auth.mint(claims).expect("HS256 signs")
    }

    /// A WebSocket client with a token for `role`.
    pub async fn client(&self, role: Role, format: WireFormat) -> Client {
        self.client_with(&format!("token={}", self.token(role)), format).await
    }

    /// A WebSocket client with this query string.
    pub async fn client_with(&self, query: &str, format: WireFormat) -> Client {
        Client::connect(self.server().addr, query, format).await
    }

    /// Drains and stops.
    pub async fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
    }

    /// Drains, stops and starts again on the same data folder, with default settings.
    pub async fn restart(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
        self.server = Some(start_in(&self.data, |_| {}).await);
    }
}

async fn start_in(data: &tempfile::TempDir, change: impl FnOnce(&mut Config)) -> RunningServer {
    let mut config = Config {
        bind: [127, 0, 0, 1].into(),
        port: 0,
        data_dir: data.path().to_owned(),
        jwt_secret: Some(Secret::new("a secret of the tests")),
        ..Config::default()
    };
    config.actors.arbiters = 1;
    change(&mut config);
    app::start(config).await.expect("the gateway starts")
}

/// Seconds since the Unix epoch.
pub fn now_s() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// A WebSocket client.
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    format: WireFormat,
}

/// What a client heard.
#[derive(Debug)]
pub enum Heard {
    /// A message, decoded.
    Message(Value),
    /// The connection was closed, with this code and reason where there was a close frame.
    Closed(Option<(u16, String)>),
}

impl Client {
    /// Connects to the gateway at `addr` with this query string.
    pub async fn connect(addr: std::net::SocketAddr, query: &str, format: WireFormat) -> Self {
        let mut request = format!("ws://{addr}/ws?{query}").into_client_request().expect("a well-formed address");
        if format == WireFormat::Rkyv {
            request.headers_mut().insert("sec-websocket-protocol", RKYV_SUBPROTOCOL.parse().expect("a header value"));
        }
        let (socket, _) = connect_async(request).await.expect("the gateway takes the connection");
        Self { socket, format }
    }

    /// Sends a JSON text frame.
    pub async fn send(&mut self, frame: Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    /// Sends a message as it is.
    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.expect("the connection is open");
    }

    /// Sends a message; the peer may have closed already.
    pub async fn try_send_raw(&mut self, message: Message) -> bool {
        self.socket.send(message).await.is_ok()
    }

    /// The next message or the end.
    pub async fn hear(&mut self) -> Heard {
        timeout(PATIENCE, self.hear_patiently()).await.expect("something is heard in time")
    }

    /// The next message or the end, whenever it comes.
    pub async fn hear_patiently(&mut self) -> Heard {
        loop {
            return match self.socket.next().await {
                None | Some(Err(_)) => Heard::Closed(None),
                Some(Ok(Message::Close(frame))) => {
                    Heard::Closed(frame.map(|CloseFrame { code, reason }| (code.into(), reason.to_string())))
                }
                Some(Ok(Message::Text(text))) => Heard::Message(serde_json::from_str(&text).expect("text frames are JSON")),
                Some(Ok(Message::Binary(bytes))) => Heard::Message(decode_server(self.format, &bytes).expect("a server message")),
                Some(Ok(_)) => continue,
            };
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> Value {
        match self.hear().await {
            Heard::Message(message) => message,
            Heard::Closed(why) => panic!("closed: {why:?}"),
        }
    }

    /// The next message of type `kind`; others are passed over.
    pub async fn message_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.message().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The next message of type `kind`, whenever it comes; others are passed over.
    pub async fn message_of_patiently(&mut self, kind: &str) -> Value {
        loop {
            match self.hear_patiently().await {
                Heard::Message(message) if message["type"] == kind => return message,
                Heard::Message(_) => {}
                Heard::Closed(why) => panic!("closed: {why:?}"),
            }
        }
    }

    /// The close code; messages before it are passed over.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Heard::Closed(why) = self.hear().await {
                return why.map(|(code, _)| code);
            }
        }
    }

    /// Subscribes and waits for the answer.
    pub async fn subscribe(&mut self, channel: &str) -> Value {
        self.send(json!({"type": "subscribe", "channel": channel, "id": 1})).await;
        let answer = self.message_of("subscribed").await;
        assert_eq!(answer["channel"], channel);
        answer
    }

    /// Asserts that the connection still works, whatever publications come before the answer.
    pub async fn is_well_behind_news(&mut self) {
        self.send(json!({"type": "ping", "id": "well"})).await;
        assert_eq!(self.message_of("pong").await["id"], "well");
    }

    /// Asserts that the connection still works: a ping is answered, and nothing else comes before.
    pub async fn is_well(&mut self) {
        self.send(json!({"type": "ping", "id": "well"})).await;
        let pong = self.message().await;
        assert_eq!((pong["type"].as_str(), pong["id"].as_str()), (Some("pong"), Some("well")), "{pong}");
    }
}
