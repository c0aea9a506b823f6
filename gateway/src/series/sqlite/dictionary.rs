//! The numbers of sources and signals already seen, so that the tables are asked once for each.

use std::{collections::HashMap, hash::Hash};

use parking_lot::Mutex;
use slipstream_protocol::{FleetId, Sample, SessionId, SignalName, VehicleId};

/// So many numbers are young before the old ones are forgotten.
const GENERATION: usize = if cfg!(test) { 1_000 } else { 250_000 };

/// Whose samples.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) vehicle: VehicleId,
    pub(super) session: Option<SessionId>,
    pub(super) fleet: Option<FleetId>,
}

impl Source {
    pub(super) fn of(sample: &Sample) -> Self {
        Self { vehicle: sample.vehicle.clone(), session: sample.session.clone(), fleet: sample.fleet.clone() }
    }

    pub(super) fn same(a: &Sample, b: &Sample) -> bool {
        a.vehicle == b.vehicle && a.session == b.session && a.fleet == b.fleet
    }
}

/// What is known of the tables, within a bound.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    pub(super) sources: Known<Source>,
    pub(super) signals: Known<SignalName>,
}

/// Numbers by key: what was not met for a generation is forgotten.
#[derive(Debug)]
pub(super) struct Known<K>(Mutex<Generations<K>>);

#[derive(Debug)]
struct Generations<K> {
    young: HashMap<K, i64>,
    old: HashMap<K, i64>,
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self(Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }))
    }
}

impl<K: Clone + Eq + Hash> Known<K> {
    /// The number of `key`, if it is known.
    pub(super) fn number(&self, key: &K) -> Option<i64> {
        let mut known = self.0.lock();
        if let Some(number) = known.young.get(key) {
            return Some(*number);
        }
        let (key, number) = known.old.remove_entry(key)?;
        known.insert(key, number);
        Some(number)
    }

    /// Remembers numbers from now on.
    pub(super) fn remember(&self, fresh: HashMap<K, i64>) {
        let mut known = self.0.lock();
        for (key, number) in fresh {
            known.insert(key, number);
        }
    }
}

impl<K: Eq + Hash> Generations<K> {
    fn insert(&mut self, key: K, number: i64) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_again_survives_and_the_rest_is_forgotten() {
        let known = Known::default();
        for n in 0..3 * GENERATION {
            known.remember(HashMap::from([(n, n as i64)]));
            assert_eq!(known.number(&0), Some(0), "after {n}");
        }
        assert_eq!(known.number(&1), None);
        let generations = known.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
