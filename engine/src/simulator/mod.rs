//! Simulated cars on a closed circuit.
//!
//! Each car has a driver with lasting habits and a plan for every lap: how much grip each corner
//! gets, how early it is braked for, how late the throttle comes. From that and the car's grip,
//! power and mass comes the speed along the lap; everything else follows from speed and curvature.

mod car;
mod lap;
mod track;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use slipstream_protocol::{ProtocolError, Quality, Sample, SessionId, Signal, SignalName, SignalValue, Timestamp, VehicleId};

pub use car::{BRAKING_GRIP_G, LATERAL_GRIP_G, TOP_SPEED_MPS};
use car::{Car, G, TANK_L, Tyres, gear, steering};
use lap::{Driver, LapPlan};
pub use track::{HALF_WIDTH_M, Track, TrackPoint};

/// The signals of every simulated sample, in order.
pub const SIGNALS: [&str; 20] = [
    "lap",
    "lap_time_s",
    "lap_dist_m",
    "speed_mps",
    "throttle_pct",
    "brake_pct",
    "brake_bar",
    "rpm",
    "gear",
    "steer_deg",
    "x_m",
    "y_m",
    "heading_deg",
    "ax_g",
    "ay_g",
    "tyre_temp_fl_c",
    "tyre_temp_fr_c",
    "tyre_temp_rl_c",
    "tyre_temp_rr_c",
    "fuel_l",
];

/// Distance between cars at the start, m.
const GRID_M: f64 = 18.0;

/// Brake pressure of a full stop, bar.
const FULL_BRAKE_BAR: f64 = 90.0;

/// Grip lost per kilometre driven; tyres never lose more than a tenth.
const WEAR_PER_KM: f64 = 0.000_25;

/// A field of simulated cars; the same seed gives the same samples. A car's drive does not depend
/// on how many others there are, save for its place on the grid.
#[derive(Clone, Debug)]
pub struct Simulator {
    track: Track,
    names: [SignalName; SIGNALS.len()],
    session: SessionId,
    start: Timestamp,
    rate_hz: f64,
    steps: u64,
    cars: Vec<Runner>,
}

/// One car on the track.
#[derive(Clone, Debug)]
struct Runner {
    vehicle: VehicleId,
    rng: ChaCha8Rng,
    driver: Driver,
    plan: LapPlan,
    car: Car,
    tyres: Tyres,
    fuel_l: f64,
    driven_km: f64,
    dist_m: f64,
    lap: u32,
    /// Since the start, s.
    lap_began_s: f64,
    /// Left of the centre line, m.
    offset_m: f64,
}

impl Simulator {
    /// `cars` cars `car-01`, `car-02`, ..., each sampled `rate_hz` times a second from `start` on.
    /// They roll towards the line in a row, on lap 0; the first whole lap is lap 1. A rate that is
    /// not a positive number is taken as 1, any other is kept within 0.01 and 10,000.
    #[expect(clippy::missing_panics_doc, reason = "the ids it makes are valid")]
    pub fn new(seed: u64, cars: usize, rate_hz: f64, session: SessionId, start: Timestamp) -> Self {
        let track = Track::new();
        let rate_hz = if rate_hz.is_finite() && rate_hz > 0.0 { rate_hz.clamp(0.01, 10_000.0) } else { 1.0 };
        let spacing = GRID_M.min(track.length_m() / (cars as f64 + 1.0));
        let cars = (0..cars)
            .map(|i| {
                let vehicle = id("car", i).expect("'car-' and digits are an id");
                Runner::new(seed, i, vehicle, &track, spacing)
            })
            .collect();
        Self { track, names: SIGNALS.map(SignalName::from), session, start, rate_hz, steps: 0, cars }
    }

    /// Names the cars `<prefix>-01`, `<prefix>-02`, ... Fails when that is not a valid id.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, ProtocolError> {
        for (i, runner) in self.cars.iter_mut().enumerate() {
            runner.vehicle = id(prefix, i)?;
        }
        Ok(self)
    }

    /// Names the cars as given, in order; cars beyond the names keep theirs.
    #[must_use]
    pub fn with_vehicles(mut self, vehicles: impl IntoIterator<Item = VehicleId>) -> Self {
        for (runner, vehicle) in self.cars.iter_mut().zip(vehicles) {
            runner.vehicle = vehicle;
        }
        self
    }

    /// The circuit.
    pub const fn track(&self) -> &Track {
        &self.track
    }

    /// The cars' names, in the order of their samples.
    pub fn vehicles(&self) -> impl ExactSizeIterator<Item = &VehicleId> {
        self.cars.iter().map(|r| &r.vehicle)
    }

    /// Source time of the samples that the next step appends.
    pub fn next_time(&self) -> Timestamp {
        Timestamp::from_micros(self.start.micros() + (self.seconds() * 1e6).round() as i64)
    }

    fn seconds(&self) -> f64 {
        self.steps as f64 / self.rate_hz
    }

    /// Appends one sample per car, then moves time on by one sampling interval.
    pub fn step(&mut self, out: &mut Vec<Sample>) {
        let (time, now_s) = (self.next_time(), self.seconds());
        self.steps += 1;
        let dt = self.seconds() - now_s;
        out.reserve(self.cars.len());
        for runner in &mut self.cars {
            out.push(Sample {
                vehicle: runner.vehicle.clone(),
                session: Some(self.session.clone()),
                fleet: None,
                seq: None,
                source_time: time,
                received_at: time,
                quality: Quality::Good,
                signals: runner.signals(&self.track, &self.names, now_s),
                raw: None,
            });
            runner.advance(&self.track, now_s, dt);
        }
    }
}

