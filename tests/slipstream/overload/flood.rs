//! Publishers on a WebSocket that count what is acknowledged.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use serde_json::Value;
use slipstream_protocol::token::Role;
use tokio::{net::TcpStream, sync::watch, task::JoinHandle};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::process::Process;

/// A publisher with a token, a number sequence and a vehicle of its own, all of one name.
pub(super) struct Publisher {
    name: String,
    sink: SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>,
    /// The highest number acknowledged.
    pub(super) acked: watch::Receiver<u64>,
    /// What was heard that is no acknowledgement: errors, or the end of the connection.
    pub(super) trouble: Arc<AtomicBool>,
    next: u64,
    _reader: JoinHandle<()>,
}

impl Publisher {
    pub(super) async fn connect(process: &Process, name: &str) -> Self {
        let token = Process::token(name, Role::Relay);
        let (socket, _) = connect_async(process.ws_url(&format!("token={token}&publisher={name}"))).await.unwrap();
        let (sink, mut stream) = socket.split();
        let (told, acked) = watch::channel(0);
        let trouble = Arc::<AtomicBool>::default();
        let alarm = trouble.clone();
        let reader = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let Message::Text(text) = message else { continue };
                let heard: Value = serde_json::from_str(&text).unwrap();
                match heard["type"].as_str() {
                    Some("ack") => drop(told.send_replace(heard["seq"].as_u64().unwrap())),
                    _ => alarm.store(true, Ordering::SeqCst),
                }
            }
            alarm.store(true, Ordering::SeqCst);
        });
        Self { name: name.to_owned(), sink, acked, trouble, next: 1, _reader: reader }
    }

    /// Sends one frame of `samples`, each with `padding` bytes of text. False where the connection is gone.
    pub(super) async fn send(&mut self, samples: u64, padding: usize) -> bool {
        let pad = "x".repeat(padding);
        let batch: Vec<String> = (self.next..self.next + samples)
            .map(|n| format!(r#"{{"driverId":"{}","sessionId":"s","seq":{n},"data":{{"n":{n},"pad":"{pad}"}}}}"#, self.name))
            .collect();
        self.next += samples;
        self.sink.send(Message::text(format!(r#"{{"type":"telemetry","batch":[{}]}}"#, batch.join(",")))).await.is_ok()
    }

    /// The highest number sent.
    pub(super) fn sent(&self) -> u64 {
        self.next - 1
    }

    /// Waits until all that was sent is acknowledged.
    pub(super) async fn until_acked(&mut self) {
        let sent = self.sent();
        let all = self.acked.wait_for(|acked| *acked >= sent);
        tokio::time::timeout(std::time::Duration::from_secs(120), all).await.expect("it is acknowledged in time").unwrap();
    }

    pub(super) fn is_untroubled(&self) -> bool {
        !self.trouble.load(Ordering::SeqCst)
    }
}

/// Publishers that send without a pause until they are told to stop.
pub(super) struct Flood {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Publisher>>,
    /// Frames of all of them that were acknowledged.
    pub(super) frames_acked: Arc<AtomicU64>,
}

impl Flood {
    /// `count` publishers, each with frames of `samples`.
    pub(super) async fn start(process: &Process, count: usize, samples: u64, padding: usize) -> Self {
        let (stop, frames_acked) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = Vec::new();
        for n in 0..count {
            let mut publisher = Publisher::connect(process, &format!("flood-{n}")).await;
            let (mut acked, counter, ended) = (publisher.acked.clone(), frames_acked.clone(), stop.clone());
            tokio::spawn(async move {
                let mut before = 0;
                while acked.changed().await.is_ok() {
                    let now = *acked.borrow_and_update();
                    counter.fetch_add((now - before) / samples, Ordering::SeqCst);
                    before = now;
                }
            });
            tasks.push(tokio::spawn(async move {
                while !ended.load(Ordering::SeqCst) && publisher.send(samples, padding).await {}
                publisher
            }));
        }
        Self { stop, tasks, frames_acked }
    }

    /// Ends it; the publishers are still connected.
    pub(super) async fn stop(self) -> Vec<Publisher> {
        self.stop.store(true, Ordering::SeqCst);
        let mut publishers = Vec::new();
        for task in self.tasks {
            publishers.push(task.await.unwrap());
        }
        publishers
    }
}
