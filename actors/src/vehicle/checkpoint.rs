//! From which a vehicle's state is rebuilt after a panic: a copy of the state, and what was applied since.

use std::{sync::Arc, time::Duration};

use slipstream_engine::vehicle::Vehicle;
use slipstream_protocol::{Sample, Timestamp};
use thin_vec::ThinVec;

use crate::backlog;

/// A new copy is taken after so many samples, and before that where they take as many bytes as a copy copies:
/// what a checkpoint holds is then bounded by the vehicle's state, however large its samples are, and copying
/// costs less than reading them did.
const EVERY: u32 = 256;

/// Fewer bytes of samples are not worth a copy.
const LEAST_BYTES: usize = 2 << 10;

pub(super) struct Checkpoint {
    state: Vehicle,
    since: ThinVec<Arc<Vec<Sample>>>,
    samples: u32,
    bytes: u32,
}

impl Checkpoint {
    pub(super) fn of(vehicle: &Vehicle) -> Self {
        Self { state: vehicle.clone(), since: ThinVec::new(), samples: 0, bytes: 0 }
    }

    /// Notes that `samples` brought the state to `vehicle`.
    pub(super) fn note(&mut self, samples: Arc<Vec<Sample>>, vehicle: &Vehicle) {
        self.samples = self.samples.saturating_add(samples.len() as u32);
        let bytes = samples.iter().map(backlog::bytes).sum::<usize>();
        self.bytes = self.bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.samples >= EVERY || self.bytes as usize >= LEAST_BYTES.max(vehicle.copied_bytes()) {
            *self = Self::of(vehicle);
        } else {
            self.since.push(samples);
        }
    }

    /// The state after everything noted and `more`. What the samples told was told before.
    pub(super) fn restore(&self, more: &[Sample], now: Timestamp, skew: Duration) -> Vehicle {
        let mut vehicle = self.state.clone();
        let mut told = Vec::new();
        for sample in self.since.iter().flat_map(|s| s.iter()).chain(more) {
            vehicle.take(sample, now, skew, &mut told);
            told.clear();
        }
        vehicle
    }
}

#[cfg(test)]
mod tests {
    use slipstream_protocol::{Signal, SignalValue};

    use super::*;
    use crate::harness::{START, sample};

    /// It used to hold up to 255 samples of any size: 400 KiB for a vehicle of 40 signals.
    #[test]
    fn a_checkpoint_holds_few_bytes_however_large_the_samples_are() {
        let (mut vehicle, mut outputs) = (Vehicle::default(), Vec::new());
        let mut checkpoint = Checkpoint::of(&vehicle);
        let signal = |n: usize| Signal { name: format!("signal_{n}").into(), value: SignalValue::Number(1.0) };
        let signals: Vec<_> = (0..40).map(signal).collect();
        for n in 0..1_000 {
            let sample = Sample { signals: signals.clone(), ..sample("v", n) };
            vehicle.apply(&sample, START, &mut outputs);
            checkpoint.note(Arc::new(vec![sample]), &vehicle);
            let held: usize = checkpoint.since.iter().flat_map(|s| s.iter()).map(backlog::bytes).sum();
            assert!(held < 8 << 10, "{held} bytes after {n} samples");
            assert_eq!(checkpoint.restore(&[], START, Duration::from_secs(60)).twin().samples, n + 1);
        }
    }
}
