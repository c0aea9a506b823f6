//! What a channel remembers, bounded in publications, in age and, with all other channels, in bytes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use slipstream_protocol::{Timestamp, server::Event};

use super::{HistoryBound, budget::HistoryBudget};
/// What was published; shared with whoever else holds it.
pub(super) use crate::snapshot::RememberedContent as Content;
use crate::{backlog, snapshot::Remembered};

/// What one row of a leaderboard takes, bytes.
const STANDING: usize = 160;

impl Content {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Samples(samples) => samples.len(),
            Self::Event(_) => 1,
        }
    }

    /// Memory it keeps, bytes, roughly; all of it, whoever else shares it.
    fn bytes(&self) -> usize {
        size_of::<Remembered>()
            + match self {
                Self::Samples(samples) => samples.iter().map(backlog::bytes).sum(),
                Self::Event(event) => size_of::<Event>() + text_bytes(event),
            }
    }
}

fn text_bytes(event: &Event) -> usize {
    match event {
        Event::Video(note) => note.frame_id.len(),
        Event::Feedback(note) => note.feedback.len(),
        Event::Metrics(note) => note.metrics.leaderboard.len() * STANDING,
        Event::Alert(note) => note.alert.message.len() + note.alert.alert_id.len() + note.alert.alert_type.len(),
        Event::Health(note) => note.health.len(),
        Event::Result(note) => note.data.len() + note.quality.as_ref().map_or(0, |quality| quality.len()),
        Event::Rl(note) => note.update.len(),
    }
}

/// Nothing for an idle channel: a million of them hold a pointer each.
#[derive(Default)]
pub(super) struct History(Option<Arc<Shelf>>);

/// The publications one channel remembers. Its owner adds to them; whoever exceeds the budget may take the
/// oldest away.
pub(crate) struct Shelf {
    budget: Arc<HistoryBudget>,
    held: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    list: VecDeque<Remembered>,
    publications: usize,
    bytes: usize,
}

impl History {
    /// Takes publications that were made `at`. What came before a hole in the numbers is of no use to
    /// anyone who resumes, and goes.
    pub(super) fn push(
        &mut self,
        first: u64,
        content: Content,
        at: Timestamp,
        now: Timestamp,
        bound: HistoryBound,
        budget: &Arc<HistoryBudget>,
    ) {
        if bound.len == 0 {
            return;
        }
        let shelf = self.0.get_or_insert_with(|| Shelf::new(budget));
        shelf.change(|held| {
            if held.list.back().is_some_and(|last| last.last() + 1 != first) {
                *held = Entries::default();
            }
            held.push(Remembered { first, at, content });
            while held.publications > bound.len && held.list.len() > 1 {
                held.drop_oldest();
            }
            held.expire(now, bound.age);
        });
        budget.enforce();
    }

    pub(super) fn expire(&mut self, now: Timestamp, max_age: Duration) {
        if let Some(shelf) = &self.0 {
            shelf.change(|held| held.expire(now, max_age));
        }
    }

    /// Everything remembered, oldest first, as of one moment.
    pub(super) fn save(&self) -> Vec<Remembered> {
        self.0.as_ref().map_or_else(Vec::new, |shelf| shelf.held.lock().list.iter().cloned().collect())
    }

    pub(super) fn restore(entries: Vec<Remembered>, budget: &Arc<HistoryBudget>) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let shelf = Shelf::new(budget);
        shelf.change(|held| entries.into_iter().for_each(|entry| held.push(entry)));
        budget.enforce();
        Self(Some(shelf))
    }

    pub(super) fn shrink(&mut self) {
        let is_empty = self.0.as_ref().is_none_or(|shelf| {
            let mut held = shelf.held.lock();
            held.list.shrink_to_fit();
            held.list.is_empty()
        });
        if is_empty {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        if let Some(shelf) = self.0.take() {
            shelf.change(|held| *held = Entries::default());
        }
    }

    /// Offset of the newest publication remembered.
    pub(super) fn last_offset(&self) -> Option<u64> {
        self.0.as_ref()?.held.lock().list.back().map(Remembered::last)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last_offset().is_none()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Shelf {
    fn new(budget: &Arc<HistoryBudget>) -> Arc<Self> {
        Arc::new(Self { budget: budget.clone(), held: Mutex::default() })
    }

    fn change(self: &Arc<Self>, change: impl FnOnce(&mut Entries)) {
        let mut held = self.held.lock();
        let before = held.bytes;
        change(&mut held);
        self.budget.resized(self, before, held.bytes);
    }

    /// Gives up the oldest publications that were made at once; returns how many those were.
    pub(super) fn drop_oldest(self: &Arc<Self>, budget: &HistoryBudget) -> u64 {
        let mut held = self.held.lock();
        let (before, publications) = (held.bytes, held.publications);
        held.drop_oldest();
        budget.resized(self, before, held.bytes);
        (publications - held.publications) as u64
    }
}

impl Entries {
    fn push(&mut self, entry: Remembered) {
        self.publications += entry.content.len();
        self.bytes += entry.content.bytes();
        self.list.push_back(entry);
    }

    fn expire(&mut self, now: Timestamp, max_age: Duration) {
        let keep_from = now.minus(max_age);
        while self.list.front().is_some_and(|e| e.at < keep_from) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.list.pop_front() {
            self.publications -= entry.content.len();
            self.bytes -= entry.content.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{START, samples};

    const BOUND: HistoryBound = HistoryBound { len: 1_000, age: Duration::from_secs(60) };

    fn push(history: &mut History, first: u64, count: u64, budget: &Arc<HistoryBudget>) {
        let content = Content::Samples(Arc::new(samples("v", first..first + count)));
        history.push(first, content, START, START, BOUND, budget);
    }

    fn offsets(history: &History) -> Vec<u64> {
        history.save().iter().flat_map(|entry| entry.first..=entry.last()).collect()
    }

    #[test]
    fn beyond_the_budget_the_oldest_of_the_largest_go_first() {
        let one = Content::Samples(Arc::new(samples("v", 1..2))).bytes();
        let budget = Arc::new(HistoryBudget::new(20 * one));
        let (mut calm, mut busy) = (History::default(), History::default());
        (1..=3).for_each(|n| push(&mut calm, n, 1, &budget));
        (1..=200).for_each(|n| push(&mut busy, n, 1, &budget));
        assert_eq!(offsets(&calm), [1, 2, 3], "who publishes little keeps it");
        let kept = offsets(&busy);
        assert_eq!(kept, (201 - kept.len() as u64..=200).collect::<Vec<_>>(), "the newest, without a hole");
        assert!(kept.len() > 8 && budget.used() <= budget.most(), "{} of {}", budget.used(), budget.most());
        assert_eq!(budget.evicted(), 200 - kept.len() as u64);
        drop(busy);
        calm.clear();
        assert_eq!(budget.used(), 0, "what is dropped is given back");
        assert!(budget.is_clear());
    }

    #[test]
    fn one_batch_larger_than_the_budget_is_not_remembered() {
        let budget = Arc::new(HistoryBudget::new(1_000));
        let mut history = History::default();
        push(&mut history, 1, 500, &budget);
        assert!(history.is_empty() && budget.used() == 0);
        assert_eq!(budget.evicted(), 500);
    }
}
