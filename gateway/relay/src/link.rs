//! One connection of a relay agent: frames out, acknowledgements and refusals in.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use serde::Deserialize;
use slipstream_protocol::{CloseCode, WireFormat, codec, server::Lateness};
use tokio::{sync::mpsc, task::JoinSet, time::Duration};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, protocol::CloseFrame};

use super::connect::Socket;

/// Frames waiting to be written. Small: what waits here is bounded by the window anyway.
const OUTGOING: usize = 16;

/// What comes from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Everything up to and including this number reached the promised level.
    Ack {
        /// The number.
        seq: u64,
        /// Points a store will never have, among what was written together with these.
        unstored: u64,
        /// What of this connection's samples so far was late.
        lateness: Lateness,
    },
    /// A sample, or a whole frame where there is no number, was refused.
    Refused {
        /// The sample's number.
        seq: Option<u64>,
        /// The kind of refusal, as on the wire.
        code: String,
        /// Why, in words.
        message: String,
    },
    /// A sign of life.
    Alive,
    /// The connection is over.
    Closed {
        /// The close code, when the server gave one.
        code: Option<u16>,
        /// Why.
        reason: String,
    },
}

/// An open connection: a task writes, a task reads, so that neither waits for the other.
#[derive(Debug)]
pub struct Link {
    /// Frames to write.
    pub outgoing: mpsc::Sender<Bytes>,
    /// What the server says. Ends after [`Incoming::Closed`].
    pub incoming: mpsc::Receiver<Incoming>,
    tasks: JoinSet<()>,
}

impl Link {
    /// Speaks `format` over `socket`, with a ping every `ping_every`.
    pub fn open(socket: Socket, format: WireFormat, ping_every: Duration) -> Self {
        let (outgoing, to_write) = mpsc::channel(OUTGOING);
        let (told, incoming) = mpsc::channel(256);
        let (sink, stream) = socket.split();
        let mut tasks = JoinSet::new();
        tasks.spawn(write(sink, to_write, format, ping_every));
        tasks.spawn(read(stream, told, format));
        Self { outgoing, incoming, tasks }
    }

    /// Says goodbye and waits (at most a second) for the server to do the same.
    pub async fn close(self) {
        let Self { outgoing, mut incoming, mut tasks } = self;
        drop(outgoing);
        let goodbye = async {
            while incoming.recv().await.is_some() {}
            while tasks.join_next().await.is_some() {}
        };
        // A server that does not answer the close frame is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
    }
}

fn message(format: WireFormat, payload: Bytes) -> Message {
    match format {
        WireFormat::Rkyv => Message::Binary(payload),
        // Our own encoder writes JSON text; were it not UTF-8, the server would say so.
        WireFormat::Json => Utf8Bytes::try_from(payload.clone()).map_or(Message::Binary(payload), Message::Text),
    }
}

async fn write(mut sink: SplitSink<Socket, Message>, mut frames: mpsc::Receiver<Bytes>, format: WireFormat, ping_every: Duration) {
    let mut ping = tokio::time::interval(ping_every);
    ping.tick().await;
    loop {
        let next = tokio::select! {
            frame = frames.recv() => match frame {
                Some(payload) => message(format, payload),
                None => break,
            },
            _ = ping.tick() => Message::Ping(Bytes::new()),
        };
        if sink.feed(next).await.is_err() {
            return;
        }
        // What else waits leaves in the same write.
        while let Ok(payload) = frames.try_recv() {
            if sink.feed(message(format, payload)).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
    let bye = CloseFrame { code: CloseCode::Normal.code().into(), reason: CloseCode::Normal.reason().into() };
    // The other side may be gone already; then there is nobody to say it to.
    let _ = sink.send(Message::Close(Some(bye))).await;
}

async fn read(mut stream: SplitStream<Socket>, told: mpsc::Sender<Incoming>, format: WireFormat) {
    let closed = loop {
        let incoming = match stream.next().await {
            None => break Incoming::Closed { code: None, reason: "the connection ended without a close frame".into() },
            Some(Err(error)) => break Incoming::Closed { code: None, reason: error.to_string() },
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|f| u16::from(f.code));
                let reason = frame.map_or_else(|| "closed without a reason".into(), |f| f.reason.to_string());
                break Incoming::Closed { code, reason };
            }
            Some(Ok(Message::Text(text))) => decode(WireFormat::Json, text.as_bytes()),
            Some(Ok(Message::Binary(bytes))) => decode(format, &bytes),
            Some(Ok(_)) => Incoming::Alive,
        };
        if told.send(incoming).await.is_err() {
            return;
        }
    };
    let _ = told.send(closed).await;
    // Reading on lets the closing handshake finish.
    while let Some(Ok(_)) = stream.next().await {}
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerFrame {
    #[serde(rename = "type")]
    kind: String,
    seq: Option<u64>,
    #[serde(default)]
    late: u64,
    #[serde(default)]
    late_in_session: u64,
    #[serde(default)]
    ahead: u64,
    code: Option<String>,
    message: Option<String>,
    unstored: Option<u64>,
}

fn decode(format: WireFormat, payload: &[u8]) -> Incoming {
    let Ok(frame) = codec::decode_server(format, payload).and_then(|value| {
        serde_json::from_value::<ServerFrame>(value)
            .map_err(|e| slipstream_protocol::ProtocolError::new(slipstream_protocol::ErrorCode::InvalidJson, e.to_string()))
    }) else {
        return Incoming::Alive;
    };
    match (frame.kind.as_str(), frame.seq) {
        ("ack", Some(seq)) => Incoming::Ack {
            seq,
            unstored: frame.unstored.unwrap_or(0),
            lateness: Lateness { late: frame.late, late_in_session: frame.late_in_session, ahead: frame.ahead },
        },
        ("error", seq) => Incoming::Refused { seq, code: frame.code.unwrap_or_default(), message: frame.message.unwrap_or_default() },
        _ => Incoming::Alive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_protocol::{
        ErrorCode,
        codec::Encoder,
        server::{AckLevel, Reply},
    };

    /// The frame without its WebSocket head (payloads here are under 126 bytes or use the 2-byte length).
    fn payload(frame: &[u8]) -> &[u8] {
        if frame[1] == 126 { &frame[4..] } else { &frame[2..] }
    }

    #[test]
    fn acknowledgements_and_refusals_are_understood_in_both_formats() {
        for format in WireFormat::ALL {
            let mut encoder = Encoder::new(format);
            for (unstored, lateness) in [(0, Lateness::default()), (3, Lateness { late: 3, late_in_session: 2, ahead: 1 })] {
                let ack = encoder.reply(&Reply::Ack { seq: 7, level: AckLevel::Stored, unstored, lateness });
                assert_eq!(decode(format, payload(&ack)), Incoming::Ack { seq: 7, unstored, lateness });
            }
            let error = Reply::Error { id: None, seq: Some(3), index: None, code: ErrorCode::Forbidden, message: "no".into() };
            let told = decode(format, payload(&encoder.reply(&error)));
            assert_eq!(told, Incoming::Refused { seq: Some(3), code: "FORBIDDEN".into(), message: "no".into() });
        }
        assert_eq!(decode(WireFormat::Rkyv, b"garbage"), Incoming::Alive);
    }
}
