//! Records a running lap by distance.

use crate::{
    laps::book::{LapTrace, TracePoint, between},
    signals::{Reading, Role},
    vehicle::LapTime,
};
use serde::{Deserialize, Serialize};

/// Distance between points, m, doubled where a lap would need more than [`MAX_POINTS`].
pub const FIRST_STEP_M: f64 = 5.0;

/// Most points of one lap.
pub const MAX_POINTS: usize = 1_200;

/// A longer silence leaves a hole in the lap, s.
const HOLE_S: f64 = 3.0;

/// No car is faster, m/s: a greater distance is the source's distance from another lap.
const TOP_SPEED_MPS: f64 = 130.0;

/// A distance may go back this far by rounding, m.
const BACK_M: f64 = 20.0;

/// The newest known channels: what a sample leaves out goes on as it was.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Channels {
    speed: f32,
    throttle: f32,
    brake: f32,
    x: f32,
    y: f32,
}

impl Default for Channels {
    fn default() -> Self {
        Self { speed: f32::NAN, throttle: f32::NAN, brake: f32::NAN, x: f32::NAN, y: f32::NAN }
    }
}

impl Channels {
    pub(super) fn update(&mut self, reading: &Reading) {
        let set = |field: &mut f32, role| {
            if let Some(value) = reading.get(role) {
                *field = value as f32;
            }
        };
        if reading.get(Role::Speed).is_some_and(|v| (0.0..=TOP_SPEED_MPS).contains(&v)) {
            set(&mut self.speed, Role::Speed);
        }
        set(&mut self.throttle, Role::Throttle);
        // Pressure first, so that a source that tells both is taken at its percentage.
        set(&mut self.brake, Role::BrakePressure);
        set(&mut self.brake, Role::Brake);
        set(&mut self.x, Role::X);
        set(&mut self.y, Role::Y);
    }

    pub(super) const fn has_speed(&self) -> bool {
        !self.speed.is_nan()
    }

    const fn point(&self, time_s: f64) -> TracePoint {
        TracePoint {
            time_s: time_s as f32,
            speed_mps: self.speed,
            throttle_pct: self.throttle,
            brake: self.brake,
            x_m: self.x,
            y_m: self.y,
        }
    }
}

/// The running lap. Points are set while driving, so nothing but the result is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Recorder {
    start: i64,
    step_m: f64,
    points: Vec<TracePoint>,
    last: Option<(f64, TracePoint)>,
    last_time_s: f64,
    hole: bool,
}

impl Recorder {
    /// A lap that began at `start`, µs; about as long as one of `expected` points.
    pub(super) fn new(start: i64, expected: usize) -> Self {
        let points = Vec::with_capacity(expected.min(MAX_POINTS));
        Self { start, step_m: FIRST_STEP_M, points, last: None, last_time_s: 0.0, hole: false }
    }

    /// How many points it holds.
    pub(super) fn points(&self) -> usize {
        self.points.len()
    }

    /// Memory held beside the value itself, bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.points.capacity() * size_of::<TracePoint>()
    }

    /// How far the lap has come, m.
    pub(super) fn distance_m(&self) -> f64 {
        self.last.map_or(0.0, |(dist, _)| dist)
    }

    /// Takes the channels at `now`, µs, in.
    pub(super) fn take(&mut self, now: i64, reading: &Reading, channels: &Channels) {
        let time_s = (now - self.start) as f64 / 1e6;
        let moved = reading.get(Role::Speed).is_some() || reading.get(Role::LapDist).is_some();
        if !moved || !channels.has_speed() {
            return;
        }
        let point = channels.point(time_s);
        let Some((dist, before)) = self.last else {
            let driven = f64::from(point.speed_mps) * time_s;
            let dist = measured(reading, time_s, 0.0).unwrap_or(driven);
            self.last = Some((0.0, channels.point(0.0)));
            self.advance(dist, point, time_s);
            return;
        };
        if time_s <= self.last_time_s {
            return;
        }
        let driven = f64::from(before.speed_mps + point.speed_mps) / 2.0 * (time_s - self.last_time_s);
        let next = measured(reading, time_s, dist).unwrap_or(dist + driven);
        self.advance(next, point, time_s);
    }

    fn advance(&mut self, dist: f64, point: TracePoint, time_s: f64) {
        let Some((before_m, before)) = self.last else { return };
        self.hole |= time_s - self.last_time_s > HOLE_S;
        loop {
            let next = self.points.len() as f64 * self.step_m;
            if next > dist {
                break;
            }
            let span = dist - before_m;
            let f = if span > 0.0 { ((next - before_m) / span).clamp(0.0, 1.0) } else { 1.0 };
            self.points.push(between(&before, &point, f as f32));
            if self.points.len() > MAX_POINTS {
                self.thin();
            }
        }
        self.last = Some((dist, point));
        self.last_time_s = time_s;
    }

    /// Keeps every other point.
    fn thin(&mut self) {
        let mut even = false;
        self.points.retain(|_| {
            even = !even;
            even
        });
        self.step_m *= 2.0;
    }

    /// The whole lap, unless a part of it is missing.
    pub(super) fn finish(mut self, lap: LapTime) -> Option<LapTrace> {
        let (dist, mut point) = self.last?;
        let rest_s = lap.time_s - self.last_time_s;
        if rest_s > 0.0 {
            point.time_s = lap.time_s as f32;
            self.advance(dist + f64::from(point.speed_mps) * rest_s, point, lap.time_s);
        }
        let (length_m, _) = self.last?;
        // Fewer points have no corners; the counter of a standing car goes up, too.
        if self.hole || self.points.len() < 20 {
            return None;
        }
        self.points.shrink_to_fit();
        Some(LapTrace { lap: lap.lap, time_s: lap.time_s, length_m, step_m: self.step_m, points: self.points })
    }
}

