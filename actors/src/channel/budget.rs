//! What all channels together may remember, in bytes.
//!
//! Each history counts its own bytes and reports them here. Beyond the budget the largest history gives up
//! its oldest publications, whichever actor owns it: a channel that publishes little keeps what it has,
//! however much others publish. Histories lie in classes by the power of two of their size, so the largest
//! is found without a look at each, and to within a factor of two.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::history::Shelf;
use crate::stats::Counter;

/// Classes there are: one for each power of two.
const CLASSES: usize = usize::BITS as usize;

/// Histories of one class, by address.
type Class = Mutex<BTreeMap<usize, Arc<Shelf>>>;

/// The budget that all histories share.
pub(crate) struct HistoryBudget {
    most: usize,
    used: AtomicUsize,
    /// Publications given up to stay within the budget.
    evicted: Counter,
    classes: [Class; CLASSES],
}

impl HistoryBudget {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, used: AtomicUsize::new(0), evicted: Counter::default(), classes: std::array::from_fn(|_| Class::default()) }
    }

    /// Bytes that all histories hold now, roughly.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Most bytes they may hold.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Publications given up so far to stay within the budget.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.get()
    }

    /// Takes note that a history has changed from `before` to `after` bytes. To be called under its lock.
    pub(super) fn resized(&self, shelf: &Arc<Shelf>, before: usize, after: usize) {
        if after >= before {
            self.used.fetch_add(after - before, Relaxed);
        } else {
            self.used.fetch_sub(before - after, Relaxed);
        }
        let (from, to) = (class(before), class(after));
        if from == to {
            return;
        }
        let address = Arc::as_ptr(shelf) as usize;
        if let Some(from) = from {
            self.classes[from].lock().remove(&address);
        }
        if let Some(to) = to {
            self.classes[to].lock().insert(address, shelf.clone());
        }
    }

    /// Has the largest histories give up their oldest publications until all are within the budget. To be
    /// called without the lock of any.
    pub(super) fn enforce(&self) {
        while self.used() > self.most {
            let Some(largest) = self.largest() else { return };
            self.evicted.add(largest.drop_oldest(self));
        }
    }

    fn largest(&self) -> Option<Arc<Shelf>> {
        self.classes.iter().rev().find_map(|class| class.lock().first_key_value().map(|(_, shelf)| shelf.clone()))
    }
}

/// The class of a history of so many bytes; an empty one is in none.
fn class(bytes: usize) -> Option<usize> {
    bytes.checked_ilog2().map(|log| log as usize)
}

#[cfg(test)]
impl HistoryBudget {
    /// Whether it holds no history any more.
    pub(super) fn is_clear(&self) -> bool {
        self.classes.iter().all(|class| class.lock().is_empty())
    }
}
