//! One pipeline at work: a consumer of the journal with its own place.
//!
//! State and place are saved together, once the stores have what came of it: after a crash the records behind that place are
//! worked through again from the state they were worked through from the first time. Results come out the same, and in the
//! time series the same point overwrites itself: nothing is counted twice.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use slipstream_actors::{
    Router,
    ports::{AlarmEntry, Clock},
};
use slipstream_engine::pipeline::{CommandError, Pipeline, RowKind};
use slipstream_protocol::{Sample, server::Event};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    alarms,
    report::{PipelineStats, RunState},
    results::Results,
    sink::Sink,
    store::{Checkpoint, Store},
};
use crate::journal::{Consumer, EmbeddedJournal, NumberedRecord};

/// Samples read at once.
const BATCH: usize = 4_096;
/// How often the state is saved while something happens.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);
/// How often the numbers are read off.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// Pause after a failed read of the journal.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// What the task is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on.
    Run,
    /// Work up to this position, save, and stop.
    Until(u64),
    /// Save where it is, and stop.
    Stop,
    /// Stop without saving.
    Drop,
}

/// A person's command to a step, and where the answer goes.
pub(super) struct Command {
    /// Of the pipeline of this name that runs along, not of this one.
    pub(super) along: Option<String>,
    pub(super) step: String,
    pub(super) asked: serde_json::Value,
    pub(super) reply: oneshot::Sender<Result<serde_json::Value, CommandError>>,
}

/// The task's parts.
pub(super) struct Runner {
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) pipeline: Pipeline,
    pub(super) results: Results,
    pub(super) journal: Arc<EmbeddedJournal>,
    pub(super) consumer: Consumer,
    /// The last record done with.
    pub(super) done: u64,
    /// The record the last checkpoint was taken at.
    pub(super) saved: u64,
    pub(super) sink: Sink<Sample>,
    pub(super) alarms: Sink<AlarmEntry>,
    /// Whether something is in the state that no record of the journal brings back.
    pub(super) unsaved: bool,
    pub(super) store: Store,
    pub(super) router: Router,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stats: Arc<Mutex<PipelineStats>>,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// Nanoseconds since the process began to measure.
