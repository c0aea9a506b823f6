//! What waits to be sent to one connection.

use std::sync::Arc;

use bytes::Bytes;
use slipstream_protocol::{CloseCode, WireFormat, server::Reply};

/// How much may wait for one connection.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Most bytes.
    pub max_bytes: usize,
    /// Most publications.
    pub max_frames: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { max_bytes: 4 << 20, max_frames: 65_536 }
    }
}

/// A connection's queue of whole WebSocket frames, fed by actors and drained by the session task.
pub struct Outbox {}

/// What [`Outbox::drain`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Frames were moved out; more may come.
    Open,
    /// Send what was moved out, then close with this code; nothing more will come.
    Closed(CloseCode),
}

impl Outbox {
    /// An empty outbox for a connection that speaks `format`.
    pub fn new(_format: WireFormat, _limits: OutboxLimits) -> Arc<Self> {
        todo!()
    }

    /// The connection's wire format.
    pub fn format(&self) -> WireFormat {
        todo!()
    }

    /// Queues a reply (ack, error, pong), behind what waits already.
    pub fn reply(&self, _reply: &Reply) {
        todo!()
    }

    /// Queues one raw frame (a WebSocket pong or ping).
    pub fn control(&self, _frame: Bytes) {
        todo!()
    }

    /// Waits until there is something to send, then moves it all into `into`, in order.
    pub async fn drain(&self, _into: &mut Vec<Bytes>) -> Drained {
        todo!()
    }

    /// Ends the connection: what waits is still sent, then `code`.
    pub fn close(&self, _code: CloseCode) {
        todo!()
    }
}
