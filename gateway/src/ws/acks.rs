//! Promises on their way: which frames wait for their level, in order.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc};

use futures_util::FutureExt;
use slipstream_ports::{Journal as _, JournalError};
use slipstream_protocol::server::AckLevel;

use crate::{ingest::Ticket, journal::EmbeddedJournal};

/// Resolves to how many points a store will never have, among what was written together with the frame.
type Promise = Pin<Box<dyn Future<Output = Result<u64, JournalError>> + Send>>;

/// Promises that were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The highest number to acknowledge.
    pub(super) seq: Option<u64>,
    /// Points that a store will never have.
    pub(super) unstored: u64,
}

/// A promise that could not be kept.
#[derive(Debug)]
pub(super) struct Broken {
    /// What was kept before it.
    pub(super) kept: Kept,
    /// The highest number of the frame that was not.
    pub(super) seq: Option<u64>,
    /// Why.
    pub(super) error: JournalError,
}

/// Frames of one connection whose promised level is not reached yet.
#[derive(Default)]
pub(super) struct Acks {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

/// A frame whose promise is open.
struct Waiting {
    /// The highest number in it; `None` where nothing is to be acknowledged.
    seq: Option<u64>,
    /// Its size on the wire.
    bytes: usize,
    promise: Promise,
}

impl Acks {
    /// Whether as many wait as one connection may have on their way: `frames`, or `bytes` altogether.
    pub(super) fn is_full(&self, frames: usize, bytes: usize) -> bool {
        self.waiting.len() >= frames || (self.bytes >= bytes && !self.waiting.is_empty())
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A frame of `bytes` whose highest number is `seq` waits for `ticket` and then for `level`.
    pub(super) fn push(&mut self, seq: Option<u64>, bytes: usize, ticket: Ticket, level: AckLevel, journal: Arc<EmbeddedJournal>) {
        let is_empty = ticket.is_empty();
        let promise = async move {
            let position = ticket.settled().await?;
            if level != AckLevel::Stored || is_empty {
                return Ok(0);
            }
            // Duplicates were kept somewhere up to here, perhaps by a run before this one; that the stores have
            // them is another matter.
            journal.stored(position.unwrap_or_else(|| journal.position())).await?;
            Ok(position.map_or(0, |position| journal.unstored(position)))
        };
        self.bytes += bytes;
        self.waiting.push_back(Waiting { seq, bytes, promise: promise.boxed() });
    }

    /// Waits for the oldest frame, then takes all that are ready behind it. Returns what to
    /// acknowledge. Pends forever while nothing waits.
    ///
    /// Cancel safe: a promise that is not kept yet stays in its place.
    pub(super) async fn next(&mut self) -> Result<Kept, Broken> {
        let Some(oldest) = self.waiting.front_mut() else { return std::future::pending().await };
        let mut outcome = (&mut oldest.promise).await;
        let mut kept = Kept::default();
        loop {
            // Whether kept or broken, it is done: a finished promise is never polled again.
            let Some(Waiting { seq, bytes, .. }) = self.waiting.pop_front() else { return Ok(kept) };
            self.bytes -= bytes;
            match outcome {
                Ok(unstored) => kept = Kept { seq: kept.seq.max(seq), unstored: kept.unstored + unstored },
                Err(error) => return Err(Broken { kept, seq, error }),
            }
            outcome = match self.waiting.front_mut().and_then(|next| (&mut next.promise).now_or_never()) {
                Some(outcome) => outcome,
                None => return Ok(kept),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use slipstream_protocol::{PublisherId, Quality, Sample, Timestamp, VehicleId};

    use super::*;
    use crate::{
        ingest::Ledger,
        journal::{ConsumerRole, JournalConfig},
    };

    /// It used to be acknowledged as stored, and nothing said that no store has it.
    #[tokio::test]
    async fn what_a_store_refused_for_good_is_told_with_the_acknowledgement() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = EmbeddedJournal::open(JournalConfig::new(folder.path())).unwrap();
        let sink = journal.consumer("store", ConsumerRole::Sink);
        let publisher = Ledger::default().publisher(&PublisherId::new("garage").unwrap());
        let sample = |seq| Sample {
            vehicle: VehicleId::new("a").unwrap(),
            session: None,
            fleet: None,
            seq: Some(seq),
            source_time: Timestamp::default(),
            received_at: Timestamp::default(),
            quality: Quality::Good,
            signals: Vec::new(),
            raw: None,
        };
        let mut acks = Acks::default();
        for seq in 1..=3 {
            let admitted = publisher.admit(vec![sample(seq)], |batch, _| slipstream_ports::Journal::append(&*journal, batch));
            acks.push(Some(seq), 1, admitted.ok().unwrap().ticket, AckLevel::Stored, journal.clone());
        }
        let mut durable = 0;
        while durable < 3 {
            tokio::task::yield_now().await;
            durable = journal.position();
        }
        sink.note_unstored(2, 2, 5);
        sink.commit(2);
        assert_eq!(acks.next().await.unwrap(), Kept { seq: Some(2), unstored: 5 });
        sink.commit(3);
        assert_eq!(acks.next().await.unwrap(), Kept { seq: Some(3), unstored: 0 });
    }
}
