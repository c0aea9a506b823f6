//! Whether what one subscriber hears keeps the promises: in one life of a channel each publication once
//! and in order, what is missing told in gap frames, and a resumption exact or told that it is not.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{
    identity::{NUMBER, PROOF, Stream},
    report::{Listened, Violation},
};

/// Where one channel stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The channel's life; not told to wildcards.
    epoch: Option<u64>,
    /// The last offset heard or told as dropped.
    offset: u64,
    /// Which sample of its vehicle was heard last; unknown before the first.
    index: Option<u64>,
    /// Publications told as dropped since. Some of those numbers may never have had a sample: what the
    /// journal could not keep leaves its number empty and gets another when it is sent again.
    dropped: u64,
    /// The highest sample heard in any of the channel's lives. What was heard and not yet kept when the
    /// server was killed is kept later and not published again: a new life may pass over it.
    ever: Option<u64>,
}

impl Place {
    const fn new(epoch: Option<u64>, offset: u64, ever: Option<u64>) -> Self {
        Self { epoch, offset, index: None, dropped: 0, ever }
    }

    /// Whether the sample `index` may follow, at the next offset.
    fn may_be_followed_by(&self, index: u64) -> bool {
        let Some(before) = self.index else { return true };
        let last = (before + self.dropped).max(self.ever.unwrap_or(0)) + 1;
        (before + 1..=last).contains(&index)
    }
}

/// What one subscriber has heard so far.
#[derive(Debug)]
pub(super) struct Heard {
    name: String,
    /// Asks for what was missed when it comes back.
    resumes: bool,
    streams: HashMap<String, Stream>,
    channels: BTreeMap<String, Place>,
    /// Server crashes when the current connection was made.
    crashes: u64,
    pub(super) listened: Listened,
    pub(super) violations: Vec<Violation>,
}

/// Most violations one subscriber keeps.
const MOST: usize = 20;

impl Heard {
    /// A subscriber of the vehicles of `streams`.
    pub(super) fn new(name: &str, resumes: bool, streams: &[Stream]) -> Self {
        let streams = streams.iter().map(|s| (s.name.clone(), s.clone())).collect();
        Self {
            name: name.to_owned(),
            resumes,
            streams,
            channels: BTreeMap::new(),
            crashes: 0,
            listened: Listened::default(),
            violations: Vec::new(),
        }
    }

    fn violate(&mut self, promise: &'static str, what: String) {
        if self.violations.len() < MOST {
            self.violations.push(Violation { promise, witness: self.name.clone(), what });
        }
    }

    /// A connection stands. A subscriber that does not resume begins anew.
    pub(super) fn connected(&mut self) {
        self.listened.connections += 1;
        if !self.resumes {
            self.channels.clear();
        }
    }

    /// Where `channel` was left.
    pub(super) fn since(&self, channel: &str) -> Option<(u64, u64)> {
        let place = self.channels.get(channel)?;
        Some((place.epoch?, place.offset))
    }

    /// The highest sample of `vehicle` heard, counted from 0.
    pub(super) fn reached(&self, vehicle: &str) -> Option<u64> {
        self.channels.get(&format!("telemetry:{vehicle}"))?.index
    }

    /// A message of the server. `crashes` counts how often it was killed so far.
    pub(super) fn message(&mut self, value: &Value, crashes: u64) {
        let Some(channel) = value["channel"].as_str() else { return };
        match value["type"].as_str() {
            Some("subscribed") => self.subscribed(channel, value, crashes),
            Some("telemetry") => self.telemetry(channel, value),
            Some("gap") => self.gap(channel, value),
            _ => {}
        }
    }

