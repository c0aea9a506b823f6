//! The running pipeline: source, steps in order, and what they lead to.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};
use slipstream_protocol::{Sample, Timestamp};

use super::{
    fields::{Fields, Mistakes, meant},
    operator::{Builder, CommandError, Operator, OperatorKind, Output, Scope, StepAlarm},
    operators,
    row::Row,
    source::Source,
    spec::{PipelineSpec, SideSpec, StepSpec},
    state::{StateError, load, save},
    symbols::{Key, SignalId, Symbols},
    tables::{MemoryTables, Tables},
    watermark::Watermarks,
};

#[cfg(test)]
mod documentation;
mod stage;
#[cfg(test)]
mod tests;

use stage::{Side, Stage};
pub use stage::{StepStats, Stopwatch};

/// Format of a whole pipeline's snapshot.
const SNAPSHOT_VERSION: u16 = 1;

/// A row that came too late, and the step it came too late for.
#[derive(Clone, Debug, PartialEq)]
pub struct LateRow {
    /// The step's name.
    pub step: Arc<str>,
    /// The row.
    pub row: Row,
}

/// A running pipeline. Feed it samples; take out results and late rows.
pub struct Pipeline {
    spec: Arc<PipelineSpec>,
    source: Source,
    watermarks: Watermarks,
    stages: Vec<Stage>,
    out: Output,
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

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u16,
    signals: Symbols<SignalId>,
    keys: Symbols<Key>,
    watermarks: Watermarks,
    steps: Vec<SavedStep>,
}

#[derive(Serialize, Deserialize)]
struct SavedStep {
    verb: String,
    version: u16,
    watermark: Timestamp,
    state: Vec<u8>,
}

impl Pipeline {
    /// Checks a description whole and makes it run. `Err` has every mistake there is.
    pub fn build(document: &serde_json::Value) -> Result<Self, Mistakes> {
        Self::build_with(document, &(Arc::new(MemoryTables::default()) as Arc<dyn Tables>))
    }

    /// As [`Pipeline::build`], with tables to enrich rows from.
    pub fn build_with(document: &serde_json::Value, tables: &Arc<dyn Tables>) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let Some(spec) = PipelineSpec::read_with(document, &mut mistakes) else { return Err(mistakes) };
        let mut out = Output::default();
        let source = Source::new(spec.source.clone(), &mut out.scope.signals);
        let stages = Build { spec: &spec, tables, scope: &mut out.scope, mistakes: &mut mistakes }.stages(&spec.steps);
        if !mistakes.0.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            source,
            watermarks: Watermarks::new(spec.time.watermark),
            stages,
            out,
            moving: Vec::new(),
            results: VecDeque::new(),
            late: VecDeque::new(),
            rows_in: 0,
            stopwatch: None,
            spec: Arc::new(spec),
        })
    }

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

    /// Takes a sample in, if the source (or a step's second source) wants it. Whether it did.
    pub fn feed(&mut self, sample: &Sample) -> bool {
        let mut newest = None;
        for at in 0..self.stages.len() {
            let Some(side) = &mut self.stages[at].side else { continue };
            if let Some(row) = side.source.read(sample, &mut self.out) {
                newest = Some((row.key, row.time));
                stage::run(&mut side.stages, vec![row], &mut self.out, &mut self.late, None);
                self.push_side(at);
            }
        }
        if let Some(row) = self.source.read(sample, &mut self.out) {
            newest = Some((row.key, row.time));
            self.push(row);
        }
        let Some((key, time)) = newest else { return false };
        if let Some(watermark) = self.watermarks.note(key.index(), time) {
            self.advance(watermark);
        }
        true
    }

    /// Takes a row in as if the source had read it: for tests, and for sources that are no samples.
    pub fn feed_row(&mut self, row: Row) {
        let (key, time) = (row.key, row.time);
        self.push(row);
        if let Some(watermark) = self.watermarks.note(key.index(), time) {
            self.advance(watermark);
        }
    }

    /// Names for rows made outside.
    pub const fn output(&mut self) -> &mut Output {
        &mut self.out
    }

    /// All sources have been silent for the time of `time.idle` by the server's clock: open periods that end before the newest row close.
    pub fn silence(&mut self) {
        if let Some(watermark) = self.watermarks.silence() {
            self.advance(watermark);
        }
    }

    /// The stream has ended for good (a file was read to its end): everything open closes.
    pub fn finish(&mut self) {
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
        steps + self.out.scope.keys.heap_bytes() + self.out.scope.signals.heap_bytes() + self.watermarks.heap_bytes()
    }

    /// The whole state. Take out all results first: they are not in it.
    pub fn snapshot(&self) -> Result<Vec<u8>, StateError> {
        let mut steps = Vec::new();
        for stage in self.all_stages() {
            let mut state = Vec::new();
            stage.operator.snapshot(&mut state)?;
            steps.push(SavedStep {
                verb: stage.verb.to_owned(),
                version: stage.operator.state_version(),
                watermark: stage.watermark,
                state,
            });
        }
        let saved = Saved {
            version: SNAPSHOT_VERSION,
            signals: self.out.scope.signals.clone(),
            keys: self.out.scope.keys.clone(),
            watermarks: self.watermarks.clone(),
            steps,
        };
        let mut bytes = Vec::new();
        save(&saved, &mut bytes)?;
        Ok(bytes)
    }

    /// A pipeline made from `document` with the state of a snapshot of the same description.
    pub fn restore(document: &serde_json::Value, bytes: &[u8]) -> Result<Self, RestoreError> {
        Self::restore_with(document, &(Arc::new(MemoryTables::default()) as Arc<dyn Tables>), bytes)
    }

    /// As [`Pipeline::restore`], with tables to enrich rows from.
    pub fn restore_with(document: &serde_json::Value, tables: &Arc<dyn Tables>, bytes: &[u8]) -> Result<Self, RestoreError> {
        let saved: Saved = load(bytes)?;
        if saved.version != SNAPSHOT_VERSION {
            return Err(StateError::Version { found: saved.version, expected: SNAPSHOT_VERSION }.into());
        }
        let mut pipeline = Self::build_with(document, tables)?;
        // Steps were built with fresh names; the saved table must begin with the same ones, so that their numbers hold.
        let built = &pipeline.out.scope.signals;
        let same_names = (0..built.len()).map(SignalId::from_index).all(|id| built.name(id) == saved.signals.name(id));
        let same_steps = pipeline.all_stages().map(|s| s.verb).eq(saved.steps.iter().map(|s| s.verb.as_str()));
        if !same_names || !same_steps || *saved.watermarks.config() != pipeline.spec.time.watermark {
            return Err(StateError::OtherSteps.into());
        }
        pipeline.out.scope = Scope { signals: saved.signals, keys: saved.keys, watermark: saved.watermarks.watermark() };
        pipeline.watermarks = saved.watermarks;
        let mut states = saved.steps.iter();
        for stage in &mut pipeline.stages {
            let side = stage.side.iter_mut().flat_map(|s| &mut s.stages).map(|s| (&mut s.operator, &mut s.watermark));
            for (operator, watermark) in side.chain(std::iter::once((&mut stage.operator, &mut stage.watermark))) {
                let Some(step) = states.next() else { return Err(StateError::OtherSteps.into()) };
                operator.restore(step.version, &step.state)?;
                *watermark = step.watermark;
            }
        }
        Ok(pipeline)
    }

    fn all_stages(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().flat_map(|stage| stage.side.iter().flat_map(|s| &s.stages).chain(std::iter::once(stage)))
    }
}

