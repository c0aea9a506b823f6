//! The numbers of series already seen, so that the dictionary is asked once per series.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use slipstream_protocol::{FleetId, Sample, SessionId, VehicleId};

use crate::series::point::Point;

/// So many series numbers are young before the old ones are forgotten.
const GENERATION: usize = if cfg!(test) { 1_000 } else { 250_000 };

/// What a series belongs to, beside its signal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    vehicle: VehicleId,
    session: Option<SessionId>,
    fleet: Option<FleetId>,
}

impl Source {
    pub(super) fn of(sample: &Sample) -> Self {
        Self { vehicle: sample.vehicle.clone(), session: sample.session.clone(), fleet: sample.fleet.clone() }
    }
}

/// Known series, within a bound: what was not met for a generation is forgotten.
#[derive(Debug, Default)]
pub(super) struct SeriesIds(Mutex<Remembered>);

/// A source's series: the signal's place in [`Remembered::names`], and the number.
type Numbers = Vec<(u32, i64)>;

#[derive(Debug, Default)]
struct Remembered {
    /// Every signal's name once: a fleet's vehicles have the same ones.
    names: HashMap<Arc<str>, u32>,
    young: HashMap<Source, Numbers>,
    old: HashMap<Source, Numbers>,
    /// Numbers in `young`.
    count: usize,
}

impl SeriesIds {
    /// Tells each point with its series number, if that is known.
    pub(super) fn look_up<'p, 'a>(&self, points: &'p [Point<'a>], mut tell: impl FnMut(&'p Point<'a>, Option<i64>)) {
        let mut remembered = self.0.lock();
        for points in points.chunk_by(|a, b| std::ptr::eq(a.sample, b.sample)) {
            let source = Source::of(points[0].sample);
            remembered.refresh(&source);
            let known = remembered.young.get(&source);
            for point in points {
                let number = known.and_then(|numbers| {
                    let name = *remembered.names.get(point.signal)?;
                    numbers.iter().find(|(n, _)| *n == name).map(|(_, id)| *id)
                });
                tell(point, number);
            }
        }
    }

    /// Remembers numbers from now on.
    pub(super) fn remember(&self, fresh: HashMap<(Source, &str), i64>) {
        let mut remembered = self.0.lock();
        for ((source, signal), id) in fresh {
            remembered.make_room();
            let name = remembered.name(signal);
            remembered.young.entry(source).or_default().push((name, id));
            remembered.count += 1;
        }
    }
}

impl Remembered {
    /// Makes what is met again young again.
    fn refresh(&mut self, source: &Source) {
        if let Some((source, mut numbers)) = self.old.remove_entry(source) {
            self.make_room();
            // Idle vehicles are many: they keep no spare room.
            numbers.shrink_to_fit();
            self.count += numbers.len();
            self.young.entry(source).or_default().extend(numbers);
        }
    }

    fn make_room(&mut self) {
        if self.count >= GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.count = 0;
        }
    }

    fn name(&mut self, signal: &str) -> u32 {
        if let Some(name) = self.names.get(signal) {
            return *name;
        }
        if self.names.len() >= GENERATION {
            // Names without end: all begins anew.
            *self = Self::default();
        }
        let name = self.names.len() as u32;
        self.names.insert(signal.into(), name);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: usize) -> Source {
        Source { vehicle: VehicleId::new(&format!("v{n}")).unwrap(), session: None, fleet: None }
    }

    #[test]
    fn what_is_met_again_survives_and_the_rest_is_forgotten() {
        let ids = SeriesIds::default();
        for n in 0..3 * GENERATION {
            ids.remember(HashMap::from([((source(n), "speed_mps"), n as i64)]));
            ids.0.lock().refresh(&source(7));
        }
        let remembered = ids.0.lock();
        assert_eq!(remembered.young.get(&source(7)).or(remembered.old.get(&source(7))), Some(&vec![(0, 7)]));
        assert!(!remembered.young.contains_key(&source(8)) && !remembered.old.contains_key(&source(8)));
        assert!(remembered.young.len() + remembered.old.len() <= 2 * GENERATION);
    }
}
