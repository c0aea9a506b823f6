//! The way from the doors to the journal and the actors: in turn, and accounted for.
//!
//! What a door appends to the journal it also routes to the actors. Between the two it holds a
//! [`Pass`], so that a snapshot or a drain can wait until all that is journalled has been routed.
//! Doors that can wait for room in the journal do so in one line, each with one batch: a publisher
//! that floods waits as long as the others, and they wait for one of its batches at most.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::journal::EmbeddedJournal;

/// Shared by all doors.
#[derive(Default)]
pub struct Intake {
    passes: RwLock<Passes>,
    /// First come, first served.
    turn: Mutex<()>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Passes {
    /// Who is on the way now.
    out: TaskTracker,
    closed: bool,
}

/// Held from before the append until the batch is in the mailboxes.
pub struct Pass {
    _token: TaskTrackerToken,
}

impl Intake {
    /// Lets a batch in; nothing once the doors are closed.
    pub fn enter(&self) -> Option<Pass> {
        let passes = self.passes.read();
        (!passes.closed).then(|| Pass { _token: passes.out.token() })
    }

    /// Resolves when every batch let in before has been routed. Those let in since do not count.
    pub async fn routed(&self) {
        let before = std::mem::take(&mut self.passes.write().out);
        before.close();
        before.wait().await;
    }

    /// Lets nothing more in, and waits until all on the way has been routed.
    pub async fn close(&self) {
        self.passes.write().closed = true;
        self.routed().await;
    }

    /// Resolves in turn when the journal has room. Appends while the caller holds the turn do not compete
    /// with others that wait, so it is to be dropped right after the append.
    ///
    /// Cancel safe: who gives up leaves the line.
    pub async fn turn(&self, journal: &EmbeddedJournal) -> Turn<'_> {
        let waiting = Waiting::one(&self.waiting);
        let turn = self.turn.lock().await;
        journal.room().await;
        Turn { _turn: turn, _waiting: waiting }
    }

    /// Whether a batch may be appended at once: nobody waits, and the journal has room.
    pub fn is_clear(&self, journal: &EmbeddedJournal) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0 && journal.has_room()
    }

    /// Doors that wait for room in the journal now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A turn to append.
pub struct Turn<'a> {
    _turn: tokio::sync::MutexGuard<'a, ()>,
    _waiting: Waiting<'a>,
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn one(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn who_asks_waits_for_those_before_and_not_for_those_after() {
        let intake = Arc::new(Intake::default());
        let first = intake.enter().unwrap();
        let asking = tokio::spawn({
            let intake = intake.clone();
            async move { intake.routed().await }
        });
        while intake.passes.read().out.len() == 1 {
            tokio::task::yield_now().await;
        }
        let _second = intake.enter().unwrap();
        assert!(!asking.is_finished());
        drop(first);
        asking.await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_door_lets_nothing_in() {
        let intake = Intake::default();
        drop(intake.enter().unwrap());
        intake.close().await;
        assert!(intake.enter().is_none());
    }

    #[tokio::test]
    async fn turns_come_in_the_order_asked_and_who_gives_up_leaves_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = EmbeddedJournal::open(crate::journal::JournalConfig::new(folder.path())).unwrap();
        let intake = Arc::new(Intake::default());
        let held = intake.turn(&journal).await;
        assert!(!intake.is_clear(&journal), "who comes now waits behind");
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let mut line = Vec::new();
        for n in 0..4 {
            let (waiter, journal, order) = (intake.clone(), journal.clone(), order.clone());
            line.push(tokio::spawn(async move {
                let _turn = waiter.turn(&journal).await;
                order.lock().push(n);
            }));
            while intake.waiting() < n + 2 {
                tokio::task::yield_now().await;
            }
        }
        line.remove(1).abort();
        drop(held);
        for waiter in line {
            waiter.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 2, 3]);
        assert!(intake.is_clear(&journal));
    }
}
