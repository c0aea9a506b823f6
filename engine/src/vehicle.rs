//! A vehicle: what its actor thinks with.

use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

use slipstream_protocol::{Sample, SessionId, Timestamp};

use crate::{
    laps::{LapBook, LapTracker},
    signals::{Reader, Role, meaning},
    twin::{Twin, same_session},
};

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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Vehicle {
    twin: Arc<Twin>,
    laps: Option<Arc<LapBook>>,
    driving: Option<Box<Driving>>,
    touched: Timestamp,
}

/// What only vehicles that count laps need.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Driving {
    #[serde(skip)]
    reader: Reader,
    tracker: LapTracker,
}

impl Vehicle {
    /// Takes one sample in; appends what it told to `outputs`. `now` is the server's time.
    pub fn apply(&mut self, sample: &Sample, now: Timestamp, outputs: &mut Vec<Output>) {
        self.touched = now;
        let twin = Arc::make_mut(&mut self.twin);
        let known = twin.signals.len();
        if known == 0 {
            twin.signals.reserve_exact(sample.signals.len());
        }
        let session_changes =
            twin.session.is_some() && sample.session.is_some() && !same_session(twin.session.as_ref(), sample.session.as_ref());
        let late = twin.apply(sample);
        if self.driving.is_none() && twin.signals[known..].iter().any(|s| meaning(&s.name).is_some_and(|m| m.role == Role::Lap)) {
            self.driving = Some(Box::default());
        }
        if late {
            return;
        }
        let Some(driving) = &mut self.driving else { return };
        if session_changes {
            // Another session may be another track, and counts its laps anew.
            driving.tracker = LapTracker::default();
            self.laps = None;
        }
        let reading = driving.reader.read(sample);
        if let Some(lap) = driving.tracker.take(sample.source_time, &reading, &mut self.laps) {
            if let (Some(book), Some(session)) = (&mut self.laps, &sample.session)
                && book.session() != Some(session)
            {
                Arc::make_mut(book).drive_in(session.clone());
            }
            outputs.push(Output::LapCompleted { session: sample.session.clone(), lap });
        }
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
        size_of::<Self>() + self.driving.as_ref().map_or(0, |d| size_of::<Driving>() + d.reader.heap_bytes() + d.tracker.heap_bytes())
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
            driving.reader = Reader::default();
            if now.since(self.touched) >= PARTIAL_LAP_KEPT {
                driving.tracker.drop_partial();
            }
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
        let bytes = size_of::<Vehicle>() + size_of::<Driving>() + driving.reader.heap_bytes() + size_of::<Twin>() + 16;
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
