//! A vehicle: what its actor thinks with.

mod saved;
mod sessions;

use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

use slipstream_protocol::{Sample, SessionId, Timestamp};

use crate::{
    laps::LapBook,
    signals::{Role, meaning},
    twin::Twin,
};
pub use saved::VehicleOfVersion4;
use sessions::Driving;

/// A lap that was driven whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LapTime {
    /// The lap's number as the source counts.
    pub lap: u32,
    /// Its time, s.
    pub time_s: f64,
}

/// What applying a sample told.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A lap was completed.
    LapCompleted {
        /// In which session.
        session: Option<SessionId>,
        /// The lap.
        lap: LapTime,
    },
}

impl Output {
    /// The session it happened in.
    pub const fn session(&self) -> Option<&SessionId> {
        match self {
            Self::LapCompleted { session, .. } => session.as_ref(),
        }
    }
}

/// A half-driven lap's trace is forgotten by [`Vehicle::compact`] after this long without a sample: up
/// to 29 KB that an idle vehicle must not hold.
pub const PARTIAL_LAP_KEPT: Duration = Duration::from_secs(4);

/// Everything known about one vehicle. Idle it stays small: the twin is its only required
/// allocation; laps are followed from the first sample on that has a lap counter.
///
/// The newest state is the newest by source time; laps are timed in each session by itself, so a recording of yesterday's session
/// makes its laps after today's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "saved::SavedVehicle", into = "saved::SavedVehicle")]
pub struct Vehicle {
    twin: Arc<Twin>,
    laps: Option<Arc<LapBook>>,
    driving: Option<Box<Driving>>,
    touched: Timestamp,
}

impl Vehicle {
    /// Takes one sample in as [`Vehicle::apply`] does, or counts it where its clock is ahead by more than `skew`.
    pub fn take(&mut self, sample: &Sample, now: Timestamp, skew: Duration, outputs: &mut Vec<Output>) {
        if sample.is_ahead(skew) {
            self.touched = now;
            let twin = Arc::make_mut(&mut self.twin);
            twin.samples += 1;
            twin.ahead_samples += 1;
        } else {
            self.apply(sample, now, outputs);
        }
    }

    /// Takes one sample in; appends what it told to `outputs`. `now` is the server's time.
    pub fn apply(&mut self, sample: &Sample, now: Timestamp, outputs: &mut Vec<Output>) {
        self.touched = now;
        let twin = Arc::make_mut(&mut self.twin);
        let known = twin.signals.len();
        if known == 0 {
            twin.signals.reserve_exact(sample.signals.len());
        }
        let late = twin.apply(sample);
        if self.driving.is_none() && twin.signals[known..].iter().any(|s| meaning(&s.name).is_some_and(|m| m.role == Role::Lap)) {
            self.driving = Some(Box::default());
        }
        let Some(driving) = &mut self.driving else { return };
        if let Some(lap) = driving.take(sample, late, &mut self.laps) {
            outputs.push(Output::LapCompleted { session: sample.session.clone(), lap });
        }
        driving.show_earlier(&mut twin.earlier);
    }

    /// The newest state.
    pub const fn twin(&self) -> &Arc<Twin> {
        &self.twin
    }

    /// The recent laps, once there were any.
    pub const fn laps(&self) -> Option<&Arc<LapBook>> {
        self.laps.as_ref()
    }

    /// Bytes that a clone copies, roughly: what is shared costs it nothing.
    pub fn copied_bytes(&self) -> usize {
        size_of::<Self>() + self.driving.as_ref().map_or(0, |d| size_of::<Driving>() + d.heap_bytes())
    }

    /// The server's time of the newest sample.
    pub const fn touched(&self) -> Timestamp {
        self.touched
    }

