//! A session: its leaderboard and its numbers.

mod distance;

use serde::{Deserialize, Serialize};
use std::{cmp::Ordering, collections::BTreeMap};

use slipstream_protocol::{
    Sample, Timestamp, VehicleId,
    server::{SessionMetrics, Standing},
};

use self::distance::Distance;
use crate::{
    newest::{Newest, SavedNewest},
    signals::{Reader, Role},
    vehicle::Output,
};

/// A greater speed is a broken value, m/s.
pub const MAX_SPEED_MPS: f64 = 200.0;

/// Everything known about one session.
///
/// Speeds and positions count once per member and source time, in the order of source time: late and repeated
/// samples change neither distance, nor mean or top speed. Where speed is missing or rare, distance is that of positions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Session {
    members: BTreeMap<VehicleId, Member>,
    #[serde(skip)]
    reader: Reader,
    samples: u64,
    laps: u32,
    newest: Timestamp,
    speed_sum: f64,
    speed_count: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Member {
    newest: SavedNewest,
    lap: Option<u32>,
    laps: u32,
    best_s: Option<f64>,
    last_s: Option<f64>,
    top_mps: f64,
    distance: Distance,
}

/// A [`Session`] as snapshots of version 4 hold it: distance is that of speeds alone.
#[derive(Deserialize)]
pub struct SessionOfVersion4 {
    members: BTreeMap<VehicleId, MemberOfVersion4>,
    samples: u64,
    laps: u32,
    newest: Timestamp,
    speed_sum: f64,
    speed_count: u64,
}

#[derive(Deserialize)]
struct MemberOfVersion4 {
    newest: SavedNewest,
    lap: Option<u32>,
    laps: u32,
    best_s: Option<f64>,
    last_s: Option<f64>,
    speed: Option<(Timestamp, f64)>,
    top_mps: f64,
    distance_m: f64,
}

impl From<MemberOfVersion4> for Member {
    fn from(old: MemberOfVersion4) -> Self {
        let MemberOfVersion4 { newest, lap, laps, best_s, last_s, speed, top_mps, distance_m } = old;
        let distance = Distance::resume(distance_m, speed.map(|(at, speed_mps)| (at.micros(), speed_mps)));
        Self { newest, lap, laps, best_s, last_s, top_mps, distance }
    }
}

impl From<SessionOfVersion4> for Session {
    fn from(old: SessionOfVersion4) -> Self {
        let SessionOfVersion4 { members, samples, laps, newest, speed_sum, speed_count } = old;
        let members = members.into_iter().map(|(id, member)| (id, member.into())).collect();
        Self { members, reader: Reader::default(), samples, laps, newest, speed_sum, speed_count }
    }
}

impl Session {
    /// Takes one sample of a member in. O(log members), no allocation in the steady state.
    pub fn apply(&mut self, sample: &Sample) {
        self.samples += 1;
        self.newest = self.newest.max(sample.order().0);
        let reading = self.reader.read(sample);
        if !self.members.contains_key(&sample.vehicle) {
            self.members.insert(sample.vehicle.clone(), Member::default());
        }
        let Some(member) = self.members.get_mut(&sample.vehicle) else { return };
        let time = sample.source_time;
        let newest = member.newest.get();
        let is_newest = newest.is_none_or(|newest| !newest.is_not_before(sample));
        if newest.is_none_or(|newest| !newest.is_behind(sample)) {
            member.newest = SavedNewest::Sample(Newest::of(sample));
            member.lap = reading.lap_number().or(member.lap);
        }
        if is_newest {
            member.distance.forget_later(time.micros());
        }
        if let Some(position) = reading.position() {
            member.distance.position(time.micros(), position, MAX_SPEED_MPS);
        }
        if let Some(speed) = reading.get(Role::Speed).filter(|v| (0.0..=MAX_SPEED_MPS).contains(v))
            && member.distance.speed(time.micros(), speed)
        {
            member.top_mps = member.top_mps.max(speed);
            self.speed_sum += speed;
            self.speed_count += 1;
        }
    }

    /// Counts a sample of a member whose clock is ahead ([`Sample::is_ahead`]).
    pub const fn apply_ahead(&mut self) {
        self.samples += 1;
    }

    /// Takes in what applying a sample told about a member.
    pub fn note(&mut self, vehicle: &VehicleId, output: &Output) {
        let Output::LapCompleted { lap, .. } = output;
        if !self.members.contains_key(vehicle) {
            self.members.insert(vehicle.clone(), Member::default());
        }
        let Some(member) = self.members.get_mut(vehicle) else { return };
        member.laps += 1;
        self.laps += 1;
        member.last_s = Some(lap.time_s);
        member.best_s = Some(member.best_s.map_or(lap.time_s, |best| best.min(lap.time_s)));
    }

    /// The numbers now. The leaderboard is by best lap, then laps, then distance, then id.
    pub fn metrics(&self) -> SessionMetrics {
        let mut order: Vec<_> = self.members.iter().collect();
        order.sort_by(|a, b| rank(a.1, b.1).then_with(|| a.0.cmp(b.0)));
        let leader = order.first().and_then(|(id, m)| m.best_s.map(|best| ((*id).clone(), best)));
        let best = leader.as_ref().map(|(_, best)| *best);
        let leaderboard = order.iter().enumerate().map(|(i, (id, m))| standing(i, id, m, best)).collect();
        SessionMetrics {
            leaderboard,
            vehicles: self.members.len() as u32,
            samples: self.samples,
            laps: self.laps,
            best_lap_s: best,
            best_lap_vehicle: leader.map(|(id, _)| id),
            top_speed_mps: self.members.values().map(|m| m.top_mps).fold(0.0, f64::max),
            mean_speed_mps: if self.speed_count == 0 { 0.0 } else { self.speed_sum / self.speed_count as f64 },
            distance_m: self.members.values().map(|m| m.distance.metres()).sum(),
        }
    }

