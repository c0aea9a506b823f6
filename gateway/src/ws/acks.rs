//! Promises on their way: which frames wait for their level, in order.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc};

use futures_util::FutureExt;
use slipstream_actors::ports::{Journal as _, JournalError};
use slipstream_protocol::server::AckLevel;

use crate::{ingest::Ticket, journal::EmbeddedJournal};

type Promise = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send>>;

/// A promise that could not be kept.
#[derive(Debug)]
pub(super) struct Broken {
    /// What was kept before it.
    pub(super) kept: Option<u64>,
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
                return Ok(());
            }
            // Duplicates were kept somewhere up to here, perhaps by a run before this one; that the stores have
            // them is another matter.
            journal.stored(position.unwrap_or_else(|| journal.position())).await
        };
        self.bytes += bytes;
        self.waiting.push_back(Waiting { seq, bytes, promise: promise.boxed() });
    }

    /// Waits for the oldest frame, then takes all that are ready behind it. Returns the highest
    /// number to acknowledge. Pends forever while nothing waits.
    ///
    /// Cancel safe: a promise that is not kept yet stays in its place.
    pub(super) async fn next(&mut self) -> Result<Option<u64>, Broken> {
        let Some(oldest) = self.waiting.front_mut() else { return std::future::pending().await };
        let mut outcome = (&mut oldest.promise).await;
        let mut highest = None;
        loop {
            // Whether kept or broken, it is done: a finished promise is never polled again.
            let Some(Waiting { seq, bytes, .. }) = self.waiting.pop_front() else { return Ok(highest) };
            self.bytes -= bytes;
            if let Err(error) = outcome {
                return Err(Broken { kept: highest, seq, error });
            }
            highest = highest.max(seq);
            outcome = match self.waiting.front_mut().and_then(|next| (&mut next.promise).now_or_never()) {
                Some(outcome) => outcome,
                None => return Ok(highest),
            };
        }
    }
}
