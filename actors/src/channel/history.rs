//! What a channel remembers, bounded in publications and in age.

use std::{collections::VecDeque, time::Duration};

use slipstream_protocol::Timestamp;

use super::HistoryBound;
use crate::snapshot::Remembered;
/// What was published; shared with whoever else holds it.
pub(super) use crate::snapshot::RememberedContent as Content;

impl Content {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Samples(samples) => samples.len(),
            Self::Event(_) => 1,
        }
    }
}

/// Nothing for an idle channel: a million of them hold a pointer each.
#[derive(Default)]
pub(super) struct History(Option<Box<Entries>>);

#[derive(Default)]
struct Entries {
    entries: VecDeque<Remembered>,
    publications: usize,
}

impl History {
    /// Takes publications that were made `at`. What came before a hole in the numbers is of no use to
    /// anyone who resumes, and goes.
    pub(super) fn push(&mut self, first: u64, content: Content, at: Timestamp, now: Timestamp, bound: HistoryBound) {
        if bound.len == 0 {
            return;
        }
        if self.last_offset().is_some_and(|last| last + 1 != first) {
            self.clear();
        }
        let held = self.0.get_or_insert_default();
        held.publications += content.len();
        held.entries.push_back(Remembered { first, at, content });
        while held.publications > bound.len && held.entries.len() > 1 {
            held.drop_oldest();
        }
        self.expire(now, bound.age);
    }

    pub(super) fn expire(&mut self, now: Timestamp, max_age: Duration) {
        let Some(held) = &mut self.0 else { return };
        let keep_from = now.minus(max_age);
        while held.entries.front().is_some_and(|e| e.at < keep_from) {
            held.drop_oldest();
        }
    }

    pub(super) fn save(&self) -> Vec<Remembered> {
        self.entries().cloned().collect()
    }

    pub(super) fn restore(entries: Vec<Remembered>) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let publications = entries.iter().map(|e| e.content.len()).sum();
        Self(Some(Box::new(Entries { entries: entries.into(), publications })))
    }

    pub(super) fn shrink(&mut self) {
        match &mut self.0 {
            Some(held) if !held.entries.is_empty() => held.entries.shrink_to_fit(),
            _ => self.clear(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Offset of the newest publication remembered.
    pub(super) fn last_offset(&self) -> Option<u64> {
        self.0.as_ref()?.entries.back().map(Remembered::last)
    }

    /// Offset of the oldest publication remembered.
    pub(super) fn first_offset(&self) -> Option<u64> {
        self.0.as_ref()?.entries.front().map(|e| e.first)
    }

    /// Everything with publications beyond `offset`, oldest first, with its first offset.
    pub(super) fn after(&self, offset: u64) -> impl Iterator<Item = (u64, &Content)> {
        self.entries().filter(move |e| e.first + e.content.len() as u64 > offset + 1).map(|e| (e.first, &e.content))
    }

    fn entries(&self) -> impl Iterator<Item = &Remembered> {
        self.0.iter().flat_map(|held| held.entries.iter())
    }
}

impl Entries {
    fn drop_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.publications -= entry.content.len();
        }
    }
}
