//! The running pipeline: source, steps in order, and what they lead to.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use slipstream_protocol::{Sample, Timestamp};

use super::{
    fields::{Fields, Mistakes, meant},
    operator::{Builder, CommandError, Operator, OperatorKind, Output, Scope, StepAlarm},
    operators,
    row::Row,
    source::Source,
    spec::{KeyBy, PipelineSpec, SideSpec, SourceSpec, StepSpec},
    state::{StateError, load, load_first, save},
    surroundings::Surroundings,
    symbols::{Key, SignalId, Symbols},
    tags::{TagBook, Tags},
    upstream::{SavedUpstream, Upstream},
    watermark::Watermarks,
};

#[cfg(test)]
mod chained;
#[cfg(test)]
mod documentation;
mod stage;
#[cfg(test)]
mod tests;

use stage::{Side, Stage};
pub use stage::{StepStats, Stopwatch};

/// Format of a whole pipeline's snapshot.
const SNAPSHOT_VERSION: u16 = 1;

/// Each so many watermarks tags that nothing can ask for any more are forgotten.
const FORGET_EVERY: u64 = 1_024;

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

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u16,
    signals: Symbols<SignalId>,
    keys: Symbols<Key>,
    watermarks: Watermarks,
    steps: Vec<SavedStep>,
}

