//! `GET /asyncapi.json`: the WebSocket contract, made from the protocol's own types.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use slipstream_protocol::{ChannelKind, CloseCode, ErrorCode, Limits, codec::RKYV_SUBPROTOCOL, server::AckLevel};

use crate::app::Services;

/// The AsyncAPI 3 document of `/ws`.
pub(super) fn document(services: &Arc<Services>) -> Value {
    let messages: Map<String, Value> = CLIENT.iter().chain(SERVER).map(|m| (m.name.to_owned(), m.describe())).collect();
    let references =
        |list: &[Message]| list.iter().map(|m| json!({"$ref": format!("#/channels/ws/messages/{}", m.name)})).collect::<Vec<_>>();
    let in_channel: Map<String, Value> =
        messages.keys().map(|name| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")}))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Slipstream live channels",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "JSON in text frames. With the subprotocol {RKYV_SUBPROTOCOL} the same messages travel as rkyv archives in binary frames. \
                 A token is needed before the upgrade: ?token=<jwt> or Authorization: Bearer <jwt>."
            ),
        },
        "channels": {"ws": {
            "address": "/ws",
            "messages": in_channel,
            "bindings": {"ws": {"query": {"type": "object", "properties": {
                "token": {"type": "string", "description": "the JWT, where no Authorization header is sent"},
                "publisher": {"type": "string", "description": "names the numbered stream of this connection, among those of the token's subject: (publisher, seq) is one sample"},
                "ack": {"type": "string", "enum": ack_levels(), "default": AckLevel::default().as_str()},
            }}}},
        }},
        "operations": {
            "send": {"action": "receive", "channel": {"$ref": "#/channels/ws"}, "messages": references(CLIENT)},
            "hear": {"action": "send", "channel": {"$ref": "#/channels/ws"}, "messages": references(SERVER)},
        },
        "components": {"messages": messages},
        "x-channel-kinds": ChannelKind::ALL.map(ChannelKind::as_str),
        "x-error-codes": ErrorCode::ALL.map(|code| json!({"code": code.as_str(), "retryable": code.is_retryable()})),
        "x-close-codes": CloseCode::ALL.map(|code| {
            json!({"code": code.code(), "reason": code.reason(), "reconnect": code.should_reconnect()})
        }),
        "x-limits": limits(&services.config.decoder_limits()),
    })
}

fn ack_levels() -> [&'static str; 3] {
    [AckLevel::Received, AckLevel::Durable, AckLevel::Stored].map(AckLevel::as_str)
}

fn limits(limits: &Limits) -> Value {
    json!({
        "frameBytes": limits.max_frame_bytes, "batchSamples": limits.max_batch, "dataDepth": limits.max_depth,
        "signals": limits.max_signals, "signalNameBytes": limits.max_name_bytes, "textBytes": limits.max_text_bytes,
        "futureSeconds": limits.max_future.as_secs(),
    })
}

/// A message: its type, what it is for, its fields (`?`: optional) with their JSON types.
struct Message {
    name: &'static str,
    summary: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

impl Message {
    fn describe(&self) -> Value {
        let kind = self.name.trim_end_matches("_publication");
        let mut properties = Map::from_iter([("type".to_owned(), json!({"const": kind}))]);
        let mut required = vec!["type"];
        for (field, kind) in self.fields {
            let name = field.trim_end_matches('?');
            if name.len() == field.len() {
                required.push(name);
            }
            let schema = match *kind {
                "any" => json!({}),
                "time" => json!({"type": "string", "format": "date-time"}),
                "moment" => json!({"type": ["string", "number"], "description": "RFC 3339, or the time since 1970 in s, ms, µs or ns"}),
                "id" => json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}),
                "level" => json!({"type": "string", "enum": ack_levels()}),
                "code" => json!({"type": "string", "enum": ErrorCode::ALL.map(ErrorCode::as_str)}),
                other => json!({"type": other}),
            };
            properties.insert(name.to_owned(), schema);
        }
        json!({"name": self.name, "summary": self.summary,
               "payload": {"type": "object", "required": required, "properties": properties}})
    }
}

