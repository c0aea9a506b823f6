//! Sources whose clocks are ahead of the server's.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use slipstream_protocol::{Sample, Timestamp, VehicleId};

/// Most sources that are named; all are counted.
pub const MOST_NAMED: usize = 16;

/// A source whose clock is ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockAhead {
    /// Whose clock it is.
    pub vehicle: VehicleId,
    /// Rows that came with it.
    pub rows: u64,
    /// By how much the newest of them led its arrival.
    pub lead: Duration,
    /// When that one arrived.
    pub received_at: Timestamp,
}

/// Counts and names them. A report of a run, not a part of the state.
#[derive(Debug)]
pub(super) struct ClocksAhead {
    skew: Duration,
    count: u64,
    sources: BTreeMap<VehicleId, ClockAhead>,
    step: Arc<str>,
}

impl ClocksAhead {
    /// Clocks may be ahead by `skew`.
    pub(super) fn new(skew: Duration) -> Self {
        Self { skew, count: 0, sources: BTreeMap::new(), step: "source".into() }
    }

    pub(super) const fn skew(&self) -> Duration {
        self.skew
    }

    /// What stands for a step's name in a row that no step sees.
    pub(super) const fn step(&self) -> &Arc<str> {
        &self.step
    }

    /// Rows so far.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// The sources, by id: those heard last, where there are more than [`MOST_NAMED`].
    pub(super) fn sources(&self) -> impl Iterator<Item = &ClockAhead> {
        self.sources.values()
    }

    /// Notes a sample that is ahead.
    pub(super) fn note(&mut self, sample: &Sample) {
        self.count += 1;
        let known = self.sources.get(&sample.vehicle).map_or(0, |known| known.rows);
        if known == 0 && self.sources.len() >= MOST_NAMED {
            let oldest = self.sources.values().min_by_key(|source| source.received_at).map(|source| source.vehicle.clone());
            oldest.and_then(|oldest| self.sources.remove(&oldest));
        }
        let source = ClockAhead { vehicle: sample.vehicle.clone(), rows: known + 1, lead: sample.lead(), received_at: sample.received_at };
        self.sources.insert(sample.vehicle.clone(), source);
    }
}
