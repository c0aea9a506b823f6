//! The running pipeline: source, steps in order, and what they lead to.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use slipstream_protocol::{Sample, Timestamp};

use super::{
    clocks::{ClockAhead, ClocksAhead},
    operator::{CommandError, Output, Scope, StepAlarm},
    row::Row,
    source::Source,
    spec::{KeyBy, PipelineSpec},
    surroundings::Surroundings,
    tags::{TagBook, Tags},
    upstream::Upstream,
    watermark::Watermarks,
};

mod build;
#[cfg(test)]
mod chained;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod documentation;
mod saved;
mod stage;
#[cfg(test)]
mod tests;

pub use saved::RestoreError;
use stage::Stage;
pub use stage::{StepStats, Stopwatch};

/// Each so many watermarks tags that nothing can ask for any more are forgotten.
const FORGET_EVERY: u64 = 1_024;

/// A row that came too late, and the step it came too late for; or one whose clock was ahead, which no step sees.
#[derive(Clone, Debug, PartialEq)]
pub struct LateRow {
    /// The step's name; `source` where the clock was ahead.
    pub step: Arc<str>,
    /// Whether its source's clock was ahead of the server's.
    pub ahead: bool,
    /// The row.
    pub row: Row,
}

/// A running pipeline. Feed it samples; take out results and late rows.
pub struct Pipeline {
    spec: Arc<PipelineSpec>,
    source: Source,
    watermarks: Watermarks,
    /// Sources whose clocks are ahead.
    clocks: ClocksAhead,
    /// Pipelines whose results are rows here, in the order sources name them.
    upstreams: Vec<Upstream>,
    stages: Vec<Stage>,
    out: Output,
    /// How far event time has come for the first step.
    advanced: Timestamp,
    /// How far it has come behind the last step: what steps hold back is not in it.
    reached: Timestamp,
    /// Which session and fleet keys belong to, where results are stored.
    tags: Option<TagBook>,
    /// Watermarks heard; now and then the book of tags forgets.
    advances: u64,
    /// Rows on their way into the next step.
    moving: Vec<Row>,
    results: VecDeque<Row>,
    late: VecDeque<LateRow>,
    rows_in: u64,
    stopwatch: Option<Stopwatch>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("name", &self.spec.name).field("steps", &self.stages.len()).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// What it was made from.
    pub const fn spec(&self) -> &Arc<PipelineSpec> {
        &self.spec
    }

    /// Names of keys and signals, and the watermark.
    pub const fn scope(&self) -> &Scope {
        &self.out.scope
    }

    /// Measures how long steps take from now on, with a clock from outside. Results do not depend on it.
    pub fn measure_with(&mut self, stopwatch: Stopwatch) {
        self.stopwatch = Some(stopwatch);
    }

    /// Takes a sample in, if the source (or a step's second source, or a pipeline that runs along) wants it. Whether it did.
    ///
    /// A sample whose clock is ahead of the server's ([`Sample::is_ahead`]) reaches no step: it is counted, named, and comes out as
    /// a late row.
    pub fn feed(&mut self, sample: &Sample) -> bool {
        if sample.is_ahead(self.clocks.skew()) {
            return self.feed_ahead(sample);
        }
        let mut newest = None;
        for at in 0..self.stages.len() {
            let Some(side) = &mut self.stages[at].side else { continue };
            if let Some(row) = side.source.read(sample, &mut self.out) {
                newest = Some(row.key);
                stage::run(&mut side.stages, vec![row], &mut self.out, &mut self.late, None);
                self.push_side(at);
            }
        }
        if let Some(row) = self.source.read(sample, &mut self.out) {
            newest = Some(row.key);
            if let Some(book) = &mut self.tags {
                match self.source.key_by() {
                    KeyBy::Vehicle => book.note_sample(row.key, sample),
                    KeyBy::Session => {
                        book.note_tags(row.key, row.time, &Tags { session: sample.session.clone(), fleet: None });
                    }
                    KeyBy::Fleet => book.note_tags(row.key, row.time, &Tags { session: None, fleet: sample.fleet.clone() }),
                }
            }
            self.push(row);
        }
        let moved = newest.and_then(|key| self.watermarks.note(key.index(), sample.source_time, sample.arrival()));
        if !self.upstreams.is_empty() {
            return self.feed_upstreams(sample) || newest.is_some();
        }
        if let Some(watermark) = moved {
            self.advance(watermark);
        }
        newest.is_some()
    }

