//! Which session and fleet a result belongs to.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use slipstream_protocol::{FleetId, Sample, SessionId, Timestamp};

use super::{Key, Keyed, Row};

/// Session and fleet, as the samples told them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// The session.
    pub session: Option<SessionId>,
    /// The fleet.
    pub fleet: Option<FleetId>,
}

/// From when to when samples of a key were told with the same tags, µs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stretch {
    first: i64,
    last: i64,
    tags: Tags,
}

/// Most stretches remembered of a key: who changes sessions more often than this within the lateness loses the oldest.
const MAX_STRETCHES: usize = 64;

/// The tags of each key over event time. What came within one stretch of time has its tags, whatever the order it came in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct TagBook {
    keys: Keyed<VecDeque<Stretch>>,
}

impl TagBook {
    /// Notes a sample of `key`.
    pub(super) fn note_sample(&mut self, key: Key, sample: &Sample) {
        let same = |tags: &Tags| tags.session == sample.session && tags.fleet == sample.fleet;
        let make = || Tags { session: sample.session.clone(), fleet: sample.fleet.clone() };
        self.note(key, sample.source_time.micros(), same, make);
    }

    /// Notes tags of `key` at a time.
    pub(super) fn note_tags(&mut self, key: Key, time: Timestamp, tags: &Tags) {
        self.note(key, time.micros(), |known| known == tags, || tags.clone());
    }

    fn note(&mut self, key: Key, at: i64, same: impl Fn(&Tags) -> bool, make: impl Fn() -> Tags) {
        let stretches = self.keys.entry(key, VecDeque::new);
        // The newest one is nearly always the one.
        if let Some(newest) = stretches.back_mut().filter(|s| at >= s.first && same(&s.tags)) {
            newest.last = newest.last.max(at);
            return;
        }
        let behind = stretches.partition_point(|s| s.first <= at);
        if let Some(before) = behind.checked_sub(1).map(|i| &mut stretches[i]) {
            if same(&before.tags) {
                before.last = before.last.max(at);
                return;
            }
            if before.last > at {
                // In the middle of another stretch: what of that came later goes on behind.
                let rest = Stretch { first: before.last, last: before.last, tags: before.tags.clone() };
                before.last = at.max(before.first);
                stretches.insert(behind, rest);
            }
        }
        match stretches.get_mut(behind).filter(|after| same(&after.tags)) {
            Some(after) => after.first = at,
            None => stretches.insert(behind, Stretch { first: at, last: at, tags: make() }),
        }
        if stretches.len() > MAX_STRETCHES {
            stretches.pop_front();
        }
    }

    /// The tags of a row's key at the row's time: those of the newest sample that is not after it; where there is none, of the
    /// first one.
    pub(super) fn of(&self, row: &Row) -> Option<&Tags> {
        let stretches = self.keys.get(row.key)?;
        let behind = stretches.partition_point(|s| s.first <= row.time.micros());
        stretches.get(behind.saturating_sub(1)).map(|s| &s.tags)
    }

    /// Forgets what nothing can ask for any more: stretches that others have followed before `time`.
    pub(super) fn forget(&mut self, time: Timestamp) {
        for stretches in self.keys.values_mut() {
            while stretches.get(1).is_some_and(|next| next.first < time.micros()) {
                stretches.pop_front();
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.keys.heap_bytes() + self.keys.values().map(|s| s.capacity() * size_of::<Stretch>()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(session: &str) -> Tags {
        Tags { session: SessionId::new(session).ok(), fleet: None }
    }

    fn session_at(book: &TagBook, time: i64) -> Option<String> {
        let time = Timestamp::from_micros(time);
        let row = Row { key: Key::from_index(0), kind: super::super::RowKind::Final, time, start: time, cells: Vec::new() };
        book.of(&row)?.session.as_ref().map(ToString::to_string)
    }

    #[test]
    fn a_change_of_session_is_found_again_in_whatever_order_samples_came() {
        let told = [(1, "a"), (2, "a"), (5, "a"), (6, "b"), (8, "b"), (9, "c")];
        for turn in 0..told.len() {
            let mut book = TagBook::default();
            let mut order = told.to_vec();
            order.rotate_left(turn);
            for (time, session) in order {
                book.note_tags(Key::from_index(0), Timestamp::from_micros(time), &tags(session));
            }
            let found: Vec<_> = (0..11).map(|t| session_at(&book, t).unwrap()).collect();
            assert_eq!(found, ["a", "a", "a", "a", "a", "a", "b", "b", "b", "c", "c"], "turned by {turn}");
        }
    }

    #[test]
    fn what_is_long_past_is_forgotten_but_for_the_newest() {
        let mut book = TagBook::default();
        for (time, session) in [(1, "a"), (5, "b"), (9, "c")] {
            book.note_tags(Key::from_index(0), Timestamp::from_micros(time), &tags(session));
        }
        book.forget(Timestamp::from_micros(7));
        assert_eq!(session_at(&book, 3).as_deref(), Some("b"));
        book.forget(Timestamp::from_micros(100));
        assert_eq!(session_at(&book, 3).as_deref(), Some("c"));
    }
}