/// Why a pipeline could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The description has mistakes.
    #[error("the description has mistakes:\n{0}")]
    Spec(#[from] Mistakes),
    /// The state does not fit it.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What is at hand while all stages are made.
struct Build<'a> {
    spec: &'a PipelineSpec,
    tables: &'a Arc<dyn Tables>,
    scope: &'a mut Scope,
    mistakes: &'a mut Mistakes,
}

impl Build<'_> {
    fn stages(&mut self, steps: &[StepSpec]) -> Vec<Stage> {
        let mut stages = Vec::new();
        let mut in_order = false;
        for step in steps {
            let Some(kind) = operators::find(&step.op) else {
                let verbs: Vec<_> = operators::OPERATORS.iter().map(|k| k.verb).collect();
                let message = format!("'{}' is no operator; there are {}{}", step.op, verbs.join(", "), meant(&step.op, &verbs));
                self.mistakes.add(format!("{}.op", step.place), message);
                continue;
            };
            let side = self.side(kind, step);
            let mut fields = Fields::new(step.place.clone(), &step.fields, self.mistakes);
            let mut builder = Builder {
                signals: &mut self.scope.signals,
                allowed_lateness: self.spec.time.allowed_lateness,
                needs_order: kind.ordered,
                tables: self.tables,
            };
            let operator: Option<Box<dyn Operator>> = (kind.build)(&mut fields, &mut builder);
            let needs_order = builder.needs_order;
            fields.finish();
            if needs_order && !in_order {
                stages.push(Stage::reorder());
                in_order = true;
            }
            in_order = kind.verb == "reorder" || (in_order && kind.keeps_order);
            stages.extend(operator.map(|operator| Stage::new(kind.verb, &step.name, operator, side)));
        }
        stages
    }

    fn side(&mut self, kind: &OperatorKind, step: &StepSpec) -> Option<Side> {
        let place = format!("{}.with", step.place);
        match (&step.with, kind.sided) {
            (Some(SideSpec { source, steps }), true) => {
                Some(Side { source: Source::new(source.clone(), &mut self.scope.signals), stages: self.stages(steps) })
            }
            (None, true) => {
                self.mistakes.add(place, "is missing; a table with the second input's source and steps is expected");
                None
            }
            (Some(_), false) => {
                self.mistakes.add(place, format!("'{}' has no second input", kind.verb));
                None
            }
            (None, false) => None,
        }
    }
}