    fn feed_ahead(&mut self, sample: &Sample) -> bool {
        let mut taken = self.stages.iter().any(|stage| stage.side.as_ref().is_some_and(|side| side.source.takes(sample)));
        if let Some(row) = self.source.read(sample, &mut self.out) {
            taken = true;
            self.rows_in += 1;
            self.late.push_back(LateRow { step: Arc::clone(self.clocks.step()), ahead: true, row });
        }
        if taken {
            self.clocks.note(sample);
        }
        for upstream in &mut self.upstreams {
            taken |= upstream.feed(sample);
        }
        taken
    }

    /// Lets the pipelines that run along have a sample. Whether any wanted it.
    fn feed_upstreams(&mut self, sample: &Sample) -> bool {
        let mut taken = false;
        for upstream in &mut self.upstreams {
            taken |= upstream.feed(sample);
        }
        self.take_settled();
        self.advance_together();
        taken
    }

    /// Takes in what is settled of the pipelines that run along.
    fn take_settled(&mut self) {
        let mut upstreams = std::mem::take(&mut self.upstreams);
        for upstream in &mut upstreams {
            for result in upstream.settled() {
                self.take_result(&result, upstream);
                upstream.pipeline_mut().recycle(result);
            }
        }
        self.upstreams = upstreams;
    }

    fn take_result(&mut self, result: &Row, upstream: &Upstream) {
        for at in 0..self.stages.len() {
            let Some(side) = self.stages[at].side.as_mut().filter(|s| s.source.pipeline() == Some(upstream.name())) else { continue };
            if let Some(row) = side.source.read_result(result, upstream.scope(), &mut self.out) {
                stage::run(&mut side.stages, vec![row], &mut self.out, &mut self.late, None);
                self.push_side(at);
            }
        }
        if self.source.pipeline() == Some(upstream.name())
            && let Some(row) = self.source.read_result(result, upstream.scope(), &mut self.out)
        {
            if let (Some(book), Some(tags)) = (&mut self.tags, upstream.tags(result)) {
                book.note_tags(row.key, row.time, tags);
            }
            self.push(row);
        }
    }

    /// Event time goes on as far as samples and the pipelines that run along let it. Who is idle is not waited for.
    fn advance_together(&mut self) {
        let (Some(newest), Some(arrived)) = (self.newest(), self.arrived()) else { return };
        let (near, heard) = (newest.minus(self.spec.time.max_behind), arrived.minus(self.spec.time.watermark.idle));
        let own = self.watermarks.newest().zip(self.watermarks.arrived()).map(|known| (known, self.watermarks.watermark()));
        let others = self.upstreams.iter().filter_map(|u| Some((u.pipeline().newest().zip(u.pipeline().arrived())?, u.reached())));
        let waited_for = |(newest, arrived): &(Timestamp, Timestamp)| *newest >= near && *arrived >= heard;
        let target = own.into_iter().chain(others).filter(|(known, _)| waited_for(known)).map(|(_, reached)| reached).min();
        if let Some(target) = target.filter(|target| *target > self.advanced) {
            self.advance(target);
        }
    }

    /// The newest event time of all sources.
    pub fn newest(&self) -> Option<Timestamp> {
        self.upstreams.iter().filter_map(|u| u.pipeline().newest()).chain(self.watermarks.newest()).max()
    }

    /// When the last row arrived.
    fn arrived(&self) -> Option<Timestamp> {
        self.upstreams.iter().filter_map(|u| u.pipeline().arrived()).chain(self.watermarks.arrived()).max()
    }

    /// Rows that came with a clock ahead of the server's, at whatever pipeline that runs along.
    pub fn ahead(&self) -> u64 {
        self.clocks.count() + self.upstreams.iter().map(|u| u.pipeline().ahead()).sum::<u64>()
    }

    /// Sources whose clocks are ahead of the server's, the newest of each; of the pipelines that run along as well.
    pub fn clocks_ahead(&self) -> impl Iterator<Item = &ClockAhead> {
        let others: Vec<&ClockAhead> = self.upstreams.iter().flat_map(|u| u.pipeline().clocks.sources()).collect();
        self.clocks.sources().chain(others)
    }

