//! Subscribers on real connections: they reconnect, resume, and stop reading when told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use slipstream_protocol::{WireFormat, codec};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{heard::Heard, identity::Stream};
use crate::relay::{Endpoint, connect::Socket};

/// A connection that says nothing for so long is given up, unless the reader itself is stalled.
const SILENCE: Duration = Duration::from_secs(15);

/// How one subscriber behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names every vehicle's channel, and asks for what it missed when it comes back.
    Named,
    /// `telemetry:*`; hears what is published while it is there.
    Wildcard,
    /// As the wildcard, and reads nothing for long: the oldest news are dropped for it, and told.
    Stalled,
}

/// A running subscriber.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) name: String,
    pub(super) kind: Kind,
    heard: Arc<Mutex<Heard>>,
    /// Until when nothing is read.
    stall: watch::Sender<Instant>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Starts one that connects to `endpoint`; `crashes` counts how often the server was killed.
    pub(super) fn start(kind: Kind, endpoint: Endpoint, streams: &[Stream], crashes: Arc<AtomicU64>) -> Self {
        let format = match endpoint.format() {
            WireFormat::Json => "json",
            WireFormat::Rkyv => "rkyv",
        };
        let name = format!("{kind:?}-{format}").to_lowercase();
        let heard = Arc::new(Mutex::new(Heard::new(&name, kind == Kind::Named, streams)));
        let (stall, stalled) = watch::channel(Instant::now());
        let channels = match kind {
            Kind::Named => streams.iter().flat_map(|s| s.vehicles().collect::<Vec<_>>()).map(|v| format!("telemetry:{v}")).collect(),
            Kind::Wildcard | Kind::Stalled => vec!["telemetry:*".to_owned()],
        };
        let listener = Listener { kind, endpoint, channels, heard: heard.clone(), crashes, stalled };
        Self { name, kind, heard, stall, task: tokio::spawn(listener.run()) }
    }

    /// Reads nothing for so long.
    pub(super) fn stall(&self, length: Duration) {
        self.stall.send_replace(Instant::now() + length);
    }

    /// What it has heard so far.
    pub(super) fn heard(&self) -> parking_lot::MutexGuard<'_, Heard> {
        self.heard.lock()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Listener {
    kind: Kind,
    endpoint: Endpoint,
    channels: Vec<String>,
    heard: Arc<Mutex<Heard>>,
    crashes: Arc<AtomicU64>,
    stalled: watch::Receiver<Instant>,
}

impl Listener {
    async fn run(mut self) {
        loop {
            match self.endpoint.connect("").await {
                Ok(socket) => {
                    self.heard.lock().connected();
                    self.hear(socket).await;
                }
                Err(error) => tracing::debug!(%error, "a subscriber of the soak has no connection"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn requests(&self) -> Vec<Message> {
        let heard = self.heard.lock();
        let request = |channel: &String| {
            let mut request = json!({"type": "subscribe", "channel": channel});
            if self.kind == Kind::Named
                && let Some((epoch, offset)) = heard.since(channel)
            {
                request["since"] = json!({"epoch": epoch, "offset": offset});
            }
            if self.kind == Kind::Stalled {
                request["on_slow"] = json!("drop_oldest");
            }
            Message::text(request.to_string())
        };
        self.channels.iter().map(request).collect()
    }

    async fn hear(&mut self, mut socket: Socket) {
        for request in self.requests() {
            if socket.send(request).await.is_err() {
                return;
            }
        }
        // As it was before the answers: a crash between them is a reason for each of them.
        let crashes = self.crashes.load(Ordering::SeqCst);
        let mut unanswered = self.channels.len();
        loop {
            let until = *self.stalled.borrow();
            if until > Instant::now() {
                sleep_until(until).await;
            }
            let format = self.endpoint.format();
            let (format, payload) = match timeout(SILENCE, socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => (WireFormat::Json, bytes::Bytes::from(text)),
                Ok(Some(Ok(Message::Binary(bytes)))) => (format, bytes),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
                Ok(Some(Ok(_))) => continue,
                // Quiet, or stuck: a ping tells, at the next turn.
                Err(_) => match socket.send(Message::Ping(bytes::Bytes::new())).await {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            let Ok(value) = codec::decode_server(format, &payload) else { return };
            let mut heard = self.heard.lock();
            heard.message(&value, self.crashes.load(Ordering::SeqCst));
            if is_answer(&value) && unanswered > 0 {
                unanswered -= 1;
                if unanswered == 0 {
                    heard.settled(crashes);
                }
            }
        }
    }
}

fn is_answer(value: &Value) -> bool {
    value["type"] == "subscribed"
}
