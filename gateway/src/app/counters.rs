//! What the gateway counts itself; the actors count theirs in `actors::stats`.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use slipstream_protocol::ErrorCode;

/// Route and status of an answered request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route, from a bounded set.
    pub route: &'static str,
    /// The HTTP status.
    pub status: u16,
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CodeLabel {
    /// The error code's text.
    pub code: &'static str,
}

/// A task of the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TaskLabel {
    /// What it does.
    pub task: &'static str,
}

/// Counters and gauges of the doors.
#[derive(Debug, Default)]
pub struct Counters {
    /// TCP connections accepted.
    pub tcp_accepted: Counter,
    /// Tasks of the server that panicked, by what they did.
    pub task_panics: Family<TaskLabel, Counter>,
    /// Requests answered.
    pub http_requests: Family<RequestLabels, Counter>,
    /// Handlers that panicked (each was answered 500).
    pub handler_panics: Counter,
    /// WebSocket connections open now.
    pub ws_connections: Gauge,
    /// WebSocket connections opened since the start.
    pub ws_opened: Counter,
    /// Times a WebSocket connection waited in line for room in the journal.
    pub ws_backpressure: Counter,
    /// WebSocket messages received.
    pub ws_messages_in: Counter,
    /// WebSocket frames sent.
    pub ws_frames_out: Counter,
    /// Bytes sent on all WebSocket connections.
    pub ws_bytes_out: Counter,
    /// System calls that sent them.
    pub ws_writes: Counter,
    /// Connections closed by the server, by close code.
    pub ws_closed: Family<CodeLabel, Counter>,
    /// Samples taken in by any door.
    pub samples_in: Counter,
    /// Samples of recordings played again.
    pub replayed: Counter,
    /// Samples that were sent before and not applied again.
    pub duplicates: Counter,
    /// Samples and frames refused, by error code.
    pub refused: Family<CodeLabel, Counter>,
    /// Acknowledgements sent.
    pub acks: Counter,
    /// Socket.IO clients connected now.
    pub socketio_connections: Gauge,
    /// Socket.IO events received.
    pub socketio_events: Counter,
}

impl Counters {
    /// Counts a request.
    pub fn http_request(&self, route: &'static str, status: u16) {
        self.http_requests.get_or_create(&RequestLabels { route, status }).inc();
    }

    /// Counts a refusal.
    pub fn refuse(&self, code: ErrorCode) {
        self.refused.get_or_create(&CodeLabel { code: code.as_str() }).inc();
    }

    /// Counts a task that panicked.
    pub fn task_panicked(&self, task: &'static str) {
        self.task_panics.get_or_create(&TaskLabel { task }).inc();
    }

    /// Makes them known to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("tcp_accepted", "TCP connections accepted", self.tcp_accepted.clone());
        registry.register("task_panics", "Tasks of connections that panicked, by what they did", self.task_panics.clone());
        registry.register("http_requests", "HTTP requests answered, by route and status", self.http_requests.clone());
        registry.register("http_handler_panics", "HTTP handlers that panicked; each was answered 500", self.handler_panics.clone());
        registry.register("ws_connections", "WebSocket connections open now", self.ws_connections.clone());
        registry.register("ws_opened", "WebSocket connections opened", self.ws_opened.clone());
        registry.register("ws_backpressure", "Times a WebSocket waited in line for room in the journal", self.ws_backpressure.clone());
        registry.register("ws_messages_in", "WebSocket messages received", self.ws_messages_in.clone());
        registry.register("ws_frames_out", "WebSocket frames sent", self.ws_frames_out.clone());
        registry.register("ws_bytes_out", "Bytes sent on WebSockets", self.ws_bytes_out.clone());
        registry.register("ws_writes", "System calls that sent WebSocket frames", self.ws_writes.clone());
        registry.register("ws_closed", "WebSocket connections closed by the server, by close code", self.ws_closed.clone());
        registry.register("samples_in", "Samples taken in by any door", self.samples_in.clone());
        registry.register("samples_replayed", "Samples of recordings played again", self.replayed.clone());
        registry.register("samples_duplicate", "Samples sent again and not applied again", self.duplicates.clone());
        registry.register("refused", "Samples and frames refused, by error code", self.refused.clone());
        registry.register("socketio_connections", "Socket.IO clients connected now", self.socketio_connections.clone());
        registry.register("socketio_events", "Socket.IO events received", self.socketio_events.clone());
        registry.register("acks", "Acknowledgements sent", self.acks.clone());
    }
}
