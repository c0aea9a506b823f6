//! Follows one track.

use serde::{Deserialize, Serialize};

use super::{
    jump::{JumpFilter, Reach, Verdict},
    kpi::{MotionKpis, OverThreshold},
    smooth::Smoother,
};
use crate::geo::Position;

/// What distance and speed are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeedSource {
    /// Positions: the way from one to the next.
    #[default]
    Position,
    /// The speed the device tells, over time (trapezoids).
    Speed,
}

/// How a track is followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MotionConfig {
    /// What distance and speed are made of.
    pub from: SpeedSource,
    /// Nobody is faster, m/s: what would have to be is a jump. 12 for people, 130 for cars; infinite believes everything.
    pub max_speed_mps: f64,
    /// Noise of a position that is no jump, m.
    pub slack_m: f64,
    /// A longer silence is a gap, s: nothing is counted across it.
    pub max_gap_s: f64,
    /// Positions in the smoothing window (odd), 0 for none.
    pub smooth: usize,
    /// Thresholds for distance and time at speed, m/s.
    pub over_mps: Vec<f64>,
}

impl Default for MotionConfig {
    fn default() -> Self {
        Self { from: SpeedSource::Position, max_speed_mps: 12.0, slack_m: 0.0, max_gap_s: 1.0, smooth: 0, over_mps: vec![5.5, 7.0] }
    }
}

/// One step of the track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MotionStep {
    /// When it ended, µs: half a smoothing window before the newest sample.
    pub at: i64,
    /// Its speed, m/s.
    pub speed_mps: f64,
    /// Distance so far, m.
    pub distance_m: f64,
}

/// Follows one track: jumps out, noise down, distance and speed up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MotionTracker {
    seen: Option<i64>,
    filter: JumpFilter,
    smoother: Smoother,
    last: Option<(i64, Position)>,
    speed: Option<(i64, f64)>,
    kpis: Option<MotionKpis>,
}

impl MotionTracker {
    /// Takes a position and a speed (m/s) at `at`, µs, in the order of time; appends the steps that are certain now.
    pub fn apply(&mut self, config: &MotionConfig, at: i64, position: Option<Position>, speed: Option<f64>, steps: &mut Vec<MotionStep>) {
        let kpis = self.kpis.get_or_insert_with(|| MotionKpis::new(&config.over_mps));
        let fits = match config.from {
            SpeedSource::Position => position.is_some(),
            SpeedSource::Speed => speed.is_some_and(f64::is_finite),
        };
        if !fits {
            return;
        }
        if self.seen.is_some_and(|seen| at <= seen) {
            kpis.late += 1;
            return;
        }
        let gap = self.seen.is_some_and(|seen| at - seen > (config.max_gap_s * 1e6) as i64);
        self.seen = Some(at);
        if gap {
            kpis.gaps += 1;
            self.filter.forget();
            self.speed = None;
            self.break_track(config, steps);
        }
        match (config.from, position, speed) {
            (SpeedSource::Speed, _, Some(speed)) => self.by_speed(config, at, speed, steps),
            (SpeedSource::Position, Some(position), _) => self.by_position(config, at, position, steps),
            _ => {}
        }
    }

    /// The track ends: the steps still in the smoothing window.
    pub fn finish(&mut self, config: &MotionConfig, steps: &mut Vec<MotionStep>) {
        self.break_track(config, steps);
        self.filter.forget();
        self.seen = None;
    }

    /// What adds up so far.
    pub fn kpis(&self) -> MotionKpis {
        self.kpis.clone().unwrap_or_default()
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        self.smoother.heap_bytes() + self.kpis.as_ref().map_or(0, |k| k.over.capacity() * size_of::<OverThreshold>())
    }

    fn by_speed(&mut self, config: &MotionConfig, at: i64, speed: f64, steps: &mut Vec<MotionStep>) {
        let Some(kpis) = &mut self.kpis else { return };
        if !(0.0..=config.max_speed_mps).contains(&speed) {
            kpis.outliers += 1;
            return;
        }
        kpis.samples += 1;
        if let Some((before_at, before)) = self.speed {
            let time_s = (at - before_at) as f64 / 1e6;
            kpis.step(f64::midpoint(before, speed) * time_s, time_s, speed);
            steps.push(MotionStep { at, speed_mps: speed, distance_m: kpis.distance_m });
        } else {
            kpis.max_speed_mps = kpis.max_speed_mps.max(speed);
        }
        self.speed = Some((at, speed));
    }

    fn by_position(&mut self, config: &MotionConfig, at: i64, position: Position, steps: &mut Vec<MotionStep>) {
        let Some(kpis) = &mut self.kpis else { return };
        match self.filter.judge(at, position, &Reach::often_sampled(config.max_speed_mps, config.slack_m)) {
            Verdict::Believed => {}
            Verdict::Held => return,
            Verdict::Outlier => kpis.outliers += 1,
            Verdict::Relocated { from, way_m, .. } => {
                kpis.jumps += 1;
                kpis.jumped_m += way_m;
                self.break_track(config, steps);
                self.smooth(config, from.0, from.1, steps);
            }
            Verdict::Returned { .. } => {
                kpis.jumps += 1;
                self.break_track(config, steps);
            }
        }
        self.smooth(config, at, position, steps);
    }

