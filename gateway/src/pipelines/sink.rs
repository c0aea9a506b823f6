//! Results into a store, beside the pipeline's own work: a store that is away holds up the checkpoint, and only when
//! much has piled up the pipeline.

use std::{sync::Arc, time::Duration};

use slipstream_ports::SeriesStore;
use slipstream_protocol::Sample;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Batches that may wait for the stores.
const WAITING: usize = 256;
/// First and longest wait before a repetition.
pub(super) const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Writes batches in order, each again and again until it is stored.
pub(crate) struct Sink<T> {
    sender: mpsc::Sender<Vec<T>>,
    sent: u64,
    written: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Sink<Sample> {
    /// Into every time-series store.
    pub(crate) fn series(stores: Vec<Arc<dyn SeriesStore>>, pipeline: &str) -> Self {
        let pipeline: Arc<str> = pipeline.into();
        Self::start(move |batch| {
            let (stores, pipeline) = (stores.clone(), pipeline.clone());
            async move {
                for store in &stores {
                    write(&**store, &batch, &pipeline).await;
                }
            }
        })
    }
}

impl<T: Send + Sync + 'static> Sink<T> {
    /// `write` returns when its batch is stored, or refused for good.
    pub(crate) fn start<F: Future<Output = ()> + Send>(write: impl Fn(Vec<T>) -> F + Send + Sync + 'static) -> Self {
        let (sender, mut batches) = mpsc::channel::<Vec<T>>(WAITING);
        let (tell, written) = watch::channel(0);
        let task = tokio::spawn(async move {
            while let Some(batch) = batches.recv().await {
                write(batch).await;
                tell.send_modify(|count| *count += 1);
            }
        });
        Self { sender, sent: 0, written, task }
    }

    /// Hands a batch over; waits where too many wait already.
    pub(crate) async fn send(&mut self, batch: Vec<T>) {
        if !batch.is_empty() && self.sender.send(batch).await.is_ok() {
            self.sent += 1;
        }
    }

    /// Batches that are not stored yet.
    pub(crate) fn waiting(&self) -> u64 {
        self.sent - *self.written.borrow()
    }

    /// Waits until everything is stored, at most so long; tells whether it is.
    pub(crate) async fn flushed(&mut self, most: Duration) -> bool {
        let sent = self.sent;
        tokio::time::timeout(most, self.written.wait_for(|written| *written >= sent)).await.is_ok_and(|w| w.is_ok())
    }
}

impl<T> Drop for Sink<T> {
    fn drop(&mut self) {
        // What is not written comes again from the journal.
        self.task.abort();
    }
}

async fn write(store: &dyn SeriesStore, batch: &[Sample], pipeline: &str) {
    let mut wait = RETRY.0;
    loop {
        match store.write(batch).await {
            Ok(report) => {
                if report.rejected > 0 {
                    tracing::warn!(store = store.name(), pipeline, rejected = report.rejected, first = ?report.rejections.first(), "results were refused for good");
                }
                return;
            }
            Err(error) => {
                tracing::warn!(store = store.name(), pipeline, %error, "the store does not take results; they wait");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
            }
        }
    }
}
