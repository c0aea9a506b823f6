//! Feeds a time-series store from the journal.
//!
//! One task per store, a consumer of the journal with its own place: a store that is away, slow or
//! refusing holds up neither ingest nor the live channels nor another store. Samples leave in order;
//! what the store refuses for good goes to a dead-letter file and is not sent again.

mod backoff;
mod dead_letter;
mod stats;

use std::{path::PathBuf, sync::Arc, time::Duration};

use slipstream_ports::{Clock, JournalError, SeriesError, SeriesStore, WriteReport};
use slipstream_protocol::{Sample, SignalValue, Timestamp};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

pub use stats::{SeriesWriterStats, WriterState};

use crate::journal::{ConsumedBatch, Consumer, ConsumerRole, EmbeddedJournal};
use backoff::Backoff;
use dead_letter::DeadLetters;
use stats::Counters;

/// How a store is fed.
#[derive(Clone, Debug)]
pub struct SeriesWriterConfig {
    /// Points (signals) sent in one write, about; where not given, as many as the store likes best.
    pub batch_points: Option<usize>,
    /// Longest wait for a batch to fill.
    pub batch_delay: Duration,
    /// Wait before the first repetition; doubled each time.
    pub retry_first: Duration,
    /// Longest wait between repetitions.
    pub retry_most: Duration,
    /// Longest wait between repetitions while the store refuses until someone acts (wrong credentials, no such bucket).
    pub refused_retry: Duration,
    /// Folder of the dead-letter files, `DATA_DIR/dead-letters`.
    pub dead_letter_dir: PathBuf,
    /// A dead-letter file is rotated at this size; one older file is kept.
    pub dead_letter_bytes: u64,
}

impl SeriesWriterConfig {
    /// The defaults, with dead letters in `dead_letter_dir`.
    pub fn new(dead_letter_dir: impl Into<PathBuf>) -> Self {
        Self {
            batch_points: None,
            batch_delay: Duration::from_millis(200),
            retry_first: Duration::from_millis(100),
            retry_most: Duration::from_secs(30),
            refused_retry: Duration::from_secs(30),
            dead_letter_dir: dead_letter_dir.into(),
            dead_letter_bytes: 16 << 20,
        }
    }
}

/// How often the log repeats that a store does not take samples.
const TELL_AGAIN: Duration = Duration::from_secs(300);

/// How often it looks for more while a batch fills.
const LOOKS: u32 = 4;

/// What the task is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Go on for ever.
    Run,
    /// Write up to this position, then stop.
    Until(u64),
    /// Stop at the next chance.
    Stop,
}

/// A running writer. Dropping it stops the task; what is not written yet stays in the journal.
pub struct SeriesWriter {
    journal: Arc<EmbeddedJournal>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    orders: watch::Sender<Order>,
    task: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

impl SeriesWriter {
    /// Starts feeding `store`, from where it was left by the last run. To be called within a tokio runtime.
    pub fn start(store: Arc<dyn SeriesStore>, journal: &Arc<EmbeddedJournal>, clock: Arc<dyn Clock>, config: SeriesWriterConfig) -> Self {
        let counters = Arc::new(Counters::new(store.name()));
        let (orders, received) = watch::channel(Order::Run);
        let consumer = journal.consumer(store.name(), ConsumerRole::Sink);
        counters.reached(consumer.position());
        let feed = Feed {
            consumer,
            dead_letters: DeadLetters::new(&config.dead_letter_dir, store.name(), config.dead_letter_bytes),
            store,
            clock: clock.clone(),
            config,
            counters: counters.clone(),
            orders: received,
        };
        let task = parking_lot::Mutex::new(Some(tokio::spawn(feed.run())));
        Self { journal: journal.clone(), clock, counters, orders, task }
    }

    /// What it is doing.
    pub fn stats(&self) -> SeriesWriterStats {
        let (lag, given_up) = self.journal.stats().consumers.get(self.counters.store()).map_or((0, 0), |c| (c.lag, c.given_up));
        SeriesWriterStats { given_up_records: given_up, ..self.counters.read(lag, self.clock.now()) }
    }

