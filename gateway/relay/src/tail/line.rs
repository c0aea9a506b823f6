//! One line per message, for people.

use std::fmt::Write;

use serde_json::Value;
use slipstream_protocol::Timestamp;

use super::kind;

/// Longest line, in characters; what is longer ends in an ellipsis.
const MAX: usize = 400;

/// `12:34:56.789 telemetry:ALB #123 3.2 ms  lap=11 speed_mps=78.3`
///
/// The time is the source's, the milliseconds are from the server's receipt to this reader.
pub fn line(value: &Value, at: Timestamp) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut out = String::with_capacity(160);
    let shown_at = value.get("timestamp").and_then(Value::as_str).and_then(|t| t.parse::<Timestamp>().ok()).unwrap_or(at);
    // Writing into a String does not fail.
    let _ = write!(out, "{} {}", shown_at.to_string().get(11..23).unwrap_or_default(), text("channel"));
    if let Some(offset) = value.get("offset").and_then(Value::as_u64) {
        let _ = write!(out, " #{offset}");
    }
    if let Some(latency) = latency(value, at) {
        let _ = write!(out, " {:.1} ms", latency.as_secs_f64() * 1e3);
    }
    out.push_str("  ");
    match kind(value) {
        "telemetry" => signals(&mut out, value.get("data").unwrap_or(&Value::Null), ""),
        other => {
            out.push_str(other);
            rest(&mut out, value);
        }
    }
    shorten(out)
}

/// From the server's receipt of a sample to its arrival here, where the message tells it.
pub(super) fn latency(value: &Value, at: Timestamp) -> Option<std::time::Duration> {
    let sent = value.get("serverTimestamp")?.as_str()?.parse::<Timestamp>().ok()?;
    Some(at.since(sent))
}

/// Nested data as `a.b=1`.
fn signals(out: &mut String, data: &Value, path: &str) {
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match data {
        Value::Object(map) => map.iter().for_each(|(key, value)| signals(out, value, &inner(key))),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, value)| signals(out, value, &inner(&i.to_string()))),
        Value::Null => {}
        Value::String(text) => {
            let _ = write!(out, "{path}={text} ");
        }
        other => {
            let _ = write!(out, "{path}={other} ");
        }
    }
}

fn rest(out: &mut String, value: &Value) {
    let Value::Object(map) = value else { return };
    for (key, value) in map {
        if matches!(key.as_str(), "type" | "channel" | "offset" | "timestamp" | "serverTimestamp") || value.is_null() {
            continue;
        }
        let _ = match value {
            Value::String(text) => write!(out, " {key}={text}"),
            other => write!(out, " {key}={other}"),
        };
    }
}

fn shorten(mut line: String) -> String {
    line.truncate(line.trim_end().len());
    if let Some((cut, _)) = line.char_indices().nth(MAX) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sample_is_one_readable_line() {
        let value = json!({"type": "telemetry", "channel": "telemetry:ALB", "offset": 7, "driverId": "ALB", "sessionId": null,
            "data": {"speed_mps": 78.3, "tires": {"fl": 90}}, "timestamp": "2026-07-17T12:34:56.789Z", "serverTimestamp": "2026-07-17T12:34:56.800Z"});
        let at = "2026-07-17T12:34:56.803Z".parse().unwrap();
        assert_eq!(line(&value, at), "12:34:56.789 telemetry:ALB #7 3.0 ms  speed_mps=78.3 tires.fl=90");
    }

    #[test]
    fn other_messages_show_their_fields_and_long_ones_are_cut() {
        let at = Timestamp::default();
        let gap = json!({"type": "gap", "channel": "telemetry:a", "dropped": 3, "from": 1, "to": 3});
        assert_eq!(line(&gap, at), "00:00:00.000 telemetry:a  gap dropped=3 from=1 to=3");
        let long = json!({"type": "health", "health": "é".repeat(1000)});
        assert_eq!(line(&long, at).chars().count(), MAX + 1);
    }
}