/// What stands behind [`Saved`] where there is any of it: a pipeline without is written as it always was.
#[derive(Serialize, Deserialize)]
struct SavedBeside {
    upstreams: Vec<SavedUpstream>,
    tags: Option<TagBook>,
    advanced: Timestamp,
    reached: Timestamp,
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
        Self::build_with(document, &Surroundings::default())
    }

    /// As [`Pipeline::build`], with what it may refer to.
    pub fn build_with(document: &serde_json::Value, around: &Surroundings) -> Result<Self, Mistakes> {
        Self::build_below(document, around, &mut Vec::new())
    }

    /// As [`Pipeline::build_with`]; `path` has the names of the pipelines that read this one.
    fn build_below(document: &serde_json::Value, around: &Surroundings, path: &mut Vec<String>) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let Some(spec) = PipelineSpec::read_with(document, &mut mistakes) else { return Err(mistakes) };
        let mut out = Output::default();
        path.push(spec.name.clone());
        let upstreams = upstreams(&spec, around, path, &mut mistakes);
        path.pop();
        let source = Source::new(spec.source.clone(), &mut out.scope.signals);
        let stages = Build { spec: &spec, around, scope: &mut out.scope, mistakes: &mut mistakes }.stages(&spec.steps);
        if !mistakes.0.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            source,
            watermarks: Watermarks::new(spec.time.watermark),
            upstreams,
            stages,
            out,
            advanced: Timestamp::from_micros(i64::MIN),
            reached: Timestamp::from_micros(i64::MIN),
            tags: None,
            advances: 0,
            moving: Vec::new(),
            results: VecDeque::new(),
            late: VecDeque::new(),
            rows_in: 0,
            stopwatch: None,
            spec: Arc::new(spec),
        }
        .tagging())
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

    /// Takes a sample in, if the source (or a step's second source, or a pipeline that runs along) wants it. Whether it did.
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
        let moved = newest.and_then(|(key, time)| self.watermarks.note(key.index(), time));
        if !self.upstreams.is_empty() {
            return self.feed_upstreams(sample) || newest.is_some();
        }
        if let Some(watermark) = moved {
            self.advance(watermark);
        }
        newest.is_some()
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
        let Some(newest) = self.newest() else { return };
        let waited_for = newest.minus(self.spec.time.watermark.idle);
        let own = self.watermarks.newest().map(|newest| (newest, self.watermarks.watermark()));
        let others = self.upstreams.iter().filter_map(|u| Some((u.pipeline().newest()?, u.reached())));
        let target = own.into_iter().chain(others).filter(|(newest, _)| *newest >= waited_for).map(|(_, reached)| reached).min();
        if let Some(target) = target.filter(|target| *target > self.advanced) {
            self.advance(target);
        }
    }

    /// The newest event time of all sources.
    pub fn newest(&self) -> Option<Timestamp> {
        self.upstreams.iter().filter_map(|u| u.pipeline().newest()).chain(self.watermarks.newest()).max()
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
        let moved = self.watermarks.silence();
        if !self.upstreams.is_empty() {
            for upstream in &mut self.upstreams {
                upstream.pipeline_mut().silence();
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
        if !self.upstreams.is_empty() || self.tags.is_some() {
            let upstreams = self.upstreams.iter().map(Upstream::save).collect::<Result<_, _>>()?;
            let (advanced, reached) = (self.advanced, self.reached);
            save(&SavedBeside { upstreams, tags: self.tags.clone(), advanced, reached }, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// A pipeline made from `document` with the state of a snapshot of the same description.
    pub fn restore(document: &serde_json::Value, bytes: &[u8]) -> Result<Self, RestoreError> {
        Self::restore_with(document, &Surroundings::default(), bytes)
    }

    /// As [`Pipeline::restore`], with what it may refer to.
    pub fn restore_with(document: &serde_json::Value, around: &Surroundings, bytes: &[u8]) -> Result<Self, RestoreError> {
        let (saved, beside): (Saved, &[u8]) = load_first(bytes)?;
        if saved.version != SNAPSHOT_VERSION {
            return Err(StateError::Version { found: saved.version, expected: SNAPSHOT_VERSION }.into());
        }
        let mut pipeline = Self::build_with(document, around)?;
        // Steps were built with fresh names; the saved table must begin with the same ones, so that their numbers hold.
        let built = &pipeline.out.scope.signals;
        let same_names = (0..built.len()).map(SignalId::from_index).all(|id| built.name(id) == saved.signals.name(id));
        let same_steps = pipeline.all_stages().map(|s| s.verb).eq(saved.steps.iter().map(|s| s.verb.as_str()));
        if !same_names || !same_steps || *saved.watermarks.config() != pipeline.spec.time.watermark {
            return Err(StateError::OtherSteps.into());
        }
        pipeline.out.scope = Scope { signals: saved.signals, keys: saved.keys, watermark: saved.watermarks.watermark() };
        pipeline.advanced = saved.watermarks.watermark();
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
        let held = |held: Timestamp, stage: &Stage| stage.operator.holds(stage.watermark).min(stage.watermark).min(held);
        pipeline.reached = pipeline.stages.iter().fold(pipeline.advanced, held);
        pipeline.restore_beside(beside, around)?;
        Ok(pipeline)
    }

    fn restore_beside(&mut self, bytes: &[u8], around: &Surroundings) -> Result<(), RestoreError> {
        if bytes.is_empty() {
            return if self.upstreams.is_empty() { Ok(()) } else { Err(StateError::OtherSteps.into()) };
        }
        let saved: SavedBeside = load(bytes)?;
        if saved.upstreams.len() != self.upstreams.len() {
            return Err(StateError::OtherSteps.into());
        }
        for (upstream, saved) in self.upstreams.iter_mut().zip(saved.upstreams) {
            upstream.restore(saved, around)?;
        }
        if saved.tags.is_some() {
            self.tags = saved.tags;
        }
        // Its own sources alone do not say how far it has come.
        (self.advanced, self.reached) = (saved.advanced, saved.reached);
        self.out.scope.watermark = saved.advanced;
        Ok(())
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

/// Pipelines whose results sources of `spec` read, each once.
fn upstreams(spec: &PipelineSpec, around: &Surroundings, path: &mut Vec<String>, mistakes: &mut Mistakes) -> Vec<Upstream> {
    let sides = spec.steps.iter().filter_map(|step| Some((format!("{}.with.source.pipeline", step.place), &step.with.as_ref()?.source)));
    let sources = std::iter::once(("source.pipeline".to_owned(), &spec.source)).chain(sides);
    let mut made: Vec<Upstream> = Vec::new();
    for (place, SourceSpec { pipeline, .. }) in sources {
        let Some(name) = pipeline else { continue };
        if made.iter().any(|u| u.name() == name) {
            continue;
        }
        if path.contains(name) {
            let circle: Vec<&str> = path.iter().skip_while(|n| *n != name).chain([name]).map(String::as_str).collect();
            mistakes.add(place, format!("a circle: '{}'", circle.join("' reads '")));
            continue;
        }
        let Some(document) = around.pipelines.get(name) else {
            let known: Vec<&str> = around.pipelines.keys().map(String::as_str).collect();
            let there = if known.is_empty() { "there are none beside it".to_owned() } else { format!("there are {}", known.join(", ")) };
            mistakes.add(place, format!("'{name}' is no pipeline; {there}{}", meant(name, &known)));
            continue;
        };
        match Pipeline::build_below(document, around, path) {
            Ok(pipeline) => made.push(Upstream::new(name, pipeline)),
            Err(theirs) => {
                for mistake in theirs.0 {
                    mistakes.add(place.clone(), format!("in '{name}', {mistake}"));
                }
            }
        }
    }
    made
}

/// What is at hand while all stages are made.
struct Build<'a> {
    spec: &'a PipelineSpec,
    around: &'a Surroundings,
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
                tables: &self.around.tables,
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
