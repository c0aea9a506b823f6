//! The way from the doors to the journal and the actors: in turn, and accounted for.
//!
//! What a door appends to the journal it also routes to the actors. Between the two it holds a
//! [`Pass`], so that a snapshot or a drain can wait until all that is journalled has been routed.
//! Doors that can wait for room in the journal do so in one line, each with one batch, and by the bytes
//! they have brought in: a publisher that floods waits, one that sends little is next.

use parking_lot::RwLock;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::line::{Flow, Line, Turn};
use crate::journal::EmbeddedJournal;

/// Shared by all doors.
#[derive(Default)]
pub struct Intake {
    passes: RwLock<Passes>,
    line: Line,
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

    /// Resolves when it is the turn of a batch that starts at `start`, and the journal has room. Appends while
    /// the caller holds the turn do not compete with others that wait, so it is to be dropped right after the append.
    ///
    /// Cancel safe: who gives up leaves the line.
    pub async fn turn(&self, journal: &EmbeddedJournal, start: u64) -> Turn<'_> {
        let turn = self.line.turn(start).await;
        journal.room().await;
        turn
    }

    /// Counts a batch of `bytes` for its connection. Returns where it starts, for [`Intake::turn`].
    pub fn charge(&self, flow: &Flow, bytes: usize) -> u64 {
        self.line.charge(flow, bytes)
    }

    /// Whether a batch may be appended at once: nobody waits, and the journal has room.
    pub fn is_clear(&self, journal: &EmbeddedJournal) -> bool {
        self.line.present() == 0 && journal.has_room()
    }

    /// Doors that wait for room in the journal now.
    pub fn waiting(&self) -> usize {
        self.line.present()
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
    async fn who_comes_while_another_has_the_turn_waits_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = EmbeddedJournal::open(crate::journal::JournalConfig::new(folder.path())).unwrap();
        let intake = Intake::default();
        assert!(intake.is_clear(&journal));
        let held = intake.turn(&journal, 0).await;
        assert!(!intake.is_clear(&journal));
        drop(held);
        assert!(intake.is_clear(&journal));
    }
}
