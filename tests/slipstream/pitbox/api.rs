//! A server in this process, and a client that asks it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use slipstream_gateway::{
    app::{self, RunningServer},
    config::{Config, Secret},
};
use slipstream_protocol::token::{Claims, Role};
use tokio_tungstenite::tungstenite::Message;

const SECRET: &str = "a secret of more than sixteen bytes";

/// A running server with its data folder, and a client.
pub(super) struct Api {
    server: RunningServer,
    client: reqwest::Client,
    pub(super) data: tempfile::TempDir,
}

/// An answer, its body as JSON where it is JSON.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) bytes: Vec<u8>,
    pub(super) json: Value,
}

impl Told {
    /// Checks the envelope of a success and gives its data.
    pub(super) fn data(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        assert_eq!(self.json["success"], true, "{}", self.json);
        assert!(self.json["message"].is_string() && self.json["timestamp"].is_string(), "{}", self.json);
        &self.json["data"]
    }

    /// Checks the envelope of a refusal and gives the names its details quote.
    pub(super) fn refused(&self, status: u16, code: &str) -> Vec<&str> {
        assert_eq!((self.status.as_u16(), self.json["error"]["code"].as_str()), (status, Some(code)), "{}", self.json);
        assert_eq!(self.json["success"], false);
        assert!(!self.json["error"]["message"].as_str().unwrap().is_empty());
        let details = self.json["error"]["details"].as_array().unwrap();
        details.iter().filter_map(|detail| detail.as_str().unwrap().split('\'').nth(1)).collect()
    }
}

impl Api {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts one whose configuration is changed by `change`.
    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config {
            bind: [127, 0, 0, 1].into(),
            port: 0,
            data_dir: data.path().to_owned(),
            jwt_secret: Some(Secret::new(SECRET)),
            ..Config::default()
        };
        change(&mut config);
        let server = app::start(config).await.unwrap();
        Self { server, client: reqwest::Client::new(), data }
    }

    /// A token of `role`; `publish` as in [`Claims`].
    pub(super) fn token(&self, role: Role, publish: Option<&[&str]>) -> String {
        self.mint(&Claims {
            sub: "tester".to_owned(),
            exp: 4_102_444_800,
            iat: None,
            role,
            channels: None,
            publish: publish.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
        })
    }

    pub(super) fn mint(&self, claims: &Claims) -> String {
        self.server.services().auth.mint(claims).unwrap()
    }

    pub(super) async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Told {
        let mut request = self.client.request(method, format!("{}{path}", self.server.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        told(request).await
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Told {
        self.send(Method::GET, path, Some(token), None).await
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> Told {
        self.send(Method::POST, path, Some(token), Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, token: &str, body: &Value) -> Told {
        self.send(Method::PUT, path, Some(token), Some(body)).await
    }

    /// A GET with one header more.
    pub(super) async fn get_with(&self, path: &str, token: &str, header: (&str, &str)) -> Told {
        told(self.client.get(format!("{}{path}", self.server.url())).bearer_auth(token).header(header.0, header.1)).await
    }

    /// A POST of bytes as they are.
    pub(super) async fn post_raw(&self, path: &str, token: &str, body: &'static str) -> Told {
        told(self.client.post(format!("{}{path}", self.server.url())).bearer_auth(token).body(body)).await
    }

    /// A WebSocket that has subscribed to `channel`.
    pub(super) async fn hear(&self, channel: &str, token: &str) -> Ear {
        let url = format!("{}/ws?token={token}", self.server.url().replacen("http", "ws", 1));
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        socket.send(Message::text(json!({ "type": "subscribe", "channel": channel }).to_string())).await.unwrap();
        let mut ear = Ear { socket };
        ear.next("subscribed").await;
        ear
    }

    pub(super) async fn stop(self) {
        self.server.shutdown().await;
    }
}

async fn told(request: reqwest::RequestBuilder) -> Told {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap().to_vec();
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Told { status, headers, bytes, json }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// One subscription.
pub(super) struct Ear {
    socket: Socket,
}

impl Ear {
    pub(super) async fn say(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame of a type; others in between are passed over.
    pub(super) async fn next(&mut self, kind: &str) -> Value {
        let heard = async {
            loop {
                let message = self.socket.next().await.unwrap().unwrap();
                if let Message::Text(text) = message {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] == kind {
                        return frame;
                    }
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), heard).await;
        waited.unwrap_or_else(|_| panic!("no '{kind}' frame arrived"))
    }
}