    fn subscribed(&mut self, channel: &str, value: &Value, crashes: u64) {
        if !self.resumes {
            return;
        }
        let (Some(epoch), Some(offset)) = (value["epoch"].as_u64(), value["offset"].as_u64()) else { return };
        let crashed = crashes != self.crashes;
        let Some((old_epoch, old_offset)) = self.since(channel) else {
            self.channels.insert(channel.to_owned(), Place::new(Some(epoch), offset, None));
            self.crashes = crashes;
            return;
        };
        if value["recovered"] == true {
            self.listened.resumed += 1;
            // It may go on in a new epoch (always after a crash): at the same place, and from there without a hole.
            if offset != old_offset {
                self.violate("resume", format!("{channel}: left at {old_epoch}:{old_offset}, recovered:true at {epoch}:{offset}"));
            }
            if let Some(place) = self.channels.get_mut(channel) {
                place.epoch = Some(epoch);
            }
        } else {
            self.listened.not_resumed += 1;
            if !crashed {
                self.violate(
                    "resume",
                    format!(
                        "{channel}: left at {old_epoch}:{old_offset}, recovered:false at {epoch}:{offset} though its history reaches back"
                    ),
                );
            }
            let ever = self.channels.get(channel).and_then(|place| place.ever);
            self.channels.insert(channel.to_owned(), Place::new(Some(epoch), offset, ever));
        }
    }

    /// Every channel is subscribed: from here on a resumption that fails needs a new crash as its reason.
    pub(super) fn settled(&mut self, crashes: u64) {
        self.crashes = crashes;
    }

    fn telemetry(&mut self, channel: &str, value: &Value) {
        self.listened.publications += 1;
        let identity = self.identify(value);
        let (offset, index, spooled) = match (value["offset"].as_u64(), identity) {
            (Some(offset), Ok((index, spooled))) => (offset, index, spooled),
            (_, Err(None)) => return,
            (None, _) => return self.violate("order", format!("{channel}: a publication without an offset: {value}")),
            (_, Err(Some(wrong))) => return self.violate("invented", wrong),
        };
        let place = self.channels.get(channel).copied();
        if let Some(place) = place {
            if offset <= place.offset {
                self.violate("doubled", format!("{channel}: offset {offset} after {}: {value}", place.offset));
            } else if offset != place.offset + 1 {
                self.violate("gap", format!("{channel}: offset {offset} after {} and no gap frame: {value}", place.offset));
            } else if let Some(before) = place.index
                && !spooled
                && !place.may_be_followed_by(index)
            {
                let promise = if index <= before { "doubled" } else { "lost" };
                self.violate(promise, format!("{channel}: sample {index} of its vehicle follows {before}, at offset {offset}: {value}"));
            }
        }
        let epoch = place.and_then(|p| p.epoch);
        let ever = place.and_then(|p| p.ever).max(Some(index));
        self.channels.insert(channel.to_owned(), Place { index: Some(index), ..Place::new(epoch, offset, ever) });
    }

    /// Which sample of its vehicle it is, and whether it came through a spool. `Err(None)`: not one of ours;
    /// `Err(Some(..))`: it says what it should not.
    fn identify(&self, value: &Value) -> Result<(u64, bool), Option<String>> {
        let vehicle = value["driverId"].as_str().unwrap_or_default();
        let stream = vehicle.rsplit_once('-').and_then(|(name, _)| self.streams.get(name)).ok_or(None)?;
        let number = |signal: &str| value["data"][signal].as_f64().map(|v| v as u64);
        let n = number(NUMBER).filter(|n| *n > 0).ok_or_else(|| Some(format!("{vehicle}: a sample without a number: {value}")))?;
        if stream.vehicle(n) != vehicle || number(PROOF) != Some(stream.proof(n)) {
            return Err(Some(format!("{vehicle}: number {n} does not carry its values: {value}")));
        }
        Ok((stream.index(n), stream.spooled))
    }