    /// Gives back memory that only a busy vehicle needs. Cheap; meant for idle time. A half-driven
    /// lap whose source has been silent for [`PARTIAL_LAP_KEPT`] loses its trace, not its time.
    pub fn compact(&mut self, now: Timestamp) {
        // A shared twin is left alone: copying it would cost what shrinking saves.
        if let Some(twin) = Arc::get_mut(&mut self.twin) {
            twin.signals.shrink_to_fit();
        }
        if let Some(driving) = &mut self.driving {
            driving.compact(now.since(self.touched) >= PARTIAL_LAP_KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use slipstream_protocol::{Quality, Signal, SignalValue, VehicleId};

    use super::*;

    fn sample(time_s: f64, signals: &[(&str, f64)]) -> Sample {
        let time = Timestamp::from_secs_f64(time_s);
        Sample {
            vehicle: VehicleId::new("car").unwrap(),
            session: None,
            fleet: None,
            seq: None,
            source_time: time,
            received_at: time,
            quality: Quality::Good,
            signals: signals.iter().map(|(n, v)| Signal { name: (*n).into(), value: SignalValue::Number(*v) }).collect(),
            raw: None,
        }
    }

    /// Three laps of 20 s at 10 Hz and 50 m/s, the line crossed between samples.
    fn laps() -> Vec<Sample> {
        (0..650)
            .map(|i| {
                let t = f64::from(i) * 0.1;
                let driven = t - 0.03;
                let lap = (driven / 20.0).floor();
                let lap_time = driven - lap * 20.0;
                sample(t, &[("lap", lap + 1.0), ("lap_time_s", lap_time), ("lap_dist_m", lap_time * 50.0), ("speed_mps", 50.0)])
            })
            .collect()
    }

    fn completed(samples: &[Sample]) -> Vec<LapTime> {
        let (mut vehicle, mut outputs) = (Vehicle::default(), Vec::new());
        for s in samples {
            vehicle.apply(s, s.received_at, &mut outputs);
        }
        outputs
            .into_iter()
            .map(|o| match o {
                Output::LapCompleted { lap, .. } => lap,
            })
            .collect()
    }

    #[test]
    fn laps_are_timed_to_the_crossing_between_samples() {
        let laps = completed(&laps());
        assert_eq!(laps.iter().map(|l| l.lap).collect::<Vec<_>>(), [1, 2, 3]);
        for lap in laps {
            assert!((lap.time_s - 20.0).abs() < 1e-3, "{lap:?}");
        }
    }

    #[test]
    fn without_a_lap_clock_the_crossing_is_found_by_distance_or_taken_in_the_middle() {
        for kept in [&["lap", "lap_dist_m", "speed_mps"][..], &["lap", "speed_mps"][..]] {
            let mut samples = laps();
            for s in &mut samples {
                s.signals.retain(|x| kept.contains(&&*x.name));
            }
            let times = completed(&samples);
            assert!(times.len() >= 2, "{kept:?}: {times:?}");
            for lap in times {
                assert!((lap.time_s - 20.0).abs() <= 0.1, "{kept:?}: {lap:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn late_and_repeated_samples_create_no_laps(moves in prop::collection::vec((0_usize..650, 0_usize..650), 0..40)) {
            let in_order = laps();
            let mut disturbed = in_order.clone();
            // Each insertion repeats an earlier sample at a later place.
            for (a, b) in moves {
                let (from, to) = (a.min(b), a.max(b));
                let copy = in_order[from].clone();
                let at = disturbed.iter().position(|s| s.source_time >= in_order[to].source_time).unwrap_or(disturbed.len());
                disturbed.insert(at + 1, copy);
            }
            prop_assert_eq!(completed(&disturbed), completed(&in_order));
        }

        #[test]
        fn no_values_in_any_order_make_it_panic(values in prop::collection::vec((0_i32..100, -1e9_f64..1e9, -10_f64..1e5, -1e6_f64..1e6, -1e4_f64..1e4), 0..200)) {
            let samples: Vec<_> = values.iter().map(|(t, lap, lap_time, dist, speed)| {
                sample(f64::from(*t), &[("lap", lap.round() % 7.0), ("lap_time_s", *lap_time), ("lap_dist_m", *dist), ("speed_mps", *speed)])
            }).collect();
            let _ = completed(&samples);
        }
    }

    #[test]
    fn an_idle_vehicle_of_fourteen_signals_is_small_even_when_it_counts_laps() {
        let names: Vec<String> = (0..13).map(|i| format!("signal_{i}")).collect();
        let mut signals: Vec<_> = names.iter().map(|n| (n.as_str(), 1.0)).collect();
        signals.push(("lap", 3.0));
        let mut vehicle = Vehicle::default();
        vehicle.apply(&sample(1.0, &signals), Timestamp::default(), &mut Vec::new());
        vehicle.compact(Timestamp::from_millis(60_000));
        let (twin, driving) = (vehicle.twin(), vehicle.driving.as_ref().unwrap());
        let bytes = size_of::<Vehicle>() + size_of::<Driving>() + driving.heap_bytes() + size_of::<Twin>() + 16;
        let bytes = bytes + twin.signals.capacity() * size_of::<crate::twin::TwinSignal>();
        assert!(bytes < 1_024, "{bytes} bytes");
    }

    #[test]
    fn a_compacted_vehicle_still_times_the_lap_it_was_driving() {
        let samples = laps();
        let (mut vehicle, mut outputs) = (Vehicle::default(), Vec::new());
        for (i, s) in samples.iter().enumerate() {
            vehicle.apply(s, s.received_at, &mut outputs);
            if i == 300 {
                vehicle.compact(s.received_at.plus(PARTIAL_LAP_KEPT));
            }
        }
        assert_eq!(outputs.len(), 3, "{outputs:?}");
        assert_eq!(vehicle.laps().unwrap().laps().map(|l| l.lap).collect::<Vec<_>>(), [1, 3]);
    }

    fn of_session(session: &str, day: f64) -> Vec<Sample> {
        let at = |s: Sample| {
            let time = Timestamp::from_secs_f64(s.source_time.secs_f64() + day * 86_400.0 + 1_000_000.0);
            Sample {
                session: Some(SessionId::new(session).unwrap()),
                source_time: time,
                received_at: Timestamp::from_millis(9_000_000_000),
                ..s
            }
        };
        laps().into_iter().map(at).collect()
    }

    fn laps_by_session(samples: &[Sample]) -> Vec<String> {
        let (mut vehicle, mut outputs) = (Vehicle::default(), Vec::new());
        for s in samples {
            vehicle.apply(s, s.received_at, &mut outputs);
        }
        outputs.iter().map(|Output::LapCompleted { session, lap }| format!("{} {}", session.as_ref().unwrap(), lap.lap)).collect()
    }

    #[test]
    fn an_earlier_days_session_makes_its_laps_after_a_later_days_and_only_once() {
        let (friday, saturday) = (of_session("fri", 0.0), of_session("sat", 1.0));
        let expected = ["sat 1", "sat 2", "sat 3", "fri 1", "fri 2", "fri 3"];
        let samples = [saturday.clone(), friday.clone(), friday.clone(), saturday.clone()].concat();
        assert_eq!(laps_by_session(&samples), expected);
        let mut vehicle = Vehicle::default();
        for (i, s) in samples.iter().enumerate() {
            vehicle.apply(s, s.received_at, &mut Vec::new());
            if i == 700 {
                vehicle = postcard::from_bytes(&postcard::to_stdvec(&vehicle).unwrap()).unwrap();
            }
        }
        assert_eq!(vehicle.twin().session.as_deref(), Some("sat"), "the newest state stays by source time");
        assert_eq!(vehicle.twin().earlier[0].session.as_str(), "fri");
        assert_eq!(vehicle.laps().unwrap().laps().count(), 3);
        assert_eq!(vehicle.twin().earlier[0].laps.as_ref().unwrap().laps().count(), 3);
        // Live samples of Saturday between those of Friday's file disturb neither.
        let mixed: Vec<Sample> = friday.iter().zip(&saturday).flat_map(|(f, s)| [s.clone(), f.clone()]).collect();
        let mut told = laps_by_session(&mixed);
        told.sort();
        assert_eq!(told, ["fri 1", "fri 2", "fri 3", "sat 1", "sat 2", "sat 3"]);
    }

    #[test]
    fn a_clock_ahead_moves_neither_state_nor_laps_and_is_counted() {
        let skew = Duration::from_secs(60);
        let good: Vec<Sample> =
            laps().into_iter().map(|s| Sample { received_at: s.source_time.plus(Duration::from_millis(50)), ..s }).collect();
        let (mut vehicle, mut outputs) = (Vehicle::default(), Vec::new());
        for (i, s) in good.iter().enumerate() {
            vehicle.take(s, s.received_at, skew, &mut outputs);
            if i % 100 == 5 {
                let lead = if i % 200 == 5 { 45 } else { 72_000 };
                let wild = Sample {
                    source_time: s.received_at.plus(Duration::from_secs(lead)),
                    received_at: s.received_at,
                    ..sample(0.0, &[("speed_mps", 1.0), ("wiper", 9.0)])
                };
                vehicle.take(&wild, s.received_at, skew, &mut outputs);
            }
        }
        assert_eq!(outputs.len(), 3, "{outputs:?}");
        let twin = vehicle.twin();
        assert_eq!((twin.ahead_samples, twin.late_samples, twin.samples), (3, 0, 657));
        assert_eq!((twin.source_time, twin.number("speed_mps")), (good.last().unwrap().source_time, Some(50.0)));
        let again: Vehicle = postcard::from_bytes(&postcard::to_stdvec(&vehicle).unwrap()).unwrap();
        assert_eq!(again.twin(), twin);
    }

    #[test]
    fn another_session_begins_another_lap_book() {
        let (mut vehicle, mut outputs) = (Vehicle::default(), Vec::new());
        for s in &mut laps() {
            s.session = Some(SessionId::new("first").unwrap());
            vehicle.apply(s, s.received_at, &mut outputs);
        }
        assert!(vehicle.laps().is_some());
        let mut next = sample(100.0, &[("lap", 4.0), ("speed_mps", 50.0)]);
        next.session = Some(SessionId::new("second").unwrap());
        outputs.clear();
        vehicle.apply(&next, next.received_at, &mut outputs);
        assert!(vehicle.laps().is_none() && outputs.is_empty(), "{outputs:?}");
    }

    #[test]
    fn a_view_of_the_twin_does_not_change_under_its_reader() {
        let mut vehicle = Vehicle::default();
        vehicle.apply(&sample(1.0, &[("rpm", 1.0)]), Timestamp::default(), &mut Vec::new());
        let view = Arc::clone(vehicle.twin());
        vehicle.apply(&sample(2.0, &[("rpm", 2.0)]), Timestamp::default(), &mut Vec::new());
        assert_eq!(view.number("rpm"), Some(1.0));
        assert_eq!(vehicle.twin().number("rpm"), Some(2.0));
    }
}
