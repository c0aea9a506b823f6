//! From the source into the spool: numbers samples, chooses their lane, waits for the disk.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use slipstream_journal::EmbeddedJournal;
use slipstream_ports::Journal as _;
use slipstream_protocol::{PublisherId, Sample, SampleBatch};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Account, Lane, LaneState, LinkState};
use crate::{feed::Fed, source::Item};

/// Most samples written as one record.
const GROUP: usize = 1_024;
/// How often it is looked whether there is room again.
const ROOM_POLL: Duration = Duration::from_millis(10);
/// How long to wait before a disk that failed is tried again.
const DISK_POLL: Duration = Duration::from_millis(500);
/// How long the first samples wait for the first connection.
const FIRST_CONNECTION: Duration = Duration::from_secs(2);

/// The writing end of a lane.
struct Writer {
    publisher: PublisherId,
    journal: Arc<EmbeddedJournal>,
    state: Arc<LaneState>,
    next: u64,
}

impl Writer {
    fn new(lane: &Lane) -> Self {
        Self { publisher: lane.publisher.clone(), journal: lane.journal.clone(), state: lane.state.clone(), next: lane.next }
    }
}

/// Takes in what the source yields.
pub(crate) struct Intake {
    live: Writer,
    backlog: Writer,
    account: Arc<Account>,
    /// Most live samples without an acknowledgement; `None` where the source has all the time and
    /// its order matters more: all of it goes through the backlog then.
    window: Option<u64>,
    /// Live data ran over: it has to have become much less before samples go there again.
    spilling: bool,
    told_full: bool,
}

impl Intake {
    /// An intake for both lanes.
    pub(crate) fn new(live: &Lane, backlog: &Lane, account: Arc<Account>, window: Option<u64>) -> Self {
        let (live, backlog) = (Writer::new(live), Writer::new(backlog));
        Self { live, backlog, account, window, spilling: false, told_full: false }
    }

    /// Takes in everything until the source ends or `stop`; what had been read by then is kept, too.
    /// Yields why the source broke off or could not be kept.
    pub(crate) async fn run(
        mut self,
        mut feed: mpsc::Receiver<Fed>,
        stop: &CancellationToken,
        mut tell: impl FnMut(&Item) + Send,
    ) -> Option<String> {
        if self.window.is_some() {
            let mut link = self.live.state.link.subscribe();
            let known = link.wait_for(|state| *state != LinkState::Connecting);
            // Whether it is known by then or not: samples are kept from now on.
            let _ = tokio::time::timeout(FIRST_CONNECTION, known).await;
        }
        let mut stopped = false;
        loop {
            let fed = tokio::select! {
                fed = feed.recv() => fed,
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    feed.close();
                    continue;
                }
            };
            let mut fed = Some(fed?);
            let mut samples = Vec::new();
            let mut failed = None;
            while let Some(item) = fed {
                match item {
                    Fed::Batch(more) | Fed::Kept { samples: more, .. } => samples.extend(more),
                    Fed::Skipped(skipped) => tell(&Item::Skipped(skipped)),
                    Fed::Remark(remark) => tell(&Item::Remark(remark)),
                    Fed::Failed(error) => failed = Some(error.to_string()),
                }
                fed = if samples.len() < GROUP { feed.try_recv().ok() } else { None };
            }
            if !samples.is_empty()
                && let Err(error) = self.keep(samples, stop).await
            {
                return Some(error);
            }
            if failed.is_some() {
                return failed;
            }
        }
    }

    /// Keeps samples in the lane that can have them, as soon as one can.
    async fn keep(&mut self, samples: Vec<Sample>, stop: &CancellationToken) -> Result<(), String> {
        let count = samples.len() as u64;
        loop {
            if self.live_is_open(count) {
                append(&mut self.live, samples, stop).await?;
                break;
            }
            // What is there when it ends is kept, whatever the bound says.
            if self.has_room() || stop.is_cancelled() {
                append(&mut self.backlog, samples, stop).await?;
                self.account.spooled(count);
                break;
            }
            self.full();
            tokio::select! {
                () = tokio::time::sleep(ROOM_POLL) => {}
                () = stop.cancelled() => {}
            }
        }
        self.account.full.store(false, Relaxed);
        Ok(())
    }

    fn live_is_open(&mut self, count: u64) -> bool {
        let Some(window) = self.window else { return false };
        if *self.live.state.link.borrow() != LinkState::Up {
            return false;
        }
        let outstanding = self.live.state.outstanding();
        let most = if self.spilling { window / 2 } else { window };
        self.spilling = outstanding > 0 && outstanding + count > most;
        !self.spilling
    }

    fn has_room(&self) -> bool {
        let bytes = self.live.journal.segment_bytes() + self.backlog.journal.segment_bytes();
        // A single segment gives nothing back before the next one is begun.
        bytes < self.account.options.max_bytes || self.backlog.journal.oldest_sealed().is_none()
    }

    fn full(&mut self) {
        if self.account.options.drop_oldest {
            self.account.make_room.notify_one();
            return;
        }
        self.account.full.store(true, Relaxed);
        if !std::mem::replace(&mut self.told_full, true) {
            let options = &self.account.options;
            tracing::error!(
                dir = %options.dir.display(),
                bytes = options.max_bytes,
                "the spool is full and the source waits: a live source that cannot wait loses samples now; give more with --spool-max, \
                 or let the oldest go with --spool-drop-oldest"
            );
        }
    }
}

/// Numbers samples and writes them; returns when they are synced.
async fn append(lane: &mut Writer, mut samples: Vec<Sample>, stop: &CancellationToken) -> Result<(), String> {
    let mut next = lane.next;
    for sample in &mut samples {
        sample.seq = Some(next);
        next += 1;
    }
    let batch = SampleBatch { publisher: Some(lane.publisher.clone()), samples };
    let mut told = false;
    // One at a time: a later record must not be kept where an earlier one was not.
    while let Err(error) = lane.journal.append(&batch).await {
        if stop.is_cancelled() || !error.is_retryable() {
            return Err(format!("the spool cannot be written: {error}"));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::error!(%error, "the spool cannot be written; the source waits and it is tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(DISK_POLL) => {}
            () = stop.cancelled() => {}
        }
    }
    lane.next = next;
    lane.state.written(next - 1);
    Ok(())
}