    /// The keys of sources that send, and are too far behind the others to be waited for.
    pub fn far_behind(&self) -> impl Iterator<Item = &str> {
        let keys = &self.out.scope.keys;
        self.watermarks.far_behind().map(|at| keys.name(super::Key::from_index(at)))
    }

    /// How far event time has come; the lowest time there is while nothing came.
    pub const fn watermark(&self) -> Timestamp {
        self.advanced
    }

    /// No result with an earlier time is to come, but for corrections.
    pub(super) const fn reached(&self) -> Timestamp {
        self.reached
    }

    /// How far the watermark is behind the newest event time.
    pub fn lag(&self) -> Duration {
        let known = self.newest().filter(|_| self.watermark().micros() != i64::MIN);
        known.map_or(Duration::ZERO, |newest| newest.since(self.watermark()))
    }

    /// How many sources there are, and how many of them are idle; with those of the pipelines that run along.
    pub fn sources(&self) -> (usize, usize) {
        let others = self.upstreams.iter().map(|u| u.pipeline().sources());
        others.fold(self.watermarks.sources(), |(all, idle), (a, i)| (all + a, idle + i))
    }

    /// Session and fleet of a result; nothing is known of them unless results are stored.
    pub fn tags(&self, row: &Row) -> Option<&Tags> {
        self.tags.as_ref()?.of(row)
    }

    /// Keeps the tags of keys where results are stored, or somebody behind needs them.
    fn tagging(mut self) -> Self {
        if self.spec.outputs.series.is_some() {
            self.keep_tags();
        }
        self
    }

    fn keep_tags(&mut self) {
        self.tags.get_or_insert_default();
        for upstream in &mut self.upstreams {
            upstream.pipeline_mut().keep_tags();
        }
    }

    /// Takes over the state of the pipeline whose results this one reads, where that is the only one: so that the first results are
    /// the same as that one's. Whether it did.
    pub fn seed(&mut self, name: &str, around: &Surroundings, state: &[u8]) -> Result<bool, RestoreError> {
        let [upstream] = &mut self.upstreams[..] else { return Ok(false) };
        let Some(document) = around.pipelines.get(name).filter(|_| upstream.name() == name) else { return Ok(false) };
        upstream.seed(document, around, state)?;
        if self.tags.is_some() {
            self.keep_tags();
        }
        Ok(true)
    }

    /// Corrections of other pipelines' results that came when those had been taken in already.
    pub fn missed_corrections(&self) -> u64 {
        self.upstreams.iter().map(Upstream::missed).sum()
    }

    /// Takes a row in as if the source had read it: for tests, and for sources that are no samples.
    pub fn feed_row(&mut self, row: Row) {
        let (key, time) = (row.key, row.time);
        self.push(row);
        if let Some(watermark) = self.watermarks.note(key.index(), time, time) {
            self.advance(watermark);
        }
    }

    /// Names for rows made outside.
    pub const fn output(&mut self) -> &mut Output {
        &mut self.out
    }

    /// All sources have been silent for the time of `time.idle` by the server's clock, which shows `now`: open periods that end before the newest row close.
    pub fn silence(&mut self, now: Timestamp) {
        let moved = self.watermarks.silence(now);
        if !self.upstreams.is_empty() {
            for upstream in &mut self.upstreams {
                upstream.pipeline_mut().silence(now);
            }
            self.take_settled();
            return self.advance_together();
        }
        if let Some(watermark) = moved {
            self.advance(watermark);
        }
    }

    /// The stream has ended for good (a file was read to its end): everything open closes.
    pub fn finish(&mut self) {
        for upstream in &mut self.upstreams {
            upstream.finish();
        }
        self.take_settled();
        self.advance(Timestamp::from_micros(i64::MAX));
    }

    fn push(&mut self, row: Row) {
        self.rows_in += 1;
        let timed = self.stopwatch.filter(|_| self.rows_in.is_multiple_of(stage::TIMED_EVERY));
        self.moving.push(row);
        self.run_from(0, timed);
    }

    /// Runs `moving` through the steps from `first` on.
    fn run_from(&mut self, first: usize, timed: Option<Stopwatch>) {
        for at in first..self.stages.len() {
            if self.moving.is_empty() {
                return;
            }
            self.stages[at].push_all(&mut self.moving, &mut self.out, timed);
            self.collect(at);
        }
        self.results.extend(self.moving.drain(..));
    }

