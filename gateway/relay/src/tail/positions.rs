//! Where each channel was left, and the subscriptions that go on from there.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slipstream_protocol::{
    Channel, Target,
    client::{Delivery, OnSlow, Since},
};

use super::TailOptions;

/// The channels of a tail, in the order given, with where each was left.
#[derive(Debug)]
pub(super) struct Positions {
    channels: Vec<Channel>,
    /// Of channels of one owner: epoch and offset last heard.
    since: BTreeMap<String, Since>,
}

impl Positions {
    pub(super) fn new(channels: &[Channel]) -> Self {
        Self { channels: channels.to_vec(), since: BTreeMap::new() }
    }

    /// The frames that subscribe to everything. Their ids count from 1.
    pub(super) fn requests(&self, options: &TailOptions) -> Vec<String> {
        let request = |(index, channel): (usize, &Channel)| {
            let name = channel.to_string();
            let mut request = json!({"type": "subscribe", "channel": name, "id": index + 1});
            if let Some(since) = self.since.get(&name) {
                request["since"] = json!({"epoch": since.epoch, "offset": since.offset});
            }
            match options.delivery {
                Delivery::All => {}
                Delivery::Latest => request["delivery"] = json!("latest"),
                Delivery::MaxRate(hz) => request["delivery"] = json!({"max_rate": hz}),
            }
            if options.on_slow == OnSlow::DropOldest {
                request["on_slow"] = json!("drop_oldest");
            }
            request.to_string()
        };
        self.channels.iter().enumerate().map(request).collect()
    }

    /// A subscription stands. Yields the channel when it was to go on from a point and could not.
    pub(super) fn subscribed(&mut self, value: &Value) -> Option<String> {
        let name = value.get("channel")?.as_str()?;
        // A wildcard has no position of its own.
        if !self.channels.iter().any(|c| matches!(c.target, Target::One(_)) && c.to_string() == name) {
            return None;
        }
        let (epoch, offset) = (value.get("epoch")?.as_u64()?, value.get("offset")?.as_u64()?);
        let recovered = value.get("recovered").and_then(Value::as_bool).unwrap_or(false);
        let before = self.since.get(name).copied();
        // What is recovered follows this answer, from the offset it names; the epoch may be another.
        self.since.insert(name.to_owned(), Since { epoch, offset });
        (before.is_some() && !recovered).then(|| name.to_owned())
    }

    /// A publication came.
    pub(super) fn heard(&mut self, value: &Value) {
        let (Some(name), Some(offset)) = (value.get("channel").and_then(Value::as_str), value.get("offset").and_then(Value::as_u64)) else {
            return;
        };
        if let Some(since) = self.since.get_mut(name) {
            since.offset = offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;
    use slipstream_protocol::WireFormat;

    fn requests(positions: &Positions) -> Vec<Value> {
        let endpoint = Endpoint::new("localhost:1", None, WireFormat::Json).unwrap();
        let options = TailOptions::new(endpoint, Vec::new());
        positions.requests(&options).iter().map(|r| serde_json::from_str(r).unwrap()).collect()
    }

    #[test]
    fn a_reconnect_asks_for_what_came_after_the_last_publication_heard() {
        let mut positions = Positions::new(&["telemetry:a".parse().unwrap(), "telemetry:*".parse().unwrap()]);
        assert_eq!(requests(&positions)[0].get("since"), None);
        positions.subscribed(&json!({"channel": "telemetry:a", "epoch": 7, "offset": 10, "recovered": false}));
        positions.heard(&json!({"channel": "telemetry:a", "offset": 12}));
        positions.heard(&json!({"channel": "telemetry:b", "offset": 99}));
        let again = requests(&positions);
        assert_eq!(again[0]["since"], json!({"epoch": 7, "offset": 12}));
        assert_eq!(again[1].get("since"), None, "a wildcard is heard from now on");
        let recovered = json!({"channel": "telemetry:a", "epoch": 9, "offset": 12, "recovered": true});
        assert_eq!(positions.subscribed(&recovered), None);
        assert_eq!(requests(&positions)[0]["since"], json!({"epoch": 9, "offset": 12}), "until the missed ones have come");
    }

    #[test]
    fn a_channel_that_could_not_be_resumed_is_told() {
        let mut positions = Positions::new(&["telemetry:a".parse().unwrap()]);
        let first = json!({"channel": "telemetry:a", "epoch": 7, "offset": 10, "recovered": false});
        assert_eq!(positions.subscribed(&first), None, "the first time there is nothing to resume");
        let other = json!({"channel": "telemetry:a", "epoch": 8, "offset": 3, "recovered": false});
        assert_eq!(positions.subscribed(&other), Some("telemetry:a".into()));
        assert_eq!(requests(&positions)[0]["since"], json!({"epoch": 8, "offset": 3}));
    }
}
