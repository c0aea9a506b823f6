//! From a source to batches that are due: the source reads on its own thread, a task paces.

use slipstream_protocol::Sample;
use tokio::{sync::mpsc, time::Instant};

use super::{
    batch::Batcher,
    options::RelayOptions,
    pace::{Pace, Pacer},
    source::{Item, Remark, Skipped, Source, SourceError},
};

/// What the agent is fed.
#[derive(Debug)]
pub(super) enum Fed {
    /// Samples that are due.
    Batch(Vec<Sample>),
    /// Samples that the spool keeps, numbered there without a hole.
    Kept {
        /// The samples.
        samples: Vec<Sample>,
        /// The spool is done with everything up to here when they are acknowledged; `None` where
        /// more of the same record follows.
        position: Option<u64>,
    },
    /// Something of the source made no sample.
    Skipped(Skipped),
    /// Something to know of the source as a whole.
    Remark(Remark),
    /// The source broke off.
    Failed(SourceError),
}

/// Reads `source` and yields batches when they are due; ends with the source.
pub(super) fn start(source: Source, options: &RelayOptions) -> mpsc::Receiver<Fed> {
    let (read, items) = mpsc::channel(64);
    let (fed, receiver) = mpsc::channel(2);
    // A thread, not a blocking task: a read of standard input cannot be cancelled and must not
    // hold up the end of the program.
    std::thread::Builder::new()
        .name("relay-source".into())
        .spawn(move || read_all(source, &read))
        .map_or_else(|error| tracing::error!(%error, "no thread for the source"), drop);
    tokio::spawn(pace(
        items,
        fed,
        options.pace,
        Pacer::new(options.pace, options.max_gap),
        Batcher::new(options.batch_size, options.batch_delay),
    ));
    receiver
}

type Chunk = Vec<Result<Item, SourceError>>;

fn read_all(mut source: Source, out: &mpsc::Sender<Chunk>) {
    let chunk_len = source.chunk();
    loop {
        let mut chunk = Vec::with_capacity(chunk_len);
        while chunk.len() < chunk_len {
            let Some(item) = source.next() else { break };
            chunk.push(item);
        }
        let last = chunk.len() < chunk_len;
        if (!chunk.is_empty() && out.blocking_send(chunk).is_err()) || last {
            return;
        }
    }
}

async fn pace(mut items: mpsc::Receiver<Chunk>, out: mpsc::Sender<Fed>, pace: Pace, mut pacer: Pacer, mut batcher: Batcher) {
    let start = Instant::now();
    loop {
        let chunk = tokio::select! {
            biased;
            chunk = items.recv() => chunk,
            () = until(batcher.deadline()) => {
                if flush(&mut batcher, &out).await.is_err() { return }
                continue;
            }
        };
        let Some(chunk) = chunk else { break };
        for item in chunk {
            let sample = match item {
                Ok(Item::Sample(sample)) => sample,
                Ok(Item::Skipped(skipped)) => {
                    if out.send(Fed::Skipped(skipped)).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(Item::Remark(remark)) => {
                    if out.send(Fed::Remark(remark)).await.is_err() {
                        return;
                    }
                    continue;
                }
                Err(error) => {
                    if flush(&mut batcher, &out).await.is_ok() {
                        let _ = out.send(Fed::Failed(error)).await;
                    }
                    return;
                }
            };
            if pace != Pace::FlatOut && wait_until(start + pacer.due(sample.source_time), &mut batcher, &out).await.is_err() {
                return;
            }
            if batcher.push(sample, Instant::now()) && flush(&mut batcher, &out).await.is_err() {
                return;
            }
        }
    }
    let _ = flush(&mut batcher, &out).await;
}

/// Waits for `due`, sending the waiting batch when its time comes first.
async fn wait_until(due: Instant, batcher: &mut Batcher, out: &mpsc::Sender<Fed>) -> Result<(), Gone> {
    if due <= Instant::now() {
        return Ok(());
    }
    if let Some(deadline) = batcher.deadline().filter(|d| *d < due) {
        tokio::time::sleep_until(deadline).await;
        flush(batcher, out).await?;
    }
    tokio::select! {
        () = tokio::time::sleep_until(due) => Ok(()),
        () = out.closed() => Err(Gone),
    }
}

/// The agent takes no more.
struct Gone;

async fn flush(batcher: &mut Batcher, out: &mpsc::Sender<Fed>) -> Result<(), Gone> {
    match batcher.take() {
        Some(samples) => out.send(Fed::Batch(samples)).await.map_err(|_| Gone),
        None => Ok(()),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