    /// Writes what is in the journal now, then stops; at most until `deadline` has passed. True where
    /// everything was written. What was not stays in the journal for the next start.
    pub async fn flush(&self, deadline: Duration) -> bool {
        let position = self.journal.position();
        self.orders.send_replace(Order::Until(position));
        let Some(mut task) = self.task.lock().take() else { return self.stats().position >= position };
        if tokio::time::timeout(deadline, &mut task).await.is_err() {
            self.orders.send_replace(Order::Stop);
            // A store that hangs must not hold up the drain: the write is abandoned and repeated next time.
            if tokio::time::timeout(Duration::from_millis(100), &mut task).await.is_err() {
                task.abort();
            }
        }
        self.stats().position >= position
    }
}

impl Drop for SeriesWriter {
    fn drop(&mut self) {
        self.orders.send_replace(Order::Stop);
    }
}

struct Feed {
    consumer: Consumer,
    store: Arc<dyn SeriesStore>,
    clock: Arc<dyn Clock>,
    config: SeriesWriterConfig,
    dead_letters: DeadLetters,
    counters: Arc<Counters>,
    orders: watch::Receiver<Order>,
}

impl Feed {
    async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            if !batch.samples.is_empty() && !self.deliver(&batch).await {
                return;
            }
            self.consumer.commit(batch.last);
            self.counters.reached(batch.last);
        }
    }

    /// The next batch, filled to the configured size or delay. `None` when it is time to stop.
    async fn gather(&mut self) -> Option<ConsumedBatch> {
        let mut batch: Option<ConsumedBatch> = None;
        let most_points = self.config.batch_points.unwrap_or_else(|| self.store.batch_points());
        let mut points = 0;
        let mut deadline = None;
        // Nothing waits to be read: not to be woken for every record, it looks now and then.
        let mut caught_up = false;
        loop {
            let order = *self.orders.borrow_and_update();
            let reached = batch.as_ref().map_or(self.counters.position(), |b| b.last);
            match order {
                Order::Stop => return None,
                // Nothing new will come that must still be written.
                Order::Until(position) if reached >= position => return batch,
                Order::Run | Order::Until(_) if points >= most_points => return batch,
                Order::Run | Order::Until(_) => {}
            }
            let wait = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
            let most = samples_for(most_points - points, batch.as_ref());
            let pause = if caught_up && order == Order::Run { self.config.batch_delay / LOOKS } else { Duration::ZERO };
            tokio::select! {
                next = next_after(pause, &mut self.consumer, most) => match next {
                    Ok(Some(more)) => {
                        caught_up = more.samples.len() < most;
                        points += more.samples.iter().map(weight).sum::<usize>();
                        deadline.get_or_insert_with(|| Instant::now() + self.config.batch_delay);
                        batch = Some(join(batch, more));
                    }
                    // The journal is closed and read to its end.
                    Ok(None) => return batch,
                    Err(error) => {
                        self.counters.failed(error.to_string(), WriterState::Retrying);
                        if batch.is_some() {
                            return batch;
                        }
                        tokio::time::sleep(self.config.retry_first).await;
                    }
                },
                () = tokio::time::sleep_until(wait) => if batch.is_some() { return batch },
                changed = self.orders.changed() => if changed.is_err() { return None },
            }
        }
    }

    /// Writes the batch, again and again until the store has it. False when it is time to stop.
    async fn deliver(&mut self, batch: &ConsumedBatch) -> bool {
        let mut backoff = Backoff::new(self.config.retry_first, self.config.retry_most);
        let mut refused = Backoff::new(self.config.retry_first, self.config.refused_retry);
        let mut told = None;
        let oldest = batch.samples.iter().map(|s| s.received_at).min().unwrap_or_default();
        self.counters.waiting_since(Some(oldest));
        loop {
            let started = Instant::now();
            let error = match self.store.write(&batch.samples).await {
                Ok(report) => {
                    self.settle(&report, batch);
                    self.counters.wrote(&report, started.elapsed(), lag(&batch.samples, self.clock.now()));
                    return true;
                }
                Err(error) => error,
            };
            let (state, wait) = if error.is_retryable() {
                let asked = error.retry_after().unwrap_or_default();
                (WriterState::Retrying, backoff.next(&mut rand::rng()).max(asked))
            } else {
                (WriterState::Refused, refused.next(&mut rand::rng()))
            };
            if self.counters.failed(error.to_string(), state) || told.is_none_or(|at: Instant| at.elapsed() >= TELL_AGAIN) {
                told = Some(Instant::now());
                self.tell(&error);
            }
            if !self.pause(wait).await {
                return false;
            }
        }
    }

    fn tell(&self, error: &SeriesError) {
        let store = self.store.name();
        if error.is_retryable() {
            tracing::warn!(store, %error, "the time-series store does not take samples; they wait in the journal");
        } else {
            tracing::error!(store, %error, "the time-series store refuses until someone acts; samples wait in the journal");
        }
    }

    /// Waits, unless told to stop. A flush is a good reason to try at once.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            changed = self.orders.changed() => if changed.is_err() { return false },
        }
        *self.orders.borrow_and_update() != Order::Stop
    }

    fn settle(&mut self, report: &WriteReport, batch: &ConsumedBatch) {
        if report.rejected == 0 && report.rejections.is_empty() {
            return;
        }
        self.consumer.note_unstored(batch.first, batch.last, report.rejected);
        tracing::warn!(store = self.store.name(), rejected = report.rejected, "the time-series store refused points for good");
        match self.dead_letters.keep(report, batch.first, batch.last, self.clock.now()) {
            Ok(0) => {}
            Ok(removed) => {
                self.counters.dead_letters_removed(removed);
                tracing::warn!(store = self.store.name(), removed, "the oldest dead letters are removed to make room");
            }
            Err(error) => {
                self.counters.dead_letter_failed();
                tracing::error!(store = self.store.name(), %error, ?report, "the dead-letter file cannot be written");
            }
        }
    }
}