pub(crate) fn stopwatch() -> u64 {
    static BEGAN: OnceLock<std::time::Instant> = OnceLock::new();
    BEGAN.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

/// Waits for a pipeline's task, and notes its panic.
async fn watched(name: &str, stats: &Mutex<PipelineStats>, task: impl Future<Output = ()>) {
    let Err(panic) = AssertUnwindSafe(task).catch_unwind().await else { return };
    let reason = crate::http::panic_text(&*panic);
    tracing::error!(pipeline = name, reason, "the pipeline's task panicked; it stands still: resume or replace it");
    let mut stats = stats.lock();
    stats.state = RunState::Failed;
    stats.failure = Some(format!("its task panicked: {reason}"));
}

impl Runner {
    /// Runs to the end. Where the task itself panics, the pipeline stands still as one that failed: what was saved last is good.
    pub(super) async fn watched(self) {
        let (name, stats) = (self.name.clone(), self.stats.clone());
        watched(&name, &stats, self.run()).await;
    }

    async fn run(mut self) {
        self.pipeline.measure_with(stopwatch);
        let idle = self.pipeline.spec().time.watermark.idle;
        let mut heard = Instant::now();
        let mut checkpoint = tokio::time::interval(CHECKPOINT_EVERY);
        let mut report = tokio::time::interval(REPORT_EVERY);
        for ticks in [&mut checkpoint, &mut report] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            let order = *self.orders.borrow_and_update();
            match order {
                Order::Drop => return,
                Order::Stop => return self.save_and_end().await,
                Order::Until(position) if self.done >= position => return self.save_and_end().await,
                Order::Run | Order::Until(_) => {}
            }
            tokio::select! {
                changed = self.orders.changed() => if changed.is_err() { return },
                Some(command) = self.commands.recv() => self.obey(command).await,
                _ = checkpoint.tick() => self.checkpoint().await,
                _ = report.tick() => self.report(),
                () = tokio::time::sleep_until(heard + idle) => {
                    heard = Instant::now();
                    let now = self.clock.now();
                    let silent = catch_unwind(AssertUnwindSafe(|| self.pipeline.silence(now)));
                    if silent.is_err() {
                        return self.fail("closing open periods after a silence");
                    }
                    self.tell().await;
                }
                read = self.consumer.next_records(BATCH) => match read {
                    Ok(Some((records, last))) => {
                        match self.work(records).await {
                            Ok(true) => heard = Instant::now(),
                            Ok(false) => {}
                            Err(what) => return self.fail(&what),
                        }
                        self.done = self.done.max(last);
                    }
                    Ok(None) => return self.save_and_end().await,
                    Err(error) => {
                        tracing::error!(pipeline = self.name, %error, "the journal cannot be read; trying again");
                        tokio::time::sleep(READ_AGAIN).await;
                    }
                },
            }
        }
    }

    /// Works records through. Whether any sample was taken; `Err` says at which sample the pipeline broke.
    async fn work(&mut self, records: Vec<NumberedRecord>) -> Result<bool, String> {
        let mut taken = false;
        let done = self.done;
        for record in records.into_iter().filter(|r| r.position > done) {
            self.stats.lock().samples_read += record.samples.len() as u64;
            for sample in &record.samples {
                taken |= self.feed(sample)?;
            }
        }
        self.tell().await;
        Ok(taken)
    }

    fn feed(&mut self, sample: &Sample) -> Result<bool, String> {
        let pipeline = &mut self.pipeline;
        catch_unwind(AssertUnwindSafe(|| pipeline.feed(sample)))
            .map_err(|_| format!("a sample of {} at {}", sample.vehicle, sample.source_time))
    }

    /// Sends what came out on its way.
    async fn tell(&mut self) {
        let now = self.clock.now();
        let (mut events, mut samples) = (Vec::new(), Vec::new());
        let mut counts = self.stats.lock().results;
        while let Some(row) = self.pipeline.next_result() {
            match row.kind {
                RowKind::Final => counts.settled += 1,
                RowKind::Early => counts.early += 1,
                RowKind::Correction => counts.corrections += 1,
            }
            events.extend(self.results.events(&row, self.pipeline.scope()));
            self.results.samples(&row, self.pipeline.scope(), self.pipeline.tags(&row), now, &mut samples);
            self.pipeline.recycle(row);
        }
        while let Some(late) = self.pipeline.next_late() {
            if late.ahead {
                counts.ahead += 1;
            } else {
                counts.late += 1;
            }
            events.extend(self.results.late(&late.row, self.pipeline.scope()));
            self.pipeline.recycle(late.row);
        }
        let mut entries = Vec::new();
        for alarm in self.pipeline.take_alarms() {
            counts.alarms += 1;
            let severity = alarm.severity;
            let entry = alarms::entry(&self.name, alarm);
            events.extend(alarms::alert(&entry, severity));
            entries.push(entry);
        }
        self.stats.lock().results = counts;
        for event in events {
            self.publish(event).await;
        }
        self.sink.send(samples).await;
        self.alarms.send(entries).await;
    }

    /// Batches the stores do not have yet.
    fn waiting(&self) -> u64 {
        self.sink.waiting() + self.alarms.waiting()
    }

    /// Waits for the stores, a little; tells whether they have everything.
    async fn flushed(&mut self) -> bool {
        self.sink.flushed(CHECKPOINT_EVERY).await && self.alarms.flushed(CHECKPOINT_EVERY).await
    }

    async fn publish(&self, event: Event) {
        // Refused only while the server drains: what is not told now is told again after the restart.
        if let Err(error) = self.router.publish(event).await {
            tracing::debug!(pipeline = self.name, %error, "a result was not told");
        }
    }

    async fn obey(&mut self, command: Command) {
        let answer = match &command.along {
            None => self.pipeline.command(&command.step, &command.asked),
            Some(name) => self.pipeline.command_along(name, &command.step, &command.asked),
        };
        self.tell().await;
        // It is in no journal: only a checkpoint keeps it. That waits for the stores, as every checkpoint.
        self.unsaved = true;
        if self.flushed().await {
            self.save().await;
        }
        // Whoever asked may have left.
        drop(command.reply.send(answer));
    }

    async fn checkpoint(&mut self) {
        if (self.unsaved || self.done > self.saved) && self.waiting() == 0 {
            self.save().await;
        }
    }

    /// Saves state and place, then lets the journal go.
    async fn save(&mut self) {
        let state = match self.pipeline.snapshot() {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(pipeline = self.name, %error, "the state cannot be written");
                return;
            }
        };
        let (store, name, generation, position) = (self.store.clone(), self.name.clone(), self.generation, self.done);
        let saved = tokio::task::spawn_blocking(move || store.save(&name, generation, &Checkpoint { position, state })).await;
        match saved {
            Ok(Ok(())) => {
                self.saved = position;
                self.unsaved = false;
                self.consumer.commit(position);
            }
            Ok(Err(error)) => tracing::error!(pipeline = self.name, %error, "the checkpoint cannot be saved; trying again"),
            Err(error) => tracing::error!(pipeline = self.name, %error, "saving the checkpoint broke off"),
        }
    }

    async fn save_and_end(mut self) {
        if self.flushed().await {
            self.save().await;
        }
        self.report();
    }

    /// The state may be broken: what was saved last is good.
    fn fail(&self, what: &str) {
        tracing::error!(pipeline = self.name, what, "the pipeline broke and stands still; resume or replace it");
        self.report();
        let mut stats = self.stats.lock();
        stats.state = RunState::Failed;
        stats.failure = Some(format!("it broke at {what}"));
    }

    fn report(&self) {
        let mut stats = self.stats.lock();
        stats.read(&self.pipeline, self.clock.now());
        stats.position = self.done;
        stats.checkpoint = self.saved;
        stats.lag_records = self.journal.position().saturating_sub(self.done);
        stats.waiting_batches = self.waiting();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pipeline_whose_task_panics_is_seen_to_have_failed() {
        let stats = Mutex::new(PipelineStats::default());
        watched("p", &stats, async { panic!("a fault of the task") }).await;
        let PipelineStats { state, failure, .. } = stats.lock().clone();
        assert_eq!(state, RunState::Failed);
        assert!(failure.as_ref().is_some_and(|why| why.contains("a fault of the task")), "{failure:?}");
        let stats = Mutex::new(PipelineStats::default());
        watched("p", &stats, async {}).await;
        assert_eq!(stats.lock().state, RunState::Running, "one that ends as it was told is none that failed");
    }
}
