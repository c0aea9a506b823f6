//! Where samples wait for a vehicle that cools down after too many panics.
//!
//! What a door hands over is in the journal already, so it is never refused: it waits here, behind
//! what the mailbox holds, and is applied when the vehicle goes on. Vehicles that share its
//! publisher meanwhile go on as ever.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

use super::Numbered;

/// Most samples that wait for one vehicle: a minute at 100 Hz and more. Beyond it the door waits.
const MOST: usize = 8_192;

/// What became of samples.
pub(crate) enum Parked {
    /// They wait here.
    Yes,
    /// As many wait as may.
    Full(Numbered),
    /// Nobody need wait: they may go to the mailbox.
    NotNeeded(Numbered),
}

/// Samples of one vehicle, in the order sent.
#[derive(Default)]
pub(crate) struct Parking {
    open: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<Numbered>,
    samples: usize,
    /// Somebody takes them to the mailbox.
    leaving: bool,
}

impl Parking {
    /// From now on samples wait.
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// Lets samples wait where they must.
    pub(super) fn park(&self, mut numbered: Numbered) -> Parked {
        if !self.open.load(Ordering::Acquire) {
            return Parked::NotNeeded(numbered);
        }
        let mut waiting = self.waiting.lock();
        // It may have been closed in between; it is closed under the lock only.
        if !self.open.load(Ordering::Acquire) {
            return Parked::NotNeeded(numbered);
        }
        if waiting.samples >= MOST {
            return Parked::Full(numbered);
        }
        waiting.samples += numbered.samples.len();
        // Bounded here already: what waits long must not keep others from going on.
        numbered.held = None;
        waiting.batches.push_back(numbered);
        Parked::Yes
    }

    /// Whether the caller is to take what waits to the mailbox, with [`Parking::next`] until it is empty.
    pub(super) fn start_leaving(&self) -> bool {
        let mut waiting = self.waiting.lock();
        let first = self.open.load(Ordering::Acquire) && !waiting.leaving;
        waiting.leaving |= first;
        first
    }

    /// What goes next; `None` closes the parking. To be called when the one before is in the mailbox.
    pub(super) fn next(&self) -> Option<Numbered> {
        let mut waiting = self.waiting.lock();
        let next = waiting.batches.pop_front();
        if let Some(numbered) = &next {
            waiting.samples -= numbered.samples.len();
        } else {
            *waiting = Waiting::default();
            self.open.store(false, Ordering::Release);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(numbers: std::ops::Range<u64>) -> Numbered {
        Numbered { first: numbers.start + 1, samples: crate::harness::samples("v", numbers), held: None }
    }

    #[test]
    fn it_is_bounded_keeps_the_order_and_closes_when_empty() {
        let parking = Parking::default();
        assert!(matches!(parking.park(numbered(0..0)), Parked::NotNeeded(_)));
        assert!(!parking.start_leaving(), "nothing waits");
        parking.open();
        assert!(matches!(parking.park(numbered(0..MOST as u64)), Parked::Yes));
        assert!(matches!(parking.park(numbered(0..1)), Parked::Full(_)));
        assert!(parking.start_leaving() && !parking.start_leaving(), "one takes them away");
        assert_eq!(parking.next().unwrap().samples.len(), MOST);
        assert!(matches!(parking.park(numbered(7..8)), Parked::Yes), "still behind the others");
        assert_eq!(parking.next().unwrap().samples[0].seq, Some(7));
        assert!(parking.next().is_none());
        assert!(matches!(parking.park(numbered(0..0)), Parked::NotNeeded(_)));
    }
}