    fn smooth(&mut self, config: &MotionConfig, at: i64, position: Position, steps: &mut Vec<MotionStep>) {
        if let Some(kpis) = &mut self.kpis {
            kpis.samples += 1;
        }
        let mut smooth = Vec::new();
        self.smoother.push(at, position, config.smooth, &mut smooth);
        self.walk(&smooth, steps);
    }

    fn break_track(&mut self, config: &MotionConfig, steps: &mut Vec<MotionStep>) {
        let mut rest = Vec::new();
        if config.smooth >= 3 {
            self.smoother.end(&mut rest);
        }
        self.walk(&rest, steps);
        self.last = None;
        if let Some(kpis) = &mut self.kpis {
            kpis.breaks();
        }
    }

    fn walk(&mut self, track: &[(i64, Position)], steps: &mut Vec<MotionStep>) {
        let Some(kpis) = &mut self.kpis else { return };
        for (at, position) in track {
            if let Some((before_at, before)) = self.last {
                let time_s = (at - before_at) as f64 / 1e6;
                let way_m = before.distance_m(*position).unwrap_or(0.0);
                let speed_mps = way_m / time_s;
                kpis.step(way_m, time_s, speed_mps);
                steps.push(MotionStep { at: *at, speed_mps, distance_m: kpis.distance_m });
            }
            self.last = Some((*at, *position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Point;

    /// 5 m/s along x at 10 Hz, with `wrong(i)` added.
    fn run(config: &MotionConfig, wrong: impl Fn(i64) -> f64) -> MotionKpis {
        let (mut tracker, mut steps) = (MotionTracker::default(), Vec::new());
        for i in 0..=200_i64 {
            let x = 0.5 * i as f64 + wrong(i);
            tracker.apply(config, i * 100_000, Some(Position::Track(Point::new(x, 0.0))), None, &mut steps);
        }
        tracker.finish(config, &mut steps);
        assert!(steps.windows(2).all(|w| w[0].at < w[1].at));
        tracker.kpis()
    }

    #[test]
    fn a_jump_adds_no_distance_and_no_speed() {
        for smooth in [0, 21] {
            let config = MotionConfig { smooth, ..MotionConfig::default() };
            let clean = run(&config, |_| 0.0);
            assert!((clean.distance_m - 100.0).abs() < 1e-6 && (clean.max_speed_mps - 5.0).abs() < 1e-6, "{clean:?}");
            let outlier = run(&config, |i| if i == 77 { 9.0 } else { 0.0 });
            assert!((outlier.distance_m - 100.0).abs() < 1e-6 && outlier.outliers == 1, "{outlier:?}");
            let moved = run(&config, |i| if i >= 77 { 9.0 } else { 0.0 });
            assert!((moved.distance_m - 99.5).abs() < 1e-6 && moved.jumps == 1, "{moved:?}");
            assert!((moved.jumped_m - 9.5).abs() < 1e-6, "{moved:?}");
            assert!(outlier.max_speed_mps < 5.001 && moved.max_speed_mps < 5.001);
        }
    }

    #[test]
    fn the_same_data_from_the_devices_speed_and_from_positions_agree() {
        let (mut tracker, mut steps) = (MotionTracker::default(), Vec::new());
        let config = MotionConfig { from: SpeedSource::Speed, over_mps: vec![4.0, 6.0], ..MotionConfig::default() };
        for i in 0..=200_i64 {
            tracker.apply(&config, i * 100_000, None, Some(if i == 50 { 99.0 } else { 5.0 }), &mut steps);
        }
        let kpis = tracker.kpis();
        assert!((kpis.distance_m - 100.0).abs() < 1e-6, "{kpis:?}");
        assert_eq!((kpis.outliers, kpis.over[0].bouts, kpis.over[1].bouts), (1, 1, 0));
        assert_eq!(kpis.max_speed_mps, 5.0);
    }

    #[test]
    fn a_gap_is_not_bridged() {
        let (mut tracker, mut steps) = (MotionTracker::default(), Vec::new());
        for (at_s, x) in [(0.0, 0.0), (0.5, 2.0), (60.0, 30.0), (60.5, 32.0), (60.2, 0.0)] {
            let at = (at_s * 1e6) as i64;
            tracker.apply(&MotionConfig::default(), at, Some(Position::Track(Point::new(x, 0.0))), None, &mut steps);
        }
        let kpis = tracker.kpis();
        assert_eq!((kpis.distance_m, kpis.gaps, kpis.late), (4.0, 1, 1));
    }
}
