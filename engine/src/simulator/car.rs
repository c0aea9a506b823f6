//! The car: a grand tourer on slicks, as numbers.

/// Standard gravity, m/s².
pub(super) const G: f64 = 9.806_65;
/// Mass without fuel, kg.
const DRY_MASS_KG: f64 = 1_300.0;
/// Density of fuel, kg/l.
const FUEL_KG_PER_L: f64 = 0.74;
/// Fuel at the start, l.
pub(super) const TANK_L: f64 = 100.0;
/// Power at the wheels, W.
const POWER_W: f64 = 400_000.0;
/// Greatest driving force: first gear's, N.
const DRIVE_FORCE_N: f64 = 10_500.0;
/// Drag area times half the air density, N/(m/s)².
const DRAG: f64 = 0.68;
/// Downforce, as grip won per speed, g/(m/s)².
const DOWNFORCE_G: f64 = 0.000_06;
/// Rolling resistance, m/s².
const ROLLING: f64 = 0.15;
/// Grip of fresh, warm tyres, g.
pub const LATERAL_GRIP_G: f64 = 1.45;
/// Braking grip, g.
pub const BRAKING_GRIP_G: f64 = 1.35;
/// Highest speed of the gears, m/s.
pub const TOP_SPEED_MPS: f64 = 79.0;
/// Engine speed per speed over ground in each gear, 1/min per m/s.
const RPM_PER_MPS: [f64; 6] = [352.0, 246.0, 186.0, 149.0, 122.0, 104.0];
/// Engine speed at which the next gear is taken, 1/min.
const SHIFT_RPM: f64 = 8_200.0;
/// Idle speed, 1/min.
const IDLE_RPM: f64 = 1_100.0;
/// Wheel base, m.
const WHEEL_BASE_M: f64 = 2.7;
/// Steering wheel to road wheel.
const STEERING_RATIO: f64 = 13.0;
/// Litres burnt per joule at the wheels (energy of the fuel times the efficiency).
const L_PER_JOULE: f64 = 1.0 / (31.5e6 * 0.32);

/// What the car can do at one moment, on the fuel and tyres it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Car {
    mass_kg: f64,
    /// Grip left in the tyres, 0 to 1.
    tyres: f64,
}

impl Car {
    pub(super) fn new(fuel_l: f64, tyres: f64) -> Self {
        Self { mass_kg: DRY_MASS_KG + fuel_l * FUEL_KG_PER_L, tyres }
    }

    /// Greatest lateral acceleration, m/s².
    pub(super) fn lateral(&self, speed: f64) -> f64 {
        (LATERAL_GRIP_G + DOWNFORCE_G * speed * speed) * G * self.tyres
    }

    /// Greatest deceleration with nothing left for cornering, m/s².
    pub(super) fn braking(&self, speed: f64) -> f64 {
        (BRAKING_GRIP_G + DOWNFORCE_G * speed * speed) * G * self.tyres
    }

    /// Greatest forward acceleration by the engine, drag taken off, m/s².
    pub(super) fn forward(&self, speed: f64) -> f64 {
        let force = DRIVE_FORCE_N.min(POWER_W / speed.max(1.0));
        (force - DRAG * speed * speed) / self.mass_kg - ROLLING
    }

    /// Deceleration when coasting, m/s².
    fn coasting(&self, speed: f64) -> f64 {
        DRAG * speed * speed / self.mass_kg + ROLLING
    }

    /// Throttle and brake, %, for an acceleration, m/s².
    pub(super) fn pedals(&self, speed: f64, accel: f64) -> (f64, f64) {
        let coasting = self.coasting(speed);
        let wanted = accel + coasting;
        if wanted >= 0.0 {
            let full = self.forward(speed) + coasting;
            return ((wanted / full * 100.0).clamp(0.0, 100.0), 0.0);
        }
        let full = (BRAKING_GRIP_G * G - coasting).max(1.0);
        (0.0, (-wanted / full * 100.0).clamp(0.0, 100.0))
    }

    /// Fuel burnt, l/s.
    pub(super) fn burn(&self, speed: f64, accel: f64) -> f64 {
        let force = (accel + self.coasting(speed)).max(0.0) * self.mass_kg;
        0.0004 + force * speed * L_PER_JOULE
    }
}

/// Gear and engine speed, 1/min, at a speed.
pub(super) fn gear(speed: f64) -> (u8, f64) {
    for (i, per_mps) in RPM_PER_MPS.iter().enumerate() {
        let rpm = speed * per_mps;
        if rpm < SHIFT_RPM || i + 1 == RPM_PER_MPS.len() {
            return (i as u8 + 1, rpm.max(IDLE_RPM));
        }
    }
    (RPM_PER_MPS.len() as u8, IDLE_RPM)
}

/// Steering wheel angle, °, positive to the left; the tyres' slip adds to what the bend needs.
pub(super) fn steering(curvature: f64, lateral: f64) -> f64 {
    let slip = 0.004 * lateral / G;
    ((WHEEL_BASE_M * curvature).atan() + slip).to_degrees() * STEERING_RATIO
}

/// Tyre temperatures, °C: front left, front right, rear left, rear right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tyres {
    pub(super) celsius: [f64; 4],
}

impl Tyres {
    pub(super) const fn warm() -> Self {
        Self { celsius: [74.0, 74.0, 76.0, 76.0] }
    }

    /// Sliding heats, air cools. In a bend the outer side carries more; braking loads the front, driving the rear.
    pub(super) fn step(&mut self, dt: f64, speed: f64, along: f64, across: f64) {
        let (side, braking, driving) = (across / G, (-along / G).max(0.0), (along / G).max(0.0));
        let right = (side * 0.35).clamp(-0.45, 0.45);
        let axle = [0.9 * side.abs() + 1.1 * braking, 0.85 * side.abs() + 0.3 * braking + 1.3 * driving];
        let share = [1.0 - right, 1.0 + right];
        for (i, t) in self.celsius.iter_mut().enumerate() {
            let heat = axle[i / 2] * share[i % 2] * speed * 0.075;
            let cool = (*t - 24.0) * (speed * 0.000_55 + 0.012);
            *t += (heat - cool) * dt;
        }
    }
}