/// The source's own distance, where it can be of this lap.
fn measured(reading: &Reading, time_s: f64, before: f64) -> Option<f64> {
    let dist = reading.get(Role::LapDist)?;
    let reachable = 60.0 + time_s * TOP_SPEED_MPS;
    (dist >= before - BACK_M && (0.0..=reachable).contains(&dist)).then(|| dist.max(before))
}

#[cfg(test)]
mod tests {
    use slipstream_protocol::SignalValue;

    use super::*;
    use crate::signals::meaning;

    fn reading(signals: &[(&str, f64)]) -> Reading {
        let mut reading = Reading::default();
        for (name, value) in signals {
            reading.set(meaning(name).unwrap(), &SignalValue::Number(*value));
        }
        reading
    }

    /// Drives `seconds` at 50 m/s, told ten times a second but for the times in `silent`, s.
    fn drive(seconds: u32, silent: std::ops::Range<f64>, with_distance: bool) -> Option<LapTrace> {
        let (mut recorder, mut channels) = (Recorder::new(0, 0), Channels::default());
        for i in 0..seconds * 10 {
            let t = f64::from(i) / 10.0;
            if silent.contains(&t) {
                continue;
            }
            let mut told = vec![("speed_mps", 50.0), ("throttle_pct", t)];
            if with_distance {
                told.push(("lap_dist_m", t * 50.0));
            }
            let told = reading(&told);
            channels.update(&told);
            recorder.take((t * 1e6) as i64, &told, &channels);
        }
        recorder.finish(LapTime { lap: 1, time_s: f64::from(seconds) })
    }

    #[test]
    fn points_lie_evenly_along_the_lap_with_or_without_the_sources_distance() {
        for with_distance in [true, false] {
            let lap = drive(60, 0.0..0.0, with_distance).unwrap();
            assert!((lap.length_m - 3_000.0).abs() < 1.0, "{}", lap.length_m);
            // The last point is the line itself, where rounding lets the lap reach it.
            assert!((600..=601).contains(&lap.points.len()) && lap.step_m == FIRST_STEP_M, "{}", lap.points.len());
            for (i, p) in lap.points.iter().enumerate() {
                assert!((f64::from(p.time_s) - i as f64 * 0.1).abs() < 1e-3, "{i}: {p:?}");
            }
        }
    }

    #[test]
    fn a_long_lap_is_thinned_instead_of_growing() {
        let lap = drive(900, 0.0..0.0, true).unwrap();
        assert!(lap.points.len() <= MAX_POINTS, "{}", lap.points.len());
        assert!(lap.points.len() as f64 * lap.step_m > 44_000.0, "{} m apart", lap.step_m);
        let middle = lap.at(22_500.0).unwrap();
        assert!((middle.time_s - 450.0).abs() < 0.5, "{middle:?}");
    }

    #[test]
    fn a_lap_with_a_hole_is_no_lap_to_compare_with() {
        assert!(drive(60, 20.0..22.0, true).is_some());
        assert!(drive(60, 20.0..25.0, true).is_none());
    }

    #[test]
    fn a_distance_of_the_lap_before_is_not_believed() {
        let (mut recorder, mut channels) = (Recorder::new(0, 0), Channels::default());
        for i in 0..600_u32 {
            let t = f64::from(i) / 10.0;
            // The source's distance falls back to zero two seconds after its lap counter went up.
            let dist = if t < 2.0 { 3_700.0 + t * 50.0 } else { t * 50.0 };
            let told = reading(&[("speed_mps", 50.0), ("lap_dist_m", dist)]);
            channels.update(&told);
            recorder.take((t * 1e6) as i64, &told, &channels);
        }
        let lap = recorder.finish(LapTime { lap: 1, time_s: 60.0 }).unwrap();
        assert!((lap.length_m - 3_000.0).abs() < 1.0, "{}", lap.length_m);
    }
}
