//! The circuit.

use std::f64::consts::{PI, TAU};

/// Distance between the track's points, m (about: the circuit is divided evenly).
const SPACING_M: f64 = 2.0;

/// Corner points of the circuit, m, driven in this order; the line is in the middle of the first side.
const CORNERS: [(f64, f64); 14] = [
    (0.0, 0.0),
    (950.0, 0.0),
    (1_080.0, 150.0),
    (960.0, 330.0),
    (1_160.0, 560.0),
    (1_010.0, 820.0),
    (640.0, 770.0),
    (530.0, 560.0),
    (350.0, 640.0),
    (180.0, 930.0),
    (-130.0, 960.0),
    (-240.0, 760.0),
    (-60.0, 480.0),
    (-250.0, 190.0),
];

/// How softly the corners are driven, m: the standard deviation of the rounding.
const ROUNDING_M: f64 = 36.0;

/// Curvature from which a bend counts as a corner, 1/m.
const CORNER_CURVATURE: f64 = 1.0 / 220.0;

/// A closed circuit: its centre line by distance, and where its corners are.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    length_m: f64,
    spacing_m: f64,
    points: Vec<TrackPoint>,
    apexes: Vec<usize>,
}

/// One place of the circuit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackPoint {
    /// East, m.
    pub x_m: f64,
    /// North, m.
    pub y_m: f64,
    /// Direction of travel, rad, from east towards north; goes on growing or falling along the lap.
    pub heading: f64,
    /// Curvature, 1/m, positive to the left.
    pub curvature: f64,
}

/// Half the width of the track, m.
pub const HALF_WIDTH_M: f64 = 6.0;

impl Default for Track {
    fn default() -> Self {
        Self::new()
    }
}

impl Track {
    /// The one circuit all simulated cars drive: 4 to 5 km, both ways of corners.
    pub fn new() -> Self {
        let rounded = round(&evenly(&CORNERS.map(|(x, y)| [x, y]), 1.0).0, ROUNDING_M);
        let (line, spacing_m) = evenly(&rounded, SPACING_M);
        let points = measure(&line, spacing_m);
        let apexes = apexes(&points);
        Self { length_m: spacing_m * points.len() as f64, spacing_m, points, apexes }
    }

    /// Length of a lap, m.
    pub const fn length_m(&self) -> f64 {
        self.length_m
    }

    /// Distance between points, m.
    pub const fn spacing_m(&self) -> f64 {
        self.spacing_m
    }

    /// The points, from the line on.
    pub fn points(&self) -> &[TrackPoint] {
        &self.points
    }

    /// Distances of the corners' apexes from the line, m, in driving order.
    pub fn apexes_m(&self) -> impl Iterator<Item = f64> + '_ {
        self.apexes.iter().map(|i| *i as f64 * self.spacing_m)
    }

    /// Points of the corners' apexes.
    pub(super) fn apex_points(&self) -> &[usize] {
        &self.apexes
    }

    /// The place `dist_m` after the line.
    pub fn at(&self, dist_m: f64) -> TrackPoint {
        let (mut place, lap) = (dist_m / self.spacing_m, self.points.len() as f64);
        if !(0.0..lap).contains(&place) {
            place = place.rem_euclid(lap);
        }
        let i = (place as usize).min(self.points.len() - 1);
        let f = place - i as f64;
        let (a, wraps) = (self.points[i], i + 1 == self.points.len());
        let mut b = self.points[if wraps { 0 } else { i + 1 }];
        if wraps {
            b.heading += ((a.heading - b.heading) / TAU).round() * TAU;
        }
        let mix = |p: f64, q: f64| p + (q - p) * f;
        TrackPoint {
            x_m: mix(a.x_m, b.x_m),
            y_m: mix(a.y_m, b.y_m),
            heading: mix(a.heading, b.heading),
            curvature: mix(a.curvature, b.curvature),
        }
    }
}