/// The next records, read after a pause. May be cancelled, as [`Consumer::next`].
async fn next_after(pause: Duration, consumer: &mut Consumer, most: usize) -> Result<Option<ConsumedBatch>, JournalError> {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    consumer.next(most).await
}

/// Bytes of text that count as much as a point.
const TEXT_PER_POINT: usize = 16;

/// What a sample is thought to count as before any is read, and how many are read then.
const FIRST_WEIGHT: usize = 16;
const FIRST_SAMPLES: usize = 512;

/// How many points a sample counts as: one per signal, more where its texts are long. What waits to be written
/// is thus bounded in bytes, too.
fn weight(sample: &Sample) -> usize {
    let texts: usize = match &sample.raw {
        Some(raw) => raw.len(),
        None => sample.signals.iter().map(|signal| if let SignalValue::Text(text) = &signal.value { text.len() } else { 0 }).sum(),
    };
    sample.signals.len().max(texts / TEXT_PER_POINT)
}

/// How many samples make `points` points, going by those read so far.
fn samples_for(points: usize, so_far: Option<&ConsumedBatch>) -> usize {
    let Some(batch) = so_far.filter(|b| !b.samples.is_empty()) else {
        return points.div_ceil(FIRST_WEIGHT).clamp(1, FIRST_SAMPLES);
    };
    let per_sample = batch.samples.iter().map(weight).sum::<usize>().div_ceil(batch.samples.len()).max(1);
    points.div_ceil(per_sample)
}

fn join(batch: Option<ConsumedBatch>, more: ConsumedBatch) -> ConsumedBatch {
    match batch {
        None => more,
        Some(mut batch) => {
            batch.samples.extend(more.samples);
            batch.last = more.last;
            batch
        }
    }
}

/// How long the oldest sample waited.
fn lag(samples: &[Sample], now: Timestamp) -> Duration {
    samples.iter().map(|s| now.since(s.received_at)).max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