    /// What the step at `at` gave goes on its way; what was late is kept with the step's name.
    fn collect(&mut self, at: usize) {
        self.stages[at].count(&mut self.out, &mut self.late);
        std::mem::swap(&mut self.moving, &mut self.out.rows);
    }

    /// What a side's steps gave goes into its step.
    fn push_side(&mut self, at: usize) {
        let rows = std::mem::take(&mut self.out.rows);
        self.stages[at].push_side(rows, &mut self.out);
        self.collect(at);
        self.run_from(at + 1, None);
    }

    fn advance(&mut self, watermark: Timestamp) {
        let mut held = watermark;
        for at in 0..self.stages.len() {
            if let Some(side) = &mut self.stages[at].side {
                stage::advance(&mut side.stages, watermark, &mut self.out, &mut self.late);
                self.push_side(at);
            }
            held = self.stages[at].advance(held, &mut self.out, self.stopwatch);
            self.collect(at);
            // Steps behind one that holds rows back (order, windows) get theirs here alone: timed as a whole, each time.
            self.run_from(at + 1, self.stopwatch);
        }
        self.out.scope.watermark = watermark;
        (self.advanced, self.reached) = (watermark, held);
        self.advances += 1;
        if let Some(book) = self.tags.as_mut().filter(|_| self.advances.is_multiple_of(FORGET_EVERY)) {
            book.forget(watermark.minus(self.spec.time.allowed_lateness));
        }
    }

    /// The oldest result not taken yet.
    pub fn next_result(&mut self) -> Option<Row> {
        self.results.pop_front()
    }

    /// The oldest late row not taken yet.
    pub fn next_late(&mut self) -> Option<LateRow> {
        self.late.pop_front()
    }

    /// What happened to alarms since this was asked last, in order.
    pub fn take_alarms(&mut self) -> Vec<StepAlarm> {
        std::mem::take(&mut self.out.alarms)
    }

    /// Gives a result's memory back.
    pub fn recycle(&mut self, row: Row) {
        self.out.recycle(row);
    }

    /// Passes a command to the step of that name.
    pub fn command(&mut self, step: &str, command: &serde_json::Value) -> Result<serde_json::Value, CommandError> {
        let Some(at) = self.stages.iter().position(|s| &*s.name == step) else {
            return Err(CommandError::Refused(format!("there is no step '{step}'")));
        };
        let answer = self.stages[at].operator.command(command, &mut self.out);
        self.collect(at);
        self.run_from(at + 1, None);
        answer
    }

    /// Passes a command to the step of that name of the pipeline `name`, which runs along, near or far.
    pub fn command_along(&mut self, name: &str, step: &str, command: &serde_json::Value) -> Result<serde_json::Value, CommandError> {
        let mut answer = Err(CommandError::Absent(format!("no pipeline '{name}' runs along")));
        for upstream in &mut self.upstreams {
            let along = upstream.pipeline_mut();
            let own = along.spec.name == name;
            let theirs = if own { along.command(step, command) } else { along.command_along(name, step, command) };
            answer = answer.or(theirs);
        }
        self.take_settled();
        answer
    }

    /// How far event time has come, and who holds it.
    pub const fn watermarks(&self) -> &Watermarks {
        &self.watermarks
    }

    /// Rows taken in by the source.
    pub const fn rows_in(&self) -> u64 {
        self.rows_in
    }

    /// What each step has done; steps of second inputs come before the step they lead to.
    pub fn stats(&self) -> Vec<StepStats> {
        let mut stats = Vec::new();
        for stage in &self.stages {
            stats.extend(stage.side.iter().flat_map(|s| &s.stages).map(Stage::stats));
            stats.push(stage.stats());
        }
        stats
    }

    /// Memory held by state, in bytes, names included.
    pub fn state_bytes(&self) -> usize {
        let steps: usize = self.stats().iter().map(|s| s.state_bytes).sum();
        let beside = self.upstreams.iter().map(Upstream::state_bytes).sum::<usize>() + self.tags.as_ref().map_or(0, TagBook::heap_bytes);
        steps + self.out.scope.keys.heap_bytes() + self.out.scope.signals.heap_bytes() + self.watermarks.heap_bytes() + beside
    }

    fn all_stages(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().flat_map(|stage| stage.side.iter().flat_map(|s| &s.stages).chain(std::iter::once(stage)))
    }
}
