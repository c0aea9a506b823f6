//! Where on a recorded lap a position is.

use super::book::LapTrace;
use crate::geo::Point;

/// A position on a lap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnLap {
    /// Distance along the recorded lap, m.
    pub dist_m: f64,
    /// Distance from its line, m.
    pub aside_m: f64,
}

impl LapTrace {
    /// The place on this lap nearest to `position` among those within `reach_m` along the lap of
    /// `around_m`, so that a track that passes near itself does not lead astray.
    pub fn nearest(&self, position: Point, around_m: f64, reach_m: f64) -> Option<OnLap> {
        let last = self.points.len().checked_sub(2)?;
        let index = |dist: f64| ((dist / self.step_m).max(0.0) as usize).min(last);
        let (from, to) = (index(around_m - reach_m), index(around_m + reach_m));
        (from..=to)
            .filter_map(|i| {
                let (a, b) = (self.point(i)?, self.point(i + 1)?);
                let (f, aside_m) = foot(position, a, b);
                Some(OnLap { dist_m: (i as f64 + f) * self.step_m, aside_m })
            })
            .min_by(|a, b| a.aside_m.total_cmp(&b.aside_m))
    }

    fn point(&self, i: usize) -> Option<Point> {
        let p = self.points.get(i)?;
        (p.x_m.is_finite() && p.y_m.is_finite()).then(|| Point::new(f64::from(p.x_m), f64::from(p.y_m)))
    }
}

/// The foot of `p` on the way from `a` to `b`: as a fraction of it, and how far `p` is from it, m.
fn foot(p: Point, a: Point, b: Point) -> (f64, f64) {
    let (dx, dy) = (b.x_m - a.x_m, b.y_m - a.y_m);
    let square = dx * dx + dy * dy;
    let f = if square > 0.0 { (((p.x_m - a.x_m) * dx + (p.y_m - a.y_m) * dy) / square).clamp(0.0, 1.0) } else { 0.0 };
    (f, a.toward(b, f).distance_m(p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laps::TracePoint;

    /// There and back, 4 m apart: 500 m east, then west.
    fn hairpin() -> LapTrace {
        let points = (0..=200)
            .map(|i| {
                let (x_m, y_m) = if i <= 100 { (i as f32 * 5.0, 0.0) } else { ((200 - i) as f32 * 5.0, 4.0) };
                TracePoint { time_s: i as f32 * 0.1, speed_mps: 50.0, throttle_pct: 0.0, brake: 0.0, x_m, y_m }
            })
            .collect();
        LapTrace { lap: 1, time_s: 20.0, length_m: 1_000.0, step_m: 5.0, points }
    }

    #[test]
    fn the_place_on_the_lap_is_the_near_one_of_the_right_leg() {
        let lap = hairpin();
        let out = lap.nearest(Point::new(102.0, 2.5), 100.0, 60.0).unwrap();
        assert!((out.dist_m - 102.0).abs() < 1e-3 && (out.aside_m - 2.5).abs() < 1e-3, "{out:?}");
        let home = lap.nearest(Point::new(102.0, 2.5), 900.0, 60.0).unwrap();
        assert!((home.dist_m - 898.0).abs() < 1e-3 && (home.aside_m - 1.5).abs() < 1e-3, "{home:?}");
    }
}
