//! A pipeline's state, out of memory and back.

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

use super::{Pipeline, stage::Stage};
use crate::pipeline::{
    fields::Mistakes,
    operator::Scope,
    state::{StateError, load, load_first, save},
    surroundings::Surroundings,
    symbols::{Key, SignalId, Symbols},
    tags::TagBook,
    upstream::{SavedUpstream, Upstream},
    watermark::{Watermarks, WatermarksV1},
};

/// Format of a whole pipeline's snapshot.
const SNAPSHOT_VERSION: u16 = 2;

/// Behind the version.
#[derive(Serialize, Deserialize)]
struct Saved {
    signals: Symbols<SignalId>,
    keys: Symbols<Key>,
    watermarks: Watermarks,
    steps: Vec<SavedStep>,
}

/// As version 1 wrote it, when idleness was told by event time.
#[derive(Deserialize)]
struct SavedV1 {
    signals: Symbols<SignalId>,
    keys: Symbols<Key>,
    watermarks: WatermarksV1,
    steps: Vec<SavedStep>,
}

/// Reads a snapshot of this version or the one before.
fn read(bytes: &[u8]) -> Result<(Saved, &[u8]), StateError> {
    let (version, bytes): (u16, &[u8]) = load_first(bytes)?;
    match version {
        SNAPSHOT_VERSION => load_first(bytes),
        1 => {
            let (SavedV1 { signals, keys, watermarks, steps }, beside) = load_first(bytes)?;
            Ok((Saved { signals, keys, watermarks: watermarks.into(), steps }, beside))
        }
        found => Err(StateError::Version { found, expected: SNAPSHOT_VERSION }),
    }
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
            signals: self.out.scope.signals.clone(),
            keys: self.out.scope.keys.clone(),
            watermarks: self.watermarks.clone(),
            steps,
        };
        let mut bytes = Vec::new();
        save(&SNAPSHOT_VERSION, &mut bytes)?;
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
        let (saved, beside) = read(bytes)?;
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
        pipeline.watermarks.wait_within(pipeline.spec.time.max_behind);
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
