//! One driver's plan for one lap: the speed at every point of the circuit.

use rand::Rng;

use super::{
    car::{Car, TOP_SPEED_MPS},
    track::Track,
};

/// How one corner is driven on one lap.
#[derive(Clone, Copy, Debug)]
struct Corner {
    /// Share of the lateral grip used.
    grip: f64,
    /// Share of the braking grip used: less means an earlier brake point.
    braking: f64,
    /// From the apex to the throttle, m.
    pickup_m: f64,
}

/// A driver's lasting traits.
#[derive(Clone, Debug)]
pub(super) struct Driver {
    corners: Vec<Corner>,
    /// How much corners differ from lap to lap, 0 to 1.
    spread: f64,
}

impl Driver {
    /// Draws a driver for a circuit of so many corners.
    pub(super) fn draw(rng: &mut impl Rng, corners: usize) -> Self {
        let skill = 0.955 + 0.012 * normal(rng);
        let corners = (0..corners)
            .map(|_| Corner {
                grip: (skill + 0.015 * normal(rng)).clamp(0.85, 0.99),
                braking: (0.93 * skill + 0.03 * normal(rng)).clamp(0.7, 0.97),
                pickup_m: (8.0 + 5.0 * normal(rng)).clamp(0.0, 25.0),
            })
            .collect();
        Self { corners, spread: rng.random_range(0.5..1.0) }
    }

    /// How the corners are driven this lap: earlier or later, faster or slower, each for itself.
    fn corners(&self, rng: &mut impl Rng) -> Vec<Corner> {
        let spread = self.spread;
        self.corners
            .iter()
            .map(|c| Corner {
                grip: (c.grip + 0.014 * spread * normal(rng)).clamp(0.82, 0.995),
                braking: (c.braking + 0.045 * spread * normal(rng)).clamp(0.6, 0.98),
                pickup_m: (c.pickup_m + 7.0 * spread * normal(rng)).clamp(0.0, 40.0),
            })
            .collect()
    }
}

/// The speed at each of the track's points, m/s.
#[derive(Clone, Debug, Default)]
pub(super) struct LapPlan {
    speeds: Vec<f32>,
}

impl LapPlan {
    /// Plans a lap that enters at `entry` m/s; `None`: as a flying lap would.
    ///
    /// First the speed each point's lateral grip allows, then forward with what the engine and the
    /// grip left by the bend can give, then backward with what the brakes and that grip can take.
    pub(super) fn plan(&mut self, track: &Track, car: &Car, driver: &Driver, entry: Option<f64>, rng: &mut impl Rng) {
        let corners = driver.corners(rng);
        let points = track.points();
        let owner = Owner::new(track);
        self.speeds.clear();
        self.speeds.extend(points.iter().enumerate().map(|(i, p)| {
            let grip = owner.of(i).map_or(1.0, |(c, _)| corners[c].grip);
            corner_speed(car, p.curvature.abs(), grip) as f32
        }));
        let spacing = track.spacing_m();
        let mut speed = entry.unwrap_or_else(|| f64::from(self.speeds[0]).min(TOP_SPEED_MPS * 0.85));
        for (i, p) in points.iter().enumerate() {
            let allowed = f64::from(self.speeds[i]);
            speed = speed.min(allowed);
            self.speeds[i] = speed as f32;
            let coasts = owner.of(i).is_some_and(|(c, after_m)| after_m >= 0.0 && after_m < corners[c].pickup_m);
            let drive = if coasts { 0.0 } else { car.forward(speed).min(left(car.braking(speed), p.curvature, speed, car)) };
            speed = (speed * speed + 2.0 * drive * spacing).max(1.0).sqrt().min(TOP_SPEED_MPS);
        }
        let mut speed = f64::from(self.speeds[points.len() - 1]);
        for i in (0..points.len()).rev() {
            speed = speed.min(f64::from(self.speeds[i]));
            self.speeds[i] = speed as f32;
            let braking = owner.next(i).map_or(0.9, |c| corners[c].braking);
            let brake = left(car.braking(speed), points[i].curvature, speed, car) * braking;
            speed = (speed * speed + 2.0 * brake * spacing).sqrt();
        }
    }

    /// Speed, m/s, and longitudinal acceleration, m/s², `dist_m` after the line.
    pub(super) fn at(&self, track: &Track, dist_m: f64) -> (f64, f64) {
        let last = self.speeds.len() - 1;
        let place = (dist_m / track.spacing_m()).clamp(0.0, last as f64);
        // The last stretch goes on with the acceleration before it.
        let i = (place as usize).min(last - 1);
        let (a, b) = (f64::from(self.speeds[i]), f64::from(self.speeds[i + 1]));
        let (a2, b2) = (a * a, b * b);
        let f = (dist_m / track.spacing_m()).max(0.0) - i as f64;
        // Between points the acceleration is constant, so the square of the speed is linear.
        ((a2 + (b2 - a2) * f).max(1.0).sqrt(), (b2 - a2) / (2.0 * track.spacing_m()))
    }
}

/// Which corner a point belongs to.
struct Owner<'a> {
    apexes: &'a [usize],
    spacing: f64,
}

impl<'a> Owner<'a> {
    fn new(track: &'a Track) -> Self {
        Self { apexes: track.apex_points(), spacing: track.spacing_m() }
    }

    /// The nearest corner within 90 m, and how far behind its apex the point is, m.
    fn of(&self, i: usize) -> Option<(usize, f64)> {
        let after = self.apexes.partition_point(|a| *a <= i);
        let distance = |c: usize| (i as f64 - self.apexes[c] as f64) * self.spacing;
        let candidates = [after.checked_sub(1), (after < self.apexes.len()).then_some(after)];
        candidates
            .into_iter()
            .flatten()
            .map(|c| (c, distance(c)))
            .filter(|(_, d)| d.abs() < 90.0)
            .min_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
    }

    /// The corner ahead.
    fn next(&self, i: usize) -> Option<usize> {
        let next = self.apexes.partition_point(|a| *a < i);
        (next < self.apexes.len()).then_some(next)
    }
}

fn corner_speed(car: &Car, curvature: f64, share: f64) -> f64 {
    if curvature < 1e-5 {
        return TOP_SPEED_MPS;
    }
    // Downforce grows with the speed sought: two rounds are within a hundredth of a m/s here.
    let mut speed = (car.lateral(30.0) * share / curvature).sqrt().min(TOP_SPEED_MPS);
    for _ in 0..2 {
        speed = (car.lateral(speed) * share / curvature).sqrt().min(TOP_SPEED_MPS);
    }
    speed
}

/// What the bend leaves of the longitudinal grip (friction ellipse), m/s².
fn left(along: f64, curvature: f64, speed: f64, car: &Car) -> f64 {
    let used = (speed * speed * curvature.abs() / car.lateral(speed)).min(1.0);
    along * (1.0 - used * used).sqrt()
}

/// About normal: mean 0, deviation 1, never beyond 6 (sum of twelve uniforms).
fn normal(rng: &mut impl Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}