/// Divides a closed polygon into equal steps of about `spacing`, from the middle of its first side
/// when it is a coarse one, else from its first point. Returns the points and the exact step.
fn evenly(polygon: &[[f64; 2]], spacing: f64) -> (Vec<[f64; 2]>, f64) {
    let corners = polygon.len();
    let side = |i: usize| {
        let (from, to) = (polygon[i % corners], polygon[(i + 1) % corners]);
        (from, to, (to[0] - from[0]).hypot(to[1] - from[1]))
    };
    let length: f64 = (0..corners).map(|i| side(i).2).sum();
    let count = (length / spacing).round().max(3.0);
    let step = length / count;
    let offset = if corners < 100 { side(0).2 / 2.0 } else { 0.0 };
    let mut points = Vec::with_capacity(count as usize);
    let (mut at_side, mut begun) = (0, 0.0);
    for i in 0..count as usize {
        let at = offset + step * i as f64;
        while at >= begun + side(at_side).2 {
            begun += side(at_side).2;
            at_side += 1;
        }
        let (from, to, len) = side(at_side);
        let share = (at - begun) / len;
        points.push([from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share]);
    }
    (points, step)
}

/// Convolves a closed line of 1 m steps with a Gaussian: straights stay straight, corners get a
/// curvature that comes and goes smoothly.
fn round(line: &[[f64; 2]], sigma: f64) -> Vec<[f64; 2]> {
    let reach = (4.0 * sigma) as usize;
    let weights: Vec<f64> = (0..=2 * reach).map(|i| (-0.5 * ((i as f64 - reach as f64) / sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let n = line.len();
    (0..n)
        .map(|i| {
            let mut sum = [0.0; 2];
            for (k, w) in weights.iter().enumerate() {
                let p = line[(i + n + k - reach) % n];
                sum[0] += p[0] * w;
                sum[1] += p[1] * w;
            }
            [sum[0] / total, sum[1] / total]
        })
        .collect()
}

fn measure(line: &[[f64; 2]], spacing: f64) -> Vec<TrackPoint> {
    let n = line.len();
    let direction = |i: usize| {
        let (a, b) = (line[(i + n - 1) % n], line[(i + 1) % n]);
        (b[1] - a[1]).atan2(b[0] - a[0])
    };
    let mut heading = direction(0);
    let mut points: Vec<TrackPoint> = (0..n)
        .map(|i| {
            heading += turn(heading, direction(i));
            TrackPoint { x_m: line[i][0], y_m: line[i][1], heading, curvature: 0.0 }
        })
        .collect();
    for i in 0..n {
        let (before, after) = (points[(i + n - 1) % n].heading, points[(i + 1) % n].heading);
        points[i].curvature = turn(before, after) / (2.0 * spacing);
    }
    points
}

/// The smallest turn from one direction to another, rad.
fn turn(from: f64, to: f64) -> f64 {
    (to - from + PI).rem_euclid(TAU) - PI
}

/// Local maxima of curvature, at least 60 m apart.
fn apexes(points: &[TrackPoint]) -> Vec<usize> {
    let n = points.len();
    let bend = |i: usize| points[i % n].curvature.abs();
    let reach = (30.0 / SPACING_M) as usize;
    (0..n).filter(|i| bend(*i) > CORNER_CURVATURE && (1..=reach).all(|k| bend(i + k) <= bend(*i) && bend(i + n - k) < bend(*i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_is_closed_and_smooth_and_has_corners_both_ways() {
        let track = Track::new();
        assert!((4_000.0..5_000.0).contains(&track.length_m()), "{} m", track.length_m());
        let n = track.points().len();
        for i in 0..n {
            let (a, b) = (track.points()[i], track.points()[(i + 1) % n]);
            let step = (b.x_m - a.x_m).hypot(b.y_m - a.y_m);
            assert!((step - track.spacing_m()).abs() < 0.05, "{step} m at {i}");
            assert!((b.curvature - a.curvature).abs() < 0.004, "curvature jumps at {i}");
            assert!(a.curvature.abs() < 1.0 / (HALF_WIDTH_M * 1.5), "too tight at {i}: {}", a.curvature);
        }
        let sides: Vec<_> = track.apex_points().iter().map(|i| track.points()[*i].curvature > 0.0).collect();
        assert!(sides.len() >= 8 && sides.contains(&true) && sides.contains(&false), "{sides:?}");
        let first = track.apexes_m().next().unwrap();
        assert!(first > 300.0, "first corner {first} m after the line");
    }
}
