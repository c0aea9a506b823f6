//! Starting a pipeline's task: from its checkpoint, from the one it reads, or from where the journal reaches.

use std::collections::BTreeMap;

use slipstream_engine::pipeline::{Pipeline, PipelineSpec, Surroundings};
use tokio::sync::{mpsc, watch};

use super::{
    Entry, Missed, PipelineStats, Pipelines, RunState, Running, alarms, consumer_name, read_by,
    results::Results,
    runner::{Order, Runner},
    sink::Sink,
    store::Checkpoint,
    surroundings, tables,
};
use crate::journal::ConsumerRole;

/// A pipeline and the record it is to go on behind.
struct Begin {
    pipeline: Result<Pipeline, String>,
    done: u64,
    /// Whether this place is to be found again after a kill right now.
    new: bool,
}

impl Pipelines {
    /// Makes an entry's numbers known, and starts its task unless it is paused.
    pub(super) async fn enter(&self, entries: &mut BTreeMap<String, Entry>, name: &str) {
        let around = surroundings(entries, &self.tables, self.parts.clock_skew);
        let Some(entry) = entries.get_mut(name) else { return };
        // One that was removed stays known: its results are still stored.
        if let Some(series) = PipelineSpec::read(&entry.record.document).ok().and_then(|spec| spec.outputs.series) {
            self.prefixes.lock().insert(name.to_owned(), format!("{}.", series.prefix));
        }
        self.stats.lock().insert(name.to_owned(), entry.stats.clone());
        entry.stats.lock().missed.clone_from(&entry.record.missed);
        if entry.record.paused {
            entry.stats.lock().state = RunState::Paused;
        } else {
            self.launch(name, entry, &around).await;
        }
    }

    async fn launch(&self, name: &str, entry: &mut Entry, around: &Surroundings) {
        let checkpoint = self.store.load(name, entry.record.generation);
        let mut begin = self.begin(name, entry, around, checkpoint);
        if let Ok(pipeline) = &begin.pipeline {
            self.tables.want(&tables::named_in(pipeline.spec())).await;
        }
        if begin.new {
            let state = begin.pipeline.as_ref().ok().and_then(|p| p.snapshot().ok());
            let saved = state.map(|state| self.store.save(name, entry.record.generation, &Checkpoint { position: begin.done, state }));
            if let Some(Err(error)) = saved {
                tracing::error!(pipeline = name, %error, "the first checkpoint cannot be saved");
            }
        }
        self.parts.journal.consumer(&consumer_name(name), ConsumerRole::Reader).commit(begin.done);
        // Made anew, it begins at its place.
        let consumer = self.parts.journal.consumer(&consumer_name(name), ConsumerRole::Reader);
        let pipeline = std::mem::replace(&mut begin.pipeline, Err(String::new()));
        let ready = pipeline.and_then(|p| Ok((Results::new(p.spec()).ok_or("its name is no id")?, p)));
        let (results, pipeline) = match ready {
            Ok(ready) => ready,
            Err(failure) => {
                tracing::error!(pipeline = name, failure, "the pipeline cannot run");
                *entry.stats.lock() = PipelineStats { state: RunState::Failed, failure: Some(failure), ..PipelineStats::default() };
                return;
            }
        };
        *entry.stats.lock() = PipelineStats { missed: entry.record.missed.clone(), ..PipelineStats::default() };
        let (orders, received) = watch::channel(Order::Run);
        let (commands, asked) = mpsc::channel(16);
        let runner = Runner {
            name: name.to_owned(),
            generation: entry.record.generation,
            pipeline,
            results,
            journal: self.parts.journal.clone(),
            consumer,
            done: begin.done,
            saved: begin.done,
            sink: Sink::series(self.parts.stores.clone(), name),
            alarms: alarms::sink(self.parts.records.clone(), self.parts.clock.clone()),
            unsaved: false,
            store: self.store.clone(),
            router: self.parts.router.clone(),
            clock: self.parts.clock.clone(),
            stats: entry.stats.clone(),
            orders: received,
            commands: asked,
        };
        entry.running = Some(Running { orders, commands, task: tokio::spawn(runner.watched()) });
    }

    /// From the last checkpoint; where the journal does not reach back to it, anew from where it does; where there is none, from now.
    fn begin(&self, name: &str, entry: &mut Entry, around: &Surroundings, checkpoint: Option<Checkpoint>) -> Begin {
        let document = &entry.record.document;
        let build = || Pipeline::build_with(document, around).map_err(|e| e.to_string());
        let Some(checkpoint) = checkpoint else { return self.begin_new(name, build(), around) };
        let oldest = self.parts.journal.stats().oldest;
        if checkpoint.position + 1 < oldest {
            let missed = Missed { records: oldest - 1 - checkpoint.position, after: checkpoint.position, told_at: self.parts.clock.now() };
            tracing::error!(
                pipeline = name,
                records = missed.records,
                "the journal was not kept for the pipeline while it stood still; it begins anew from the oldest record there is"
            );
            let pipeline = build();
            entry.record.missed = Some(missed);
            if let Err(error) = self.store.keep(name, &entry.record) {
                tracing::error!(pipeline = name, %error, "what it missed cannot be written down");
            }
            return Begin { pipeline, done: oldest - 1, new: true };
        }
        match Pipeline::restore_with(document, around, &checkpoint.state) {
            Ok(pipeline) => Begin { pipeline: Ok(pipeline), done: checkpoint.position, new: false },
            Err(error) => {
                tracing::error!(pipeline = name, %error, "the saved state does not fit; beginning anew");
                self.begin_new(name, build(), around)
            }
        }
    }

    /// What was there before it was declared is not its own. One that reads another goes on from that one's checkpoint.
    fn begin_new(&self, name: &str, pipeline: Result<Pipeline, String>, around: &Surroundings) -> Begin {
        let mut done = self.parts.journal.position();
        let pipeline = pipeline.map(|mut pipeline| {
            let read: Vec<String> = read_by(pipeline.spec().document()).into_iter().collect();
            if let [other] = &read[..]
                && let Some(checkpoint) = self.store.newest(other)
                && checkpoint.position + 1 >= self.parts.journal.stats().oldest
            {
                match pipeline.seed(other, around, &checkpoint.state) {
                    Ok(true) => done = checkpoint.position,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(pipeline = name, of = other, %error, "its state cannot be taken over; beginning anew"),
                }
            }
            pipeline
        });
        Begin { pipeline, done, new: true }
    }
}

impl Entry {
    /// How it stands still, if it does.
    pub(super) fn stands_still(&self) -> bool {
        self.record.paused || self.stats.lock().state == RunState::Failed
    }
}
