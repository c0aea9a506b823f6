//! From a lane's log to its agent; and the oldest out of it where there is no room.

use std::{sync::Arc, time::Duration};

use slipstream_journal::{ConsumedBatch, Consumer, EmbeddedJournal};
use slipstream_ports::JournalError;
use slipstream_protocol::Sample;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Account, Lane, LaneState, lane::pass};
use crate::feed::Fed;

/// Frames read ahead of the agent.
const AHEAD: usize = 2;
/// How long to wait before a disk that failed is tried again.
const DISK_POLL: Duration = Duration::from_millis(500);
/// Most samples read at once when they are dropped.
const DROP_READ: usize = 4_096;

/// Reads a lane's log in order.
pub(crate) struct Reader {
    consumer: Consumer,
    journal: Arc<EmbeddedJournal>,
    state: Arc<LaneState>,
    account: Option<Arc<Account>>,
    out: mpsc::Sender<Fed>,
    ended: CancellationToken,
    batch: usize,
    /// Position of the last record read.
    position: u64,
    /// Number of the last sample passed on or dropped.
    last: u64,
    /// Samples read to be sent.
    read: u64,
    /// Seconds per sample, where the rate is bounded.
    pace: f64,
    due: Instant,
}

impl Reader {
    /// Starts reading `lane` in frames of at most `batch` samples; what it yields ends when `ended` is
    /// told and everything was read.
    pub(crate) fn start(lane: Lane, batch: usize, ended: CancellationToken) -> mpsc::Receiver<Fed> {
        let (out, feed) = mpsc::channel(AHEAD);
        let rate = lane.account.as_ref().and_then(|a| a.options.drain_rate);
        // A frame leaves at once: where the rate is bounded, one holds a tenth of a second.
        let batch = rate.map_or(batch, |rate| batch.min((rate / 10.0).ceil() as usize));
        let reader = Self {
            position: lane.consumer.position(),
            consumer: lane.consumer,
            journal: lane.journal,
            state: lane.state,
            pace: rate.map_or(0.0, |rate| 1.0 / rate),
            account: lane.account,
            out,
            ended,
            batch: batch.max(1),
            last: lane.oldest - 1,
            read: 0,
            due: Instant::now(),
        };
        tokio::spawn(reader.run());
        feed
    }

    async fn run(mut self) {
        let mut ending = false;
        while !(self.ended.is_cancelled() && self.position >= self.journal.position()) {
            let account = self.account.clone();
            let batch = tokio::select! {
                biased;
                () = self.out.closed() => return,
                () = asked_for_room(account.as_deref()) => {
                    self.drop_oldest().await;
                    continue;
                }
                batch = self.consumer.next(self.batch) => batch,
                () = self.ended.cancelled(), if !ending => {
                    ending = true;
                    continue;
                }
            };
            let Some(samples) = self.take(batch).await else { return };
            if self.pass_on(samples).await.is_err() {
                return;
            }
        }
    }

    /// The samples of a batch that are still wanted; `None` where the log is closed.
    async fn take(&mut self, batch: Result<Option<ConsumedBatch>, JournalError>) -> Option<Vec<Sample>> {
        match batch {
            Ok(Some(mut batch)) => {
                self.position = batch.last;
                // Dropped by an earlier run that could not save its place.
                batch.samples.retain(|s| s.seq.is_some_and(|seq| seq > self.last));
                self.last = batch.samples.last().and_then(|s| s.seq).unwrap_or(self.last);
                Some(batch.samples)
            }
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, "the spool cannot be read; it is tried again");
                tokio::time::sleep(DISK_POLL).await;
                Some(Vec::new())
            }
        }
    }

    /// Hands samples to the agent, in frames.
    async fn pass_on(&mut self, mut samples: Vec<Sample>) -> Result<(), Gone> {
        self.read += samples.len() as u64;
        let position = self.position;
        while !samples.is_empty() {
            // Numbers of a frame have no hole; one is where damage took a record.
            let whole = samples.windows(2).position(|two| two[0].seq.map(|s| s + 1) != two[1].seq).map_or(samples.len(), |at| at + 1);
            let rest = samples.split_off(whole.min(self.batch));
            let count = samples.len() as f64;
            let last = rest.is_empty();
            let frame = Fed::Kept { samples: std::mem::replace(&mut samples, rest), position: last.then_some(position) };
            self.wait_for_its_turn(count).await?;
            self.out.try_send(frame).map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Waits until the agent takes a frame of `count` samples; the oldest may have to go meanwhile.
    async fn wait_for_its_turn(&mut self, count: f64) -> Result<(), Gone> {
        let out = self.out.clone();
        loop {
            let (due, account) = (self.due, self.account.clone());
            let turn = async {
                tokio::time::sleep_until(due).await;
                // Nobody else sends here: the room stays.
                out.reserve().await.map(drop).map_err(|_| Gone)
            };
            tokio::select! {
                turn = turn => {
                    turn?;
                    break;
                }
                () = out.closed() => return Err(Gone),
                () = asked_for_room(account.as_deref()) => self.drop_oldest().await,
            }
        }
        self.due = self.due.max(Instant::now() - Duration::from_millis(100)) + Duration::from_secs_f64(count * self.pace);
        Ok(())
    }

    /// Drops what is left of the oldest segment, so that its space comes back. What was read from it
    /// and is under way stays in memory alone.
    async fn drop_oldest(&mut self) {
        let (Some(account), Some(sealed)) = (self.account.clone(), self.journal.oldest_sealed()) else { return };
        let mut dropped = 0;
        let back = (self.position, self.last);
        while self.position < sealed {
            let batch = self.consumer.next(DROP_READ).await;
            let Some(samples) = self.take(batch).await else { return };
            dropped += samples.len() as u64;
        }
        match account.drop_samples(dropped, self.last, self.read, self.state.done()) {
            Ok(()) => {
                pass(&self.journal, self.position);
                tracing::warn!(dropped, "the spool is full: the oldest samples are dropped");
            }
            Err(error) => {
                tracing::error!(%error, "the spool is full, and what is to be dropped cannot be written down");
                self.consumer.rewind(back.0);
                (self.position, self.last) = back;
                tokio::time::sleep(DISK_POLL).await;
            }
        }
    }
}

async fn asked_for_room(account: Option<&Account>) {
    match account {
        Some(account) => account.make_room.notified().await,
        None => std::future::pending().await,
    }
}

/// The agent takes no more.
struct Gone;