const CLIENT: &[Message] = &[
    Message {
        name: "subscribe",
        summary: "Hear a channel (kind:id or kind:*); with since, first what was missed",
        fields: &[("channel", "string"), ("id?", "any"), ("since?", "object"), ("delivery?", "any"), ("on_slow?", "string")],
    },
    Message { name: "unsubscribe", summary: "Stop hearing a channel", fields: &[("channel", "string"), ("id?", "any")] },
    Message {
        name: "telemetry",
        summary: "Publish samples: one, or a batch of objects with these fields",
        fields: &[
            ("driverId?", "id"),
            ("vehicleId?", "id"),
            ("sessionId?", "id"),
            ("fleetId?", "id"),
            ("seq?", "integer"),
            ("timestamp?", "moment"),
            ("data?", "object"),
            ("batch?", "array"),
        ],
    },
    Message {
        name: "video",
        summary: "Publish a video frame, base64 with or without a data: prefix",
        fields: &[("driverId", "id"), ("sessionId?", "id"), ("timestamp?", "moment"), ("frameData", "string")],
    },
    Message { name: "ping", summary: "Answered with pong", fields: &[("id?", "any")] },
    Message { name: "config", summary: "The client's self-description; ack sets the promised level", fields: &[("ack?", "level")] },
    Message {
        name: "rl",
        summary: "Tell an agent what to do: start, step, reset, state, play, pause; answered with rl_done",
        fields: &[
            ("channel", "string"),
            ("command", "string"),
            ("id?", "any"),
            ("action?", "integer"),
            ("seed?", "integer"),
            ("every_ms?", "integer"),
        ],
    },
    Message { name: "message", summary: "Another client frame in data, unwrapped", fields: &[("data", "object")] },
];

const SERVER: &[Message] = &[
    Message {
        name: "subscribed",
        summary: "The subscription stands; its publications follow",
        fields: &[("channel", "string"), ("id?", "any"), ("epoch", "integer"), ("offset", "integer"), ("recovered", "boolean")],
    },
    Message {
        name: "unsubscribed",
        summary: "Nothing of the channel follows",
        fields: &[("channel", "string"), ("id?", "any"), ("epoch", "integer"), ("offset", "integer"), ("recovered", "boolean")],
    },
    Message {
        name: "telemetry_publication",
        summary: "A sample; its type on the wire is telemetry",
        fields: &[
            ("channel", "string"),
            ("offset", "integer"),
            ("driverId", "id"),
            ("sessionId?", "id"),
            ("data", "object"),
            ("timestamp", "time"),
            ("serverTimestamp", "time"),
        ],
    },
    Message {
        name: "video_frame",
        summary: "A stored video frame and where to get it",
        fields: &[
            ("channel", "string"),
            ("offset", "integer"),
            ("driverId", "id"),
            ("sessionId?", "id"),
            ("frameId", "string"),
            ("timestamp", "time"),
            ("url", "string"),
            ("serverTimestamp", "time"),
        ],
    },
    Message {
        name: "ai_feedback",
        summary: "Coaching feedback",
        fields: &[
            ("channel", "string"),
            ("offset", "integer"),
            ("driverId", "id"),
            ("sessionId?", "id"),
            ("feedback", "any"),
            ("timestamp", "time"),
        ],
    },
    Message {
        name: "metrics_update",
        summary: "A session's numbers and leaderboard",
        fields: &[("channel", "string"), ("offset", "integer"), ("sessionId", "id"), ("metrics", "object"), ("timestamp", "time")],
    },
    Message {
        name: "alert",
        summary: "An alert for a vehicle",
        fields: &[("channel", "string"), ("offset", "integer"), ("vehicleId", "id"), ("alert", "object"), ("timestamp", "time")],
    },
    Message {
        name: "health",
        summary: "The server's health, on system:health",
        fields: &[("channel", "string"), ("offset", "integer"), ("health", "object"), ("timestamp", "time")],
    },
    Message {
        name: "pipeline_result",
        summary: "A pipeline's result: kind early, final, correction, or late for a row that came too late",
        fields: &[
            ("channel", "string"),
            ("offset", "integer"),
            ("pipeline", "id"),
            ("key", "id"),
            ("kind", "string"),
            ("data", "object"),
            ("quality?", "object"),
            ("start", "time"),
            ("timestamp", "time"),
        ],
    },
    Message {
        name: "rl_update",
        summary: "What an agent did, or how its training goes; update.kind says which",
        fields: &[("channel", "string"), ("offset", "integer"), ("agentId", "id"), ("update", "object"), ("timestamp", "time")],
    },
    Message {
        name: "rl_done",
        summary: "An agent did as it was told; agent is where it stands",
        fields: &[("channel", "string"), ("id?", "any"), ("agent", "object")],
    },
    Message {
        name: "ack",
        summary: "Samples up to and including seq reached level, but for unstored points of what was written together with them; how many of \
                  the connection's were late, late in their session, ahead of time",
        fields: &[
            ("seq", "integer"),
            ("level", "level"),
            ("unstored?", "integer"),
            ("late?", "integer"),
            ("lateInSession?", "integer"),
            ("ahead?", "integer"),
        ],
    },
    Message {
        name: "gap",
        summary: "Publications were dropped for this subscriber",
        fields: &[("channel", "string"), ("dropped", "integer"), ("from", "integer"), ("to", "integer")],
    },
    Message {
        name: "error",
        summary: "Something could not be done; the connection stays",
        fields: &[("id?", "any"), ("seq?", "integer"), ("index?", "integer"), ("code", "code"), ("message", "string")],
    },
    Message { name: "pong", summary: "The answer to ping", fields: &[("id?", "any")] },
];
