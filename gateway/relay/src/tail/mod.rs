//! Subscribe to channels and print what arrives.
//!
//! [`run`] keeps the subscriptions over reconnects: a channel of one owner is asked for again with
//! the epoch and offset last heard, so nothing is missed or told twice where the server still has it.

mod line;
mod options;
mod positions;
mod rates;

use std::ops::ControlFlow;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use slipstream_protocol::{CloseCode, Timestamp, WireFormat, codec};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use crate::{
    backoff::Backoff,
    connect::{ConnectError, Socket},
};

pub use line::line;
pub use options::TailOptions;
pub use rates::Rates;

use positions::Positions;

/// How often a quiet connection is asked for a sign of life.
const PING_EVERY: std::time::Duration = std::time::Duration::from_secs(10);
/// A connection that stays silent for so long is given up.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A message of the server: publications, answers, gaps, errors.
    Message {
        /// The message.
        value: Value,
        /// Its JSON text, as it came or, from rkyv frames, as it would have come.
        text: String,
        /// When it arrived.
        at: Timestamp,
    },
    /// A channel could not be resumed where it was left: publications were missed.
    Missed {
        /// Which channel.
        channel: String,
    },
    /// The connection is gone; it is tried again.
    Reconnecting {
        /// Why it is gone.
        reason: String,
    },
}

impl Event {
    /// Whether it is a publication, as opposed to an answer or a note.
    pub fn is_publication(&self) -> bool {
        matches!(self, Self::Message { value, .. } if value.get("offset").is_some()
            && !matches!(kind(value), "subscribed" | "unsubscribed"))
    }
}

/// The `type` of a server's message.
pub fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Why a tail ended by itself.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TailError {
    /// There is no connection to be had.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server closed the connection and said not to come back.
    #[error("the server closed the connection for good ({code}): {reason}")]
    Closed {
        /// The close code.
        code: u16,
        /// Why.
        reason: String,
    },
    /// A channel was refused.
    #[error("the server refused: {0}")]
    Refused(String),
}

impl TailError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_retryable(),
            Self::Closed { .. } | Self::Refused(_) => false,
        }
    }
}

enum End {
    Over,
    Lost(String),
    Failed(TailError),
}

/// Hears the channels until `on_event` breaks, [`TailOptions::stop`] is cancelled, or going on makes
/// no sense. `now` tells the time of arrival.
pub async fn run(
    options: TailOptions,
    now: impl Fn() -> Timestamp,
    mut on_event: impl FnMut(Event) -> ControlFlow<()>,
) -> Result<(), TailError> {
    let mut positions = Positions::new(&options.channels);
    let mut backoff = Backoff::new(options.backoff, options.backoff_max);
    let mut connected_at = Instant::now();
    loop {
        let connected = tokio::select! {
            connected = options.endpoint.connect("") => connected,
            () = options.stop.cancelled() => return Ok(()),
        };
        let reason = match connected {
            Ok(socket) => {
                let mut session = Session { options: &options, positions: &mut positions, backoff: &mut backoff };
                let end = session.hear(socket, &now, &mut on_event).await;
                connected_at = Instant::now();
                match end {
                    End::Over => return Ok(()),
                    End::Failed(error) => return Err(error),
                    End::Lost(reason) => reason,
                }
            }
            Err(error) if !error.is_retryable() => return Err(error.into()),
            Err(error) if options.give_up_after.is_some_and(|limit| connected_at.elapsed() >= limit) => return Err(error.into()),
            Err(error) => error.to_string(),
        };
        if on_event(Event::Reconnecting { reason }).is_break() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next(rand::random())) => {}
            () = options.stop.cancelled() => return Ok(()),
        }
    }
}

struct Session<'a> {
    options: &'a TailOptions,
    positions: &'a mut Positions,
    backoff: &'a mut Backoff,
}

impl Session<'_> {
    async fn hear(&mut self, mut socket: Socket, now: &impl Fn() -> Timestamp, on_event: &mut impl FnMut(Event) -> ControlFlow<()>) -> End {
        for request in self.positions.requests(self.options) {
            if let Err(error) = socket.send(Message::text(request)).await {
                return End::Lost(error.to_string());
            }
        }
        let mut ping = tokio::time::interval(PING_EVERY);
        let mut heard_at = Instant::now();
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                () = self.options.stop.cancelled() => {
                    say_goodbye(socket).await;
                    return End::Over;
                }
                _ = ping.tick() => {
                    if heard_at.elapsed() > SILENCE {
                        return End::Lost(format!("nothing heard for {} s", SILENCE.as_secs()));
                    }
                    if let Err(error) = socket.send(Message::Ping(bytes::Bytes::new())).await {
                        return End::Lost(error.to_string());
                    }
                    continue;
                }
            };
            heard_at = Instant::now();
            let (format, payload) = match message {
                None => return End::Lost("the connection ended".into()),
                Some(Err(error)) => return End::Lost(error.to_string()),
                Some(Ok(Message::Close(frame))) => return closed(frame),
                Some(Ok(Message::Text(text))) => (WireFormat::Json, bytes::Bytes::from(text)),
                Some(Ok(Message::Binary(bytes))) => (WireFormat::Rkyv, bytes),
                Some(Ok(_)) => continue,
            };
            let Ok(value) = codec::decode_server(format, &payload) else {
                return End::Lost("a message of the server cannot be read".into());
            };
            if let Some(end) = self.tell(value, format, &payload, now(), on_event) {
                if matches!(end, End::Over) {
                    say_goodbye(socket).await;
                }
                return end;
            }
        }
    }

    fn tell(
        &mut self,
        value: Value,
        format: WireFormat,
        payload: &[u8],
        at: Timestamp,
        on_event: &mut impl FnMut(Event) -> ControlFlow<()>,
    ) -> Option<End> {
        match kind(&value) {
            "subscribed" => {
                self.backoff.reset();
                if let Some(channel) = self.positions.subscribed(&value)
                    && on_event(Event::Missed { channel }).is_break()
                {
                    return Some(End::Over);
                }
            }
            // Nothing but subscriptions was asked for: an error answers one of them.
            "error" if value.get("id").is_some() => {
                let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                return Some(End::Failed(TailError::Refused(format!("{}: {}", text("code"), text("message")))));
            }
            _ => self.positions.heard(&value),
        }
        let text = match format {
            WireFormat::Json => String::from_utf8_lossy(payload).into_owned(),
            WireFormat::Rkyv => value.to_string(),
        };
        on_event(Event::Message { value, text, at }).is_break().then_some(End::Over)
    }
}

async fn say_goodbye(mut socket: Socket) {
    // The answer is not waited for: nothing of ours is under way.
    let _ = socket.close(Some(CloseFrame { code: CloseCode::Normal.code().into(), reason: CloseCode::Normal.reason().into() })).await;
}

fn closed(frame: Option<CloseFrame>) -> End {
    let Some(frame) = frame else { return End::Lost("closed without a reason".into()) };
    let (code, reason) = (u16::from(frame.code), frame.reason.to_string());
    match CloseCode::ALL.into_iter().find(|c| c.code() == code) {
        Some(known) if !known.should_reconnect() && known != CloseCode::Normal => End::Failed(TailError::Closed { code, reason }),
        _ => End::Lost(format!("closed ({code}): {reason}")),
    }
}
