//! Another pipeline's results as rows of this one.
//!
//! The other pipeline runs along, fed with the same samples: so the two are at the same place always, one snapshot holds
//! both, and nothing is counted twice after a crash. Its results are taken in when no correction of them can come any more
//! (its `allowed_lateness` later, by its own watermark), each once; early ones are not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use slipstream_protocol::{Sample, Timestamp};

use super::{
    Key, Pipeline, Row, RowKind, StateError, flow::RestoreError, operator::Scope, row::Value, surroundings::Surroundings, tags::Tags,
};

/// Where a result waits: by its time, then by its place among results of that time.
type Place = (i64, u64);

/// A result that may still be corrected.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    row: Row,
    /// How far the other pipeline's event time had come when it was first told, µs.
    since: i64,
}

/// The pipeline that runs along.
pub(super) struct Upstream {
    name: String,
    pipeline: Box<Pipeline>,
    /// How long results wait for corrections, µs.
    lateness: i64,
    waiting: BTreeMap<Place, Waiting>,
    /// Where the newest result of a key and start waits.
    places: BTreeMap<(Key, i64), Place>,
    count: u64,
    /// Corrections of what was taken in already.
    missed: u64,
}

/// What a snapshot says of it.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedUpstream {
    name: String,
    document: String,
    state: Vec<u8>,
    waiting: Vec<(Place, Waiting)>,
    count: u64,
    missed: u64,
}

impl Upstream {
    pub(super) fn new(name: &str, pipeline: Pipeline) -> Self {
        let lateness = i64::try_from(pipeline.spec().time.allowed_lateness.as_micros()).unwrap_or(i64::MAX);
        let (waiting, places) = (BTreeMap::new(), BTreeMap::new());
        Self { name: name.to_owned(), pipeline: Box::new(pipeline), lateness, waiting, places, count: 0, missed: 0 }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub(super) const fn pipeline_mut(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }

    pub(super) const fn scope(&self) -> &Scope {
        self.pipeline.scope()
    }

    pub(super) fn tags(&self, row: &Row) -> Option<&Tags> {
        self.pipeline.tags(row)
    }

    pub(super) fn feed(&mut self, sample: &Sample) -> bool {
        self.pipeline.feed(sample)
    }

    /// Corrections that came when their result had been taken in already.
    pub(super) const fn missed(&self) -> u64 {
        self.missed
    }

    /// The results that are settled, in order of time.
    pub(super) fn settled(&mut self) -> Vec<Row> {
        let mut settled = Vec::new();
        let reached = self.pipeline.reached().micros();
        while let Some(row) = self.pipeline.next_result() {
            self.take(row, reached);
        }
        while let Some(late) = self.pipeline.next_late() {
            self.pipeline.recycle(late.row);
        }
        // Its alarms are told by itself.
        drop(self.pipeline.take_alarms());
        while let Some(entry) = self.waiting.first_entry() {
            if self.lateness > 0 && entry.get().since.saturating_add(self.lateness) > reached {
                break;
            }
            let (place, waiting) = entry.remove_entry();
            let named = (waiting.row.key, waiting.row.start.micros());
            if self.places.get(&named) == Some(&place) {
                self.places.remove(&named);
            }
            settled.push(waiting.row);
        }
        settled
    }

    fn take(&mut self, row: Row, reached: i64) {
        let named = (row.key, row.start.micros());
        let since = match row.kind {
            RowKind::Early => return self.pipeline.recycle(row),
            RowKind::Final => reached,
            RowKind::Correction => {
                let corrected = self.places.remove(&named).and_then(|place| self.waiting.remove(&place));
                let Some(corrected) = corrected else {
                    self.missed += 1;
                    return self.pipeline.recycle(row);
                };
                self.pipeline.recycle(corrected.row);
                if self.says_nothing(&row) {
                    return self.pipeline.recycle(row);
                }
                corrected.since
            }
        };
        self.count += 1;
        let place = (row.time.micros(), self.count);
        self.places.insert(named, place);
        self.waiting.insert(place, Waiting { row: Row { kind: RowKind::Final, ..row }, since });
    }

    /// A correction without rows takes a result back (two sessions that became one).
    fn says_nothing(&self, row: &Row) -> bool {
        let rows = self.scope().signals.get("rows");
        matches!(&row.cells[..], [cell] if Some(cell.signal) == rows && cell.value == Value::Number(0.0))
    }

    /// No row with an earlier time is to come from here.
    pub(super) fn reached(&self) -> Timestamp {
        let reached = self.pipeline.reached();
        self.waiting.first_key_value().map_or(reached, |((time, _), _)| reached.min(Timestamp::from_micros(*time)))
    }

    /// The stream has ended for good: nothing is corrected any more.
    pub(super) fn finish(&mut self) {
        self.pipeline.finish();
        self.lateness = 0;
    }

    pub(super) fn state_bytes(&self) -> usize {
        let row = |w: &Waiting| size_of::<Waiting>() + w.row.cells.len() * size_of::<super::Cell>() + 64;
        self.pipeline.state_bytes() + self.waiting.values().map(row).sum::<usize>()
    }

    pub(super) fn save(&self) -> Result<SavedUpstream, StateError> {
        Ok(SavedUpstream {
            name: self.name.clone(),
            document: self.pipeline.spec().document().to_string(),
            state: self.pipeline.snapshot()?,
            waiting: self.waiting.iter().map(|(place, waiting)| (*place, waiting.clone())).collect(),
            count: self.count,
            missed: self.missed,
        })
    }

    pub(super) fn restore(&mut self, saved: SavedUpstream, around: &Surroundings) -> Result<(), RestoreError> {
        let document = self.pipeline.spec().document().clone();
        if saved.name != self.name || serde_json::from_str::<Json>(&saved.document).ok().as_ref() != Some(&document) {
            return Err(StateError::OtherSteps.into());
        }
        self.seed(&document, around, &saved.state)?;
        self.waiting = saved.waiting.into_iter().collect();
        self.places = self.waiting.iter().map(|(place, w)| ((w.row.key, w.row.start.micros()), *place)).collect();
        (self.count, self.missed) = (saved.count, saved.missed);
        Ok(())
    }

    /// Takes over the state of the pipeline itself.
    pub(super) fn seed(&mut self, document: &Json, around: &Surroundings, state: &[u8]) -> Result<(), RestoreError> {
        *self.pipeline = Pipeline::restore_with(document, around, state)?;
        Ok(())
    }
}
