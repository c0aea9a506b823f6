//! From which a vehicle's state is rebuilt after a panic: a copy of the state, and what was applied since.

use std::sync::Arc;

use slipstream_engine::vehicle::Vehicle;
use slipstream_protocol::{Sample, Timestamp};
use thin_vec::ThinVec;

/// A new copy is taken after so many samples: a copy costs as much as the current lap's trace is long.
const EVERY: usize = 256;

pub(super) struct Checkpoint {
    state: Vehicle,
    since: ThinVec<Arc<Vec<Sample>>>,
    samples: usize,
}

impl Checkpoint {
    pub(super) fn of(vehicle: &Vehicle) -> Self {
        Self { state: vehicle.clone(), since: ThinVec::new(), samples: 0 }
    }

    /// Notes that `samples` brought the state to `vehicle`.
    pub(super) fn note(&mut self, samples: Arc<Vec<Sample>>, vehicle: &Vehicle) {
        self.samples += samples.len();
        if self.samples >= EVERY {
            *self = Self::of(vehicle);
        } else {
            self.since.push(samples);
        }
    }

    /// The state after everything noted and `more`. What the samples told was told before.
    pub(super) fn restore(&self, more: &[Sample], now: Timestamp) -> Vehicle {
        let mut vehicle = self.state.clone();
        let mut told = Vec::new();
        for sample in self.since.iter().flat_map(|s| s.iter()).chain(more) {
            vehicle.apply(sample, now, &mut told);
            told.clear();
        }
        vehicle
    }
}
