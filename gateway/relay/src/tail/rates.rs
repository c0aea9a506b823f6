//! Messages per second and latency, per channel.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde_json::Value;
use slipstream_protocol::Timestamp;

use super::line::latency;
use crate::latency::Latency;

/// Most channels shown; the rest is summed up.
const SHOWN: usize = 40;

#[derive(Debug, Default)]
struct Channel {
    total: u64,
    since_last: u64,
    dropped: u64,
    latency: Latency,
}

/// Counts publications and shows them as a table.
#[derive(Debug, Default)]
pub struct Rates {
    channels: BTreeMap<String, Channel>,
}

fn millis(value: Option<Duration>) -> String {
    value.map_or_else(|| "-".into(), |v| format!("{:.1}", v.as_secs_f64() * 1e3))
}

impl Rates {
    /// Counts one message.
    pub fn count(&mut self, value: &Value, at: Timestamp) {
        let Some(name) = value.get("channel").and_then(Value::as_str) else { return };
        let is_gap = super::kind(value) == "gap";
        // Answers to a subscription tell an offset, too, and are no publications.
        if !is_gap && (value.get("offset").is_none() || matches!(super::kind(value), "subscribed" | "unsubscribed")) {
            return;
        }
        if !self.channels.contains_key(name) {
            self.channels.insert(name.to_owned(), Channel::default());
        }
        let Some(channel) = self.channels.get_mut(name) else { return };
        if is_gap {
            channel.dropped += value.get("dropped").and_then(Value::as_u64).unwrap_or(0);
            return;
        }
        channel.total += 1;
        channel.since_last += 1;
        if let Some(latency) = latency(value, at) {
            channel.latency.record(latency);
        }
    }

    /// The table, with rates over the `elapsed` time since the last one. Latency is from the
    /// server's receipt to here since the last table, in milliseconds.
    pub fn table(&mut self, elapsed: Duration) -> String {
        let secs = elapsed.as_secs_f64().max(1e-3);
        let width = self.channels.keys().map(String::len).max().unwrap_or(7).clamp(7, 60);
        let mut out = format!("{:width$} {:>10} {:>9} {:>8} {:>8} {:>8}\n", "channel", "total", "msg/s", "p50 ms", "p99 ms", "dropped");
        // Writing into a String does not fail.
        for (name, c) in self.channels.iter().take(SHOWN) {
            let (p50, p99) = (millis(c.latency.quantile(0.5)), millis(c.latency.quantile(0.99)));
            let rate = c.since_last as f64 / secs;
            let _ = writeln!(out, "{name:width$} {:>10} {rate:>9.1} {p50:>8} {p99:>8} {:>8}", c.total, c.dropped);
        }
        let hidden = self.channels.len().saturating_sub(SHOWN);
        let label = if hidden > 0 { format!("all ({hidden} not shown)") } else { "all".into() };
        let (total, recent, dropped) =
            self.channels.values().fold((0, 0, 0), |(t, r, d), c| (t + c.total, r + c.since_last, d + c.dropped));
        let _ = writeln!(out, "{label:width$} {total:>10} {:>9.1} {:>8} {:>8} {dropped:>8}", recent as f64 / secs, "", "");
        for channel in self.channels.values_mut() {
            channel.since_last = 0;
            channel.latency = Latency::default();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn publications_and_drops_are_counted_per_channel_and_rates_start_over() {
        let mut rates = Rates::default();
        let at: Timestamp = "2026-07-17T12:34:56.804Z".parse().unwrap();
        for offset in 0..10 {
            rates.count(
                &json!({"type": "telemetry", "channel": "telemetry:a", "offset": offset, "serverTimestamp": "2026-07-17T12:34:56.800Z"}),
                at,
            );
        }
        rates.count(&json!({"type": "subscribed", "channel": "telemetry:*", "epoch": 1, "offset": 0}), at);
        rates.count(&json!({"type": "gap", "channel": "telemetry:a", "dropped": 3, "from": 1, "to": 3}), at);
        let cells = |table: &str| table.lines().nth(1).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cells(&rates.table(Duration::from_secs(2))), ["telemetry:a", "10", "5.0", "4.0", "4.0", "3"]);
        assert_eq!(cells(&rates.table(Duration::from_secs(2))), ["telemetry:a", "10", "0.0", "-", "-", "3"]);
    }
}
