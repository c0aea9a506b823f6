//! Server frames -> JSON text, written by hand: this is the hot path of fan-out.

use serde::Serialize;

use crate::{
    client::RequestId,
    sample::Sample,
    server::{Event, Lateness, Reply, ResultNote},
    signal::{Signal, SignalValue},
    time::Timestamp,
};

fn text(out: &mut Vec<u8>, value: &str) {
    json(out, value);
}

fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Writing to a Vec does not fail and none of our types has non-string map keys.
    let _ = serde_json::to_writer(out, value);
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn time(out: &mut Vec<u8>, value: Timestamp) {
    out.push(b'"');
    out.extend_from_slice(&value.to_rfc3339_millis());
    out.push(b'"');
}

/// Ids are plain ASCII without quotes or backslashes: no escaping is needed.
fn plain(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn optional_plain(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => plain(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

/// `{"type":<kind>,"channel":<channel>,"offset":<offset>`, left open.
fn open(out: &mut Vec<u8>, kind: &str, channel: &str, offset: u64) {
    out.extend_from_slice(b"{\"type\":");
    plain(out, kind);
    out.extend_from_slice(b",\"channel\":");
    plain(out, channel);
    out.extend_from_slice(b",\"offset\":");
    number(out, offset);
}

fn owner(out: &mut Vec<u8>, vehicle: &str, session: Option<&str>) {
    out.extend_from_slice(b",\"driverId\":");
    plain(out, vehicle);
    out.extend_from_slice(b",\"sessionId\":");
    optional_plain(out, session);
}

pub(super) fn telemetry(out: &mut Vec<u8>, channel: &str, offset: u64, sample: &Sample) {
    open(out, "telemetry", channel, offset);
    owner(out, &sample.vehicle, sample.session.as_deref());
    out.extend_from_slice(b",\"data\":");
    match &sample.raw {
        Some(raw) => out.extend_from_slice(raw),
        None => signals(out, &sample.signals),
    }
    out.extend_from_slice(b",\"timestamp\":");
    time(out, sample.source_time);
    out.extend_from_slice(b",\"serverTimestamp\":");
    time(out, sample.received_at);
    out.push(b'}');
}

/// Signals as a flat JSON object.
pub(super) fn signals(out: &mut Vec<u8>, signals: &[Signal]) {
    out.push(b'{');
    for (index, signal) in signals.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text(out, &signal.name);
        out.push(b':');
        match &signal.value {
            SignalValue::Number(n) if n.is_finite() => out.extend_from_slice(ryu::Buffer::new().format_finite(*n).as_bytes()),
            SignalValue::Number(_) => out.extend_from_slice(b"null"),
            SignalValue::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            SignalValue::Text(t) => text(out, t),
        }
    }
    out.push(b'}');
}

pub(super) fn event(out: &mut Vec<u8>, channel: &str, offset: u64, event: &Event) {
    match event {
        Event::Video(note) => {
            open(out, "video_frame", channel, offset);
            owner(out, &note.vehicle, note.session.as_deref());
            out.extend_from_slice(b",\"frameId\":");
            text(out, &note.frame_id);
            out.extend_from_slice(b",\"timestamp\":");
            time(out, note.timestamp);
            out.extend_from_slice(b",\"url\":");
            text(out, &format!("/api/video/{}", note.frame_id));
            out.extend_from_slice(b",\"serverTimestamp\":");
            time(out, note.server_timestamp);
        }
        Event::Feedback(note) => {
            open(out, "ai_feedback", channel, offset);
            owner(out, &note.vehicle, note.session.as_deref());
            out.extend_from_slice(b",\"feedback\":");
            out.extend_from_slice(note.feedback.as_bytes());
            out.extend_from_slice(b",\"timestamp\":");
            time(out, note.timestamp);
        }
        Event::Metrics(note) => {
            open(out, "metrics_update", channel, offset);
            out.extend_from_slice(b",\"sessionId\":");
            plain(out, &note.session);
            out.extend_from_slice(b",\"metrics\":");
            json(out, &*note.metrics);
            out.extend_from_slice(b",\"timestamp\":");
            time(out, note.timestamp);
        }
        Event::Alert(note) => {
            open(out, "alert", channel, offset);
            out.extend_from_slice(b",\"vehicleId\":");
            plain(out, &note.vehicle);
            out.extend_from_slice(b",\"alert\":");
            json(out, &*note.alert);
            out.extend_from_slice(b",\"timestamp\":");
            time(out, note.timestamp);
        }
        Event::Health(note) => {
            open(out, "health", channel, offset);
            out.extend_from_slice(b",\"health\":");
            out.extend_from_slice(note.health.as_bytes());
            out.extend_from_slice(b",\"timestamp\":");
            time(out, note.timestamp);
        }
        Event::Result(note) => result(out, channel, offset, note),
        Event::Rl(note) => {
            open(out, "rl_update", channel, offset);
            out.extend_from_slice(b",\"agentId\":");
            plain(out, &note.agent);
            out.extend_from_slice(b",\"update\":");
            out.extend_from_slice(note.update.as_bytes());
            out.extend_from_slice(b",\"timestamp\":");
            time(out, note.timestamp);
        }
    }
    out.push(b'}');
}

fn result(out: &mut Vec<u8>, channel: &str, offset: u64, note: &ResultNote) {
    open(out, "pipeline_result", channel, offset);
    for (name, value) in [(",\"pipeline\":", note.pipeline.as_str()), (",\"key\":", note.key.as_str()), (",\"kind\":", note.kind.as_str())]
    {
        out.extend_from_slice(name.as_bytes());
        plain(out, value);
    }
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(note.data.as_bytes());
    if let Some(quality) = &note.quality {
        out.extend_from_slice(b",\"quality\":");
        out.extend_from_slice(quality.as_bytes());
    }
    out.extend_from_slice(b",\"start\":");
    time(out, note.start);
    out.extend_from_slice(b",\"timestamp\":");
    time(out, note.timestamp);
}

fn id(out: &mut Vec<u8>, id: Option<&RequestId>) {
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        out.extend_from_slice(id.as_json().as_bytes());
    }
}

pub(super) fn reply(out: &mut Vec<u8>, reply: &Reply) {
    match reply {
        Reply::Subscribed { channel, id: request, epoch, offset, recovered } => {
            subscription(out, "subscribed", &channel.to_string(), request.as_ref(), *epoch, *offset);
            out.extend_from_slice(if *recovered { b",\"recovered\":true" } else { b",\"recovered\":false" });
        }
        Reply::Unsubscribed { channel, id: request, epoch, offset } => {
            subscription(out, "unsubscribed", &channel.to_string(), request.as_ref(), *epoch, *offset);
            out.extend_from_slice(b",\"recovered\":false");
        }
        Reply::Ack { seq, level, unstored, lateness } => {
            out.extend_from_slice(b"{\"type\":\"ack\",\"seq\":");
            number(out, *seq);
            out.extend_from_slice(b",\"level\":");
            plain(out, level.as_str());
            let Lateness { late, late_in_session, ahead } = lateness;
            let counts =
                [(",\"unstored\":", unstored), (",\"late\":", late), (",\"lateInSession\":", late_in_session), (",\"ahead\":", ahead)];
            for (name, count) in counts {
                if *count > 0 {
                    out.extend_from_slice(name.as_bytes());
                    number(out, *count);
                }
            }
        }
        Reply::Gap { channel, dropped, from, to } => {
            out.extend_from_slice(b"{\"type\":\"gap\",\"channel\":");
            plain(out, &channel.to_string());
            for (name, value) in [(",\"dropped\":", dropped), (",\"from\":", from), (",\"to\":", to)] {
                out.extend_from_slice(name.as_bytes());
                number(out, *value);
            }
        }
        Reply::Error { id: request, seq, index, code, message } => {
            out.extend_from_slice(b"{\"type\":\"error\",\"code\":");
            plain(out, code.as_str());
            out.extend_from_slice(b",\"message\":");
            text(out, message);
            id(out, request.as_ref());
            for (name, value) in [(",\"seq\":", *seq), (",\"index\":", index.map(|index| index as u64))] {
                if let Some(value) = value {
                    out.extend_from_slice(name.as_bytes());
                    number(out, value);
                }
            }
        }
        Reply::RlDone { channel, id: request, agent } => {
            out.extend_from_slice(b"{\"type\":\"rl_done\",\"channel\":");
            plain(out, &channel.to_string());
            id(out, request.as_ref());
            out.extend_from_slice(b",\"agent\":");
            out.extend_from_slice(agent.as_bytes());
        }
        Reply::Pong { id: request } => {
            out.extend_from_slice(b"{\"type\":\"pong\"");
            id(out, request.as_ref());
        }
    }
    out.push(b'}');
}

fn subscription(out: &mut Vec<u8>, kind: &str, channel: &str, request: Option<&RequestId>, epoch: u64, offset: u64) {
    open(out, kind, channel, offset);
    out.extend_from_slice(b",\"epoch\":");
    number(out, epoch);
    id(out, request);
}