    fn gap(&mut self, channel: &str, value: &Value) {
        let (Some(dropped), Some(from), Some(to)) = (value["dropped"].as_u64(), value["from"].as_u64(), value["to"].as_u64()) else {
            return self.violate("gap", format!("a gap frame that does not say what is missing: {value}"));
        };
        self.listened.told_dropped += dropped;
        if to + 1 != from + dropped {
            self.violate("gap", format!("{channel}: a gap frame whose numbers do not add up: {value}"));
        }
        if let Some(place) = self.channels.get_mut(channel) {
            let expected = place.offset + 1;
            place.offset = to;
            place.dropped += dropped;
            if from != expected {
                self.violate("gap", format!("{channel}: {expected} is next, the gap frame says {value}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use slipstream_protocol::Timestamp;

    fn stream() -> Stream {
        Stream { name: "s".into(), vehicles: 2, seed: 1, start: Timestamp::default(), spooled: false }
    }

    fn sample(n: u64, offset: u64) -> Value {
        let stream = stream();
        json!({"type": "telemetry", "channel": "telemetry:s-0", "offset": offset, "driverId": stream.vehicle(n),
            "data": {"n": n, "proof": stream.proof(n)}})
    }

    fn subscribed(epoch: u64, offset: u64, recovered: bool) -> Value {
        json!({"type": "subscribed", "channel": "telemetry:s-0", "epoch": epoch, "offset": offset, "recovered": recovered})
    }

    fn heard(messages: &[Value]) -> Vec<&'static str> {
        let mut heard = Heard::new("test", true, &[stream()]);
        heard.connected();
        for message in messages {
            heard.message(message, 0);
        }
        heard.violations.iter().map(|v| v.promise).collect()
    }

    #[test]
    fn what_is_whole_passes_and_what_is_not_is_named() {
        let start = subscribed(5, 10, false);
        let told = json!({"type": "gap", "channel": "telemetry:s-0", "dropped": 2, "from": 12, "to": 13});
        assert!(heard(&[start.clone(), sample(1, 11), sample(3, 12), subscribed(5, 12, true), sample(5, 13)]).is_empty());
        assert!(heard(&[start.clone(), sample(1, 11), told.clone(), sample(7, 14)]).is_empty());
        assert!(heard(&[start.clone(), sample(1, 11), told.clone(), sample(3, 14)]).is_empty(), "the numbers were empty");
        assert_eq!(heard(&[start.clone(), sample(1, 11), told.clone(), sample(1, 14)]), ["doubled"]);
        assert_eq!(heard(&[start.clone(), sample(1, 11), told, sample(9, 14)]), ["lost"]);
        assert_eq!(heard(&[start.clone(), sample(1, 11), sample(5, 12)]), ["lost"]);
        assert_eq!(heard(&[start.clone(), sample(1, 11), sample(1, 11)]), ["doubled"]);
        assert_eq!(heard(&[start.clone(), sample(1, 11), sample(3, 13)]), ["gap"]);
        assert_eq!(heard(&[start.clone(), sample(2, 11)]), Vec::<&str>::new(), "another vehicle's sample counts by its own name");
        assert_eq!(heard(&[start.clone(), sample(1, 11), subscribed(5, 0, false)]), ["resume"], "no crash excuses it");
        let mut forged = sample(1, 11);
        forged["data"]["proof"] = json!(3);
        assert_eq!(heard(&[start, forged]), ["invented"]);
    }

    #[test]
    fn another_epoch_may_go_on_with_the_numbers_of_the_one_before() {
        for (crashes, offset, violations) in [(1, 11, 0), (0, 11, 0), (1, 10, 1)] {
            let mut heard = Heard::new("test", true, &[stream()]);
            heard.connected();
            heard.message(&subscribed(5, 10, false), 0);
            heard.settled(0);
            heard.message(&sample(1, 11), 0);
            heard.connected();
            heard.message(&subscribed(6, offset, true), crashes);
            heard.message(&sample(3, 12), crashes);
            assert_eq!((heard.violations.len(), heard.since("telemetry:s-0")), (violations, Some((6, 12))));
        }
    }

    #[test]
    fn after_a_crash_a_channel_may_say_that_it_begins_anew() {
        let mut heard = Heard::new("test", true, &[stream()]);
        heard.connected();
        heard.message(&subscribed(5, 10, false), 0);
        heard.settled(0);
        heard.message(&sample(1, 11), 0);
        heard.connected();
        heard.message(&subscribed(6, 0, false), 1);
        heard.message(&sample(1, 1), 1);
        assert_eq!((heard.violations.len(), heard.listened.not_resumed, heard.reached("s-0")), (0, 1, Some(0)));
        heard.message(&subscribed(6, 0, false), 1);
        heard.message(&sample(1, 1), 1);
        assert_eq!(heard.violations.len(), 0, "what was heard may come again, or not");
        heard.settled(1);
        heard.message(&subscribed(7, 1, true), 2);
        heard.message(&sample(3, 2), 2);
        assert_eq!((heard.violations.len(), heard.listened.resumed, heard.since("telemetry:s-0")), (0, 1, Some((7, 2))));
        heard.message(&subscribed(8, 1, true), 2);
        assert_eq!(heard.violations.len(), 1, "not where it was left");
    }
}
