//! What waits to be applied, in bytes, for all vehicles together.
//!
//! A mailbox is bounded by messages, and a message may be a large batch. Samples therefore hold a part
//! of one common room from before the mailbox until vehicle and session room are done with them. Doors
//! wait for it in the order they came, each with one batch.

use std::sync::Arc;

use slipstream_protocol::{Sample, SignalValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for, bytes.
const UNIT: usize = 1_024;
/// What a signal takes beside its text: its shared name and its value.
const SIGNAL: usize = 48;

/// The part of the room that some samples hold; given back on drop.
pub(crate) type Held = OwnedSemaphorePermit;

/// The common room.
pub(crate) struct Backlog {
    room: Arc<Semaphore>,
    most: u32,
}

impl Backlog {
    /// Room for `bytes`, roughly.
    pub(crate) fn new(bytes: usize) -> Self {
        let most = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self { room: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Waits in line for `units`; more than there is counts as all of it. `None` is never answered: the room is never closed.
    pub(crate) async fn enter(&self, units: usize) -> Option<Held> {
        let units = u32::try_from(units).unwrap_or(u32::MAX).min(self.most);
        self.room.clone().acquire_many_owned(units).await.ok()
    }

    /// Bytes that wait, roughly.
    pub(crate) fn bytes(&self) -> usize {
        (self.most as usize - self.room.available_permits()) * UNIT
    }
}

/// How much room samples need.
pub(crate) fn units(samples: &[Sample]) -> usize {
    samples.iter().map(bytes).sum::<usize>().div_ceil(UNIT)
}

/// Memory a sample takes, bytes, roughly.
pub(crate) fn bytes(sample: &Sample) -> usize {
    let texts = match &sample.raw {
        // Kept as it was sent beside the signals made of it.
        Some(raw) => 2 * raw.len(),
        None => sample.signals.iter().map(|signal| if let SignalValue::Text(text) = &signal.value { text.len() } else { 0 }).sum(),
    };
    size_of::<Sample>() + SIGNAL * sample.signals.len() + texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::samples;

    #[tokio::test]
    async fn who_comes_waits_until_there_is_room_and_a_batch_larger_than_all_is_taken_alone() {
        let backlog = Arc::new(Backlog::new(10 * UNIT));
        let batch = samples("v", 0..1_000);
        assert!(units(&batch) > 100);
        let held = backlog.enter(units(&batch)).await;
        assert_eq!(backlog.bytes(), 10 * UNIT);
        let (room, small) = (backlog.clone(), samples("v", 0..1));
        let waiting = tokio::spawn(async move { room.enter(units(&small)).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        drop(waiting.await.unwrap());
        assert_eq!(backlog.bytes(), 0);
    }
}
