//! What is to be done when the watermark gets somewhere.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

use super::symbols::{Key, Symbols};

/// Deadlines of keys, in event time. Setting the same deadline twice keeps one.
///
/// To move a deadline that moves with every row (a session's end), leave the old one and set the new one when the old one
/// fires: that costs one timer per gap, not one per row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timers(BTreeSet<(Timestamp, Key)>);

impl Timers {
    /// Wakes `key` once the watermark has reached `at`.
    pub fn set(&mut self, at: Timestamp, key: Key) {
        self.0.insert((at, key));
    }

    /// Takes a deadline back.
    pub fn cancel(&mut self, at: Timestamp, key: Key) {
        self.0.remove(&(at, key));
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out what is due at `watermark`, by deadline and then by the keys' names: the order in which results are to leave.
    pub fn due(&mut self, watermark: Timestamp, keys: &Symbols<Key>) -> Vec<(Timestamp, Key)> {
        if self.next().is_none_or(|next| next > watermark) {
            return Vec::new();
        }
        let later = self.0.split_off(&(watermark.plus(std::time::Duration::from_micros(1)), Key::from_index(0)));
        let mut due: Vec<_> = std::mem::replace(&mut self.0, later).into_iter().collect();
        due.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| keys.name(a.1).cmp(keys.name(b.1))));
        due
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Memory held, in bytes, about.
    pub fn heap_bytes(&self) -> usize {
        self.0.len() * 24
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_by_deadline_and_then_by_name() {
        let mut keys = Symbols::<Key>::default();
        let (b, a) = (keys.intern("b"), keys.intern("a"));
        let t = Timestamp::from_millis;
        let mut timers = Timers::default();
        for (at, key) in [(t(20), a), (t(10), b), (t(10), a), (t(30), b), (t(10), a)] {
            timers.set(at, key);
        }
        assert_eq!(timers.due(t(9), &keys), []);
        assert_eq!(timers.due(t(20), &keys), [(t(10), a), (t(10), b), (t(20), a)]);
        assert_eq!(timers.next(), Some(t(30)));
    }
}
