//! A vehicle's newest known state.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use slipstream_protocol::{Sample, SessionId, Signal, SignalName, SignalValue, Timestamp};

use crate::{laps::LapBook, newest::Newest, signals::same_name};

/// Most different signals one vehicle's twin holds: a source that never repeats a name must not
/// grow it without bound.
pub const MAX_TWIN_SIGNALS: usize = 1_024;

/// The newest value of every signal, by source time; late data never overwrites newer state.
///
/// Of two values with the same source time the one that arrived later stands. No sample counts as measured later than it arrived
/// ([`Sample::order`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    /// Signals in order of first appearance, at most [`MAX_TWIN_SIGNALS`].
    pub signals: Vec<TwinSignal>,
    /// The session of the newest sample.
    pub session: Option<SessionId>,
    /// Source time of the newest sample.
    pub source_time: Timestamp,
    /// Receive time of the newest sample.
    pub received_at: Timestamp,
    /// Samples applied so far.
    pub samples: u64,
    /// Samples that arrived behind a newer one.
    pub late_samples: u64,
    /// Values that found no place, because the twin holds [`MAX_TWIN_SIGNALS`] other signals.
    pub dropped_values: u64,
    /// Samples whose clock was ahead of the server's by more than is allowed: counted among `samples`, and in nothing else.
    /// Saved with the vehicle, whose saved form says why.
    #[serde(skip)]
    pub ahead_samples: u64,
    /// Where the sessions before the newest one's stand, for doors that say what is late. Saved as `ahead_samples` is.
    #[serde(skip)]
    pub earlier: Vec<EarlierSession>,
}

/// A session of the vehicle that is not the newest one.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierSession {
    /// Which.
    pub session: SessionId,
    /// Its newest sample.
    pub newest: Newest,
    /// Its recent laps, where they are still remembered.
    pub laps: Option<Arc<LapBook>>,
}

/// A signal's newest value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinSignal {
    /// The flattened name.
    pub name: SignalName,
    /// The value.
    pub value: SignalValue,
    /// Source time of the value.
    pub time: Timestamp,
}

impl Twin {
    /// The newest value under `name`.
    pub fn signal(&self, name: &str) -> Option<&TwinSignal> {
        self.signals.iter().find(|s| &*s.name == name)
    }

    /// The newest number under `name`, if it is one.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.signal(name).and_then(|s| s.value.as_number())
    }

    /// The newest sample applied, if there is one.
    pub const fn newest(&self) -> Option<Newest> {
        if self.samples > self.ahead_samples { Some(Newest { source_time: self.source_time, received_at: self.received_at }) } else { None }
    }

    /// Whether `sample` is behind the newest one applied.
    pub fn is_late(&self, sample: &Sample) -> bool {
        self.newest().is_some_and(|newest| newest.is_behind(sample))
    }

    /// Takes one sample in. Returns whether it is late: behind the newest one applied.
    pub(crate) fn apply(&mut self, sample: &Sample) -> bool {
        let late = self.is_late(sample);
        self.samples += 1;
        if late {
            self.late_samples += 1;
        } else {
            self.source_time = sample.source_time;
            self.received_at = sample.received_at;
            if !same_session(self.session.as_ref(), sample.session.as_ref()) {
                self.session.clone_from(&sample.session);
            }
        }
        let mut hint = 0;
        for signal in &sample.signals {
            hint = self.set(hint, signal, sample.source_time, late);
        }
        late
    }

    /// Sets one signal, looked for from `hint` on; returns where the next one probably is.
    /// A value of the newest sample stands in any case: what is known by a later time was told by a clock that was ahead.
    fn set(&mut self, hint: usize, signal: &Signal, time: Timestamp, late: bool) -> usize {
        let Some(at) = self.place(hint, &signal.name) else {
            if self.signals.len() < MAX_TWIN_SIGNALS {
                self.signals.push(TwinSignal { name: signal.name.clone(), value: signal.value.clone(), time });
            } else {
                self.dropped_values += 1;
            }
            return self.signals.len();
        };
        let known = &mut self.signals[at];
        if !late || time >= known.time {
            if !Arc::ptr_eq(&known.name, &signal.name) {
                // The next sample of this source is then recognised by its pointer.
                known.name = signal.name.clone();
            }
            // Numbers are most values; writing them in place spares the drop of the old value.
            match (&mut known.value, &signal.value) {
                (SignalValue::Number(old), SignalValue::Number(new)) => *old = *new,
                (old, new) => old.clone_from(new),
            }
            known.time = time;
        }
        at + 1
    }

    fn place(&self, hint: usize, name: &SignalName) -> Option<usize> {
        if self.signals.get(hint).is_some_and(|s| same_name(&s.name, name)) {
            return Some(hint);
        }
        let hint = hint.min(self.signals.len());
        let (before, after) = self.signals.split_at(hint);
        let found = |signals: &[TwinSignal]| signals.iter().position(|s| same_name(&s.name, name));
        found(after).map(|i| hint + i).or_else(|| found(before))
    }
}

pub(crate) fn same_session(a: Option<&SessionId>, b: Option<&SessionId>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => std::ptr::eq(a.as_str(), b.as_str()) || a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use slipstream_protocol::{Quality, VehicleId};

    use super::*;

    const NAMES: [&str; 5] = ["speed_mps", "rpm", "gear", "x_m", "state"];

    fn sample(time: i64, signals: &[(usize, f64)]) -> Sample {
        Sample {
            vehicle: VehicleId::new("car").unwrap(),
            session: None,
            fleet: None,
            seq: None,
            source_time: Timestamp::from_millis(time),
            received_at: Timestamp::from_millis(0),
            quality: Quality::Good,
            signals: signals.iter().map(|(n, v)| Signal { name: NAMES[*n].into(), value: SignalValue::Number(*v) }).collect(),
            raw: None,
        }
    }

    proptest! {
        #[test]
        fn the_twin_holds_the_newest_value_by_source_time_whatever_the_order(
            samples in prop::collection::vec((0_i64..30, prop::collection::vec((0_usize..5, -1e3_f64..1e3), 0..6)), 0..60)
        ) {
            let mut twin = Twin::default();
            let mut model: BTreeMap<&str, (i64, f64)> = BTreeMap::new();
            let (mut newest, mut late) = (i64::MIN, 0);
            for (time, signals) in &samples {
                let told = twin.apply(&sample(*time, signals));
                prop_assert_eq!(told, *time < newest);
                late += u64::from(*time < newest);
                newest = newest.max(*time);
                for (n, v) in signals {
                    let entry = model.entry(NAMES[*n]).or_insert((*time, *v));
                    if *time >= entry.0 {
                        *entry = (*time, *v);
                    }
                }
            }
            prop_assert_eq!(twin.samples, samples.len() as u64);
            prop_assert_eq!(twin.late_samples, late);
            prop_assert_eq!(twin.signals.len(), model.len());
            for (name, (time, value)) in model {
                let known = twin.signal(name).unwrap();
                prop_assert_eq!(known.time, Timestamp::from_millis(time));
                prop_assert_eq!(known.value.as_number(), Some(value));
            }
        }
    }

    #[test]
    fn a_source_that_never_repeats_a_name_is_bounded_and_the_loss_is_counted() {
        let mut twin = Twin::default();
        for i in 0..MAX_TWIN_SIGNALS + 10 {
            let mut s = sample(i as i64, &[(0, 1.0)]);
            s.signals[0].name = format!("n{i}").into();
            twin.apply(&s);
        }
        assert_eq!(twin.signals.len(), MAX_TWIN_SIGNALS);
        assert_eq!(twin.dropped_values, 10);
    }
}