fn id(prefix: &str, i: usize) -> Result<VehicleId, ProtocolError> {
    VehicleId::new(&format!("{prefix}-{:02}", i + 1))
}

/// Integration never takes longer steps, s.
const LONGEST_STEP_S: f64 = 0.025;

impl Runner {
    fn new(seed: u64, i: usize, vehicle: VehicleId, track: &Track, spacing: f64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(i as u64);
        let driver = Driver::draw(&mut rng, track.apex_points().len());
        let car = Car::new(TANK_L, 1.0);
        let mut plan = LapPlan::default();
        plan.plan(track, &car, &driver, None, &mut rng);
        let offset_m = rand::Rng::random_range(&mut rng, -1.5..1.5);
        Self {
            vehicle,
            rng,
            driver,
            plan,
            car,
            tyres: Tyres::warm(),
            fuel_l: TANK_L,
            driven_km: 0.0,
            dist_m: track.length_m() - spacing * (i as f64 + 1.0),
            lap: 0,
            lap_began_s: 0.0,
            offset_m,
        }
    }

    fn advance(&mut self, track: &Track, now_s: f64, dt: f64) {
        let parts = (dt / LONGEST_STEP_S).ceil().max(1.0);
        let part = dt / parts;
        for i in 0..parts as u64 {
            self.advance_part(track, now_s + part * i as f64, part);
        }
    }

    fn advance_part(&mut self, track: &Track, now_s: f64, dt: f64) {
        let (before, _) = self.plan.at(track, self.dist_m);
        let (speed, along) = self.plan.at(track, self.dist_m + before * dt / 2.0);
        let across = speed * speed * track.at(self.dist_m).curvature;
        self.tyres.step(dt, speed, along, across);
        self.fuel_l = (self.fuel_l - self.car.burn(speed, along) * dt).max(1.0);
        self.dist_m += speed * dt;
        self.driven_km += speed * dt / 1_000.0;
        if self.dist_m >= track.length_m() {
            self.cross_line(track, now_s + dt, speed);
        }
    }

    fn cross_line(&mut self, track: &Track, now_s: f64, speed: f64) {
        let beyond = self.dist_m - track.length_m();
        let crossed_s = now_s - beyond / speed;
        let (entry, _) = self.plan.at(track, track.length_m());
        self.lap += 1;
        self.lap_began_s = crossed_s;
        self.dist_m = beyond;
        // A stop is not simulated: an almost empty tank is filled at the line.
        if self.fuel_l < 5.0 {
            self.fuel_l = TANK_L;
        }
        self.car = Car::new(self.fuel_l, 1.0 - (self.driven_km * WEAR_PER_KM).min(0.1));
        self.plan.plan(track, &self.car, &self.driver, Some(entry), &mut self.rng);
    }

    fn signals(&self, track: &Track, names: &[SignalName; SIGNALS.len()], now_s: f64) -> Vec<Signal> {
        let (speed, along) = self.plan.at(track, self.dist_m);
        let place = track.at(self.dist_m);
        let across = speed * speed * place.curvature;
        let (throttle, brake) = self.car.pedals(speed, along);
        let (gear, rpm) = gear(speed);
        let (sin, cos) = place.heading.sin_cos();
        let [fl, fr, rl, rr] = self.tyres.celsius;
        let values = [
            f64::from(self.lap),
            round(now_s - self.lap_began_s, 1e6),
            round(self.dist_m, 1e3),
            round(speed, 1e3),
            round(throttle, 10.0),
            round(brake, 10.0),
            round(brake * FULL_BRAKE_BAR / 100.0, 10.0),
            round(rpm, 1.0),
            f64::from(gear),
            round(steering(place.curvature, across), 10.0),
            round(place.x_m - sin * self.offset_m, 1e3),
            round(place.y_m + cos * self.offset_m, 1e3),
            // Compass: 0 is north, clockwise.
            round((90.0 - place.heading.to_degrees()).rem_euclid(360.0), 10.0),
            round(along / G, 1e3),
            round(across / G, 1e3),
            round(fl, 10.0),
            round(fr, 10.0),
            round(rl, 10.0),
            round(rr, 10.0),
            round(self.fuel_l, 1e3),
        ];
        names.iter().zip(values).map(|(name, value)| Signal { name: name.clone(), value: SignalValue::Number(value) }).collect()
    }
}

/// To as many digits as a real logger would tell.
fn round(value: f64, per: f64) -> f64 {
    (value * per).round() / per
}

#[cfg(test)]
mod tests;