    /// Source time of the newest sample.
    pub const fn newest(&self) -> Timestamp {
        self.newest
    }
}

fn rank(a: &Member, b: &Member) -> Ordering {
    let best = |m: &Member| m.best_s.unwrap_or(f64::INFINITY);
    best(a).total_cmp(&best(b)).then_with(|| b.laps.cmp(&a.laps)).then_with(|| b.distance.metres().total_cmp(&a.distance.metres()))
}

fn standing(i: usize, id: &VehicleId, m: &Member, leader: Option<f64>) -> Standing {
    Standing {
        position: i as u32 + 1,
        vehicle_id: id.clone(),
        lap: m.lap,
        laps: m.laps,
        best_lap_s: m.best_s,
        last_lap_s: m.last_s,
        gap_s: m.best_s.zip(leader).map(|(best, leader)| best - leader),
        speed_mps: m.distance.speed_mps(),
        // Of a member that reports positions alone both are unknown.
        top_speed_mps: (m.top_mps > 0.0 || m.distance.speed_mps().is_some()).then_some(m.top_mps),
        distance_m: m.distance.metres(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use slipstream_protocol::{Quality, Signal, SignalValue};

    use super::*;
    use crate::vehicle::LapTime;

    fn sample(vehicle: &str, time_ms: i64, speed: f64) -> Sample {
        Sample {
            vehicle: VehicleId::new(vehicle).unwrap(),
            session: None,
            fleet: None,
            seq: None,
            source_time: Timestamp::from_millis(time_ms),
            received_at: Timestamp::from_millis(time_ms),
            quality: Quality::Good,
            signals: vec![Signal { name: "speed_mps".into(), value: SignalValue::Number(speed) }],
            raw: None,
        }
    }

    fn lap(time_s: f64) -> Output {
        Output::LapCompleted { session: None, lap: LapTime { lap: 1, time_s } }
    }

    #[test]
    fn the_leaderboard_is_by_best_lap_then_laps_then_distance() {
        let mut session = Session::default();
        for (id, speed) in [("slow", 10.0), ("fast", 10.0), ("none", 10.0), ("far", 20.0)] {
            session.apply(&sample(id, 0, speed));
            session.apply(&sample(id, 1_000, speed));
        }
        for (id, time) in [("slow", 91.0), ("fast", 92.0), ("fast", 90.0)] {
            session.note(&VehicleId::new(id).unwrap(), &lap(time));
        }
        let metrics = session.metrics();
        let order: Vec<_> = metrics.leaderboard.iter().map(|s| s.vehicle_id.as_str()).collect();
        assert_eq!(order, ["fast", "slow", "far", "none"]);
        assert_eq!(metrics.leaderboard[1].gap_s, Some(1.0));
        assert_eq!(metrics.leaderboard[2].gap_s, None);
        assert_eq!((metrics.best_lap_s, metrics.laps), (Some(90.0), 3));
        assert_eq!(metrics.best_lap_vehicle.unwrap().as_str(), "fast");
        assert!((metrics.distance_m - 50.0).abs() < 1e-9);
        assert!((metrics.mean_speed_mps - 12.5).abs() < 1e-9);
        assert!((metrics.top_speed_mps - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_member_that_tells_positions_only_covers_distance() {
        let mut session = Session::default();
        for s in 0..=60_i32 {
            let mut told = sample("gps", i64::from(s) * 1_000, 0.0);
            let place = [("lat", 48.0), ("lon", 11.0 + f64::from(s) * 40.0 / (111_194.926_644 * 48.0_f64.to_radians().cos()))];
            told.signals = place.iter().map(|(name, v)| Signal { name: (*name).into(), value: SignalValue::Number(*v) }).collect();
            session.apply(&told);
        }
        let metrics = session.metrics();
        assert!((metrics.distance_m - 2_400.0).abs() < 1.0, "{}", metrics.distance_m);
        assert!((metrics.leaderboard[0].distance_m - metrics.distance_m).abs() < 1e-9);
        assert_eq!((metrics.leaderboard[0].speed_mps, metrics.leaderboard[0].top_speed_mps), (None, None));
    }

    proptest! {
        #[test]
        fn repeated_and_late_copies_change_nothing_but_the_count(
            speeds in prop::collection::vec((0_usize..3, 0.0_f64..100.0), 1..60), copies in prop::collection::vec(0_usize..60, 0..40)
        ) {
            let ids = ["a", "b", "c"];
            let (mut once, mut often) = (Session::default(), Session::default());
            for (i, (who, speed)) in speeds.iter().enumerate() {
                let s = sample(ids[*who], i as i64 * 100, *speed);
                once.apply(&s);
                often.apply(&s);
                for copy in copies.iter().filter(|c| **c <= i && **c + 7 > i) {
                    let (who, speed) = speeds[*copy];
                    often.apply(&sample(ids[who], *copy as i64 * 100, speed));
                }
            }
            let (expected, mut told) = (once.metrics(), often.metrics());
            told.samples = expected.samples;
            prop_assert_eq!(told, expected);
        }
    }
}
