//! The signals the engine understands, by their canonical names, and what else sources call them.
//!
//! | canonical | unit | also understood as |
//! |---|---|---|
//! | `lap` | count | `lap_number`, `current_lap` |
//! | `lap_time_s` | s since the lap began | `current_lap_time`, `lap_time_ms` (ms) |
//! | `lap_dist_m` | m since the line | `lap_distance`, `Laptrigger_lapdist_dls` |
//! | `speed_mps` | m/s | `speed`, `speed_kph` `speed_kmh` (km/h), `speed_mph` (mph), `speed_knots` |
//! | `throttle_pct` | % | `aps`, `throttle_position`; `throttle` as sent (0 to 1 or 0 to 100 is not guessed) |
//! | `brake_pct` | % | `brake_position`; `brake` as sent |
//! | `brake_bar` | bar | `pbrake_f`, `brake_pressure_bar` |
//! | `rpm` | 1/min | `nmot`, `engine_rpm`, `engine_speed_rpm` |
//! | `gear` | count | `current_gear` |
//! | `steer_deg` | ° | `steering_angle`, `steering_deg`, `steering_angle_deg`, `steer_rad` (rad) |
//! | `lat_deg`, `lon_deg` | ° | `lat` `latitude`, `lon` `lng` `longitude`, `VBOX_Lat_Min`, `VBOX_Long_Minutes` |
//! | `x_m`, `y_m`, `z_m` | m | `x`, `y`, `z`, `position.x` `.y` `.z`, `pos_x` `pos_y` `pos_z` |
//! | `ax_g`, `ay_g` | g (long., lat.) | `accx_can`, `accy_can`, `ax_mps2` `ay_mps2` (m/s²), `LongAccel` `LatAccel` (m/s²) |
//! | `heading_deg` | °, north is 0, clockwise | `heading`, `hdg`, `course`, `bearing`, `cog`, `track_deg`; `heading_rad` and so on (rad) |
//! | `lap_share` | share of the lap driven, 0 to 1 | `LapDistPct` |
//!
//! Upper and lower case, `_`, `-`, blanks and brackets make no difference: `speedKmh` is `speed_kmh`. Where a
//! plain `speed` comes without a unit it is taken as m/s, the unit used inside. The whole table is in [`table`].

pub mod cycle;
pub mod direction;
pub mod table;

use slipstream_protocol::{Sample, Signal, SignalName, SignalValue};

use crate::geo::{LatLon, Point, Position};

/// A signal the engine understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Lap counter.
    Lap,
    /// Time since the lap began, s.
    LapTime,
    /// Distance since the line, m.
    LapDist,
    /// Speed over ground, m/s.
    Speed,
    /// Throttle, %.
    Throttle,
    /// Brake, %.
    Brake,
    /// Brake pressure, bar.
    BrakePressure,
    /// Engine speed, 1/min.
    Rpm,
    /// Gear, 0 is neutral.
    Gear,
    /// Steering wheel angle, °.
    Steer,
    /// Latitude, °.
    Lat,
    /// Longitude, °.
    Lon,
    /// East or the track frame's first axis, m.
    X,
    /// North or the track frame's second axis, m.
    Y,
    /// Up, m.
    Z,
    /// Longitudinal acceleration, g.
    AccelLong,
    /// Lateral acceleration, g.
    AccelLat,
    /// Where it heads, °, north is 0, clockwise.
    Heading,
    /// Share of the lap driven, 0 to 1.
    LapShare,
}

/// Number of roles.
pub const ROLES: usize = 19;

/// How a source's signal becomes a role's SI value: `value * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meaning {
    /// What it is.
    pub role: Role,
    /// Factor to the role's unit.
    pub scale: f64,
}

/// A lap counter above this does not count laps.
const MAX_LAP: f64 = 10_000.0;

/// The longest alias, without separators.
const LONGEST: usize = 24;

/// What a signal name means to the engine, if anything.
pub fn meaning(name: &str) -> Option<Meaning> {
    let mut folded = [0_u8; LONGEST];
    let mut len = 0;
    for byte in name.bytes().filter(|b| !matches!(b, b'_' | b'-' | b' ' | b'(' | b')' | b'[' | b']')) {
        *folded.get_mut(len)? = byte.to_ascii_lowercase();
        len += 1;
    }
    table::find(&folded[..len])
}

/// The roles' values in one sample, in SI.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    values: [f64; ROLES],
}

impl Default for Reading {
    fn default() -> Self {
        Self { values: [f64::NAN; ROLES] }
    }
}

impl Reading {
    /// The value of a role, when the sample had one.
    pub fn get(&self, role: Role) -> Option<f64> {
        let value = self.values[role as usize];
        value.is_finite().then_some(value)
    }

    /// The lap counter, where it is a whole number that a counter can show. Sources have values for
    /// "unknown" beyond that (32768 in GR Cup data).
    pub fn lap_number(&self) -> Option<u32> {
        let lap = self.get(Role::Lap)?;
        ((0.0..=MAX_LAP).contains(&lap) && lap.fract() == 0.0).then_some(lap as u32)
    }

    /// Where it was read: in the source's own plane, or on the Earth.
    pub fn position(&self) -> Option<Position> {
        if let (Some(x), Some(y)) = (self.get(Role::X), self.get(Role::Y)) {
            return Some(Position::Track(Point::new(x, y)));
        }
        LatLon::new(self.get(Role::Lat)?, self.get(Role::Lon)?).map(Position::Earth)
    }

    /// Sets the value of a role, in SI.
    pub fn put(&mut self, role: Role, value: f64) {
        self.values[role as usize] = value;
    }

    /// Takes a value in. A name that means the same and comes later in the sample wins.
    pub fn set(&mut self, meaning: Meaning, value: &SignalValue) {
        if let Some(number) = value.as_number() {
            self.values[meaning.role as usize] = number * meaning.scale;
        }
    }
}

/// Reads samples whose names repeat in the same order without looking each name up again.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    layout: Vec<(SignalName, Option<Meaning>)>,
}

impl Reader {
    /// The roles' values in `sample`.
    pub fn read(&mut self, sample: &Sample) -> Reading {
        let mut reading = Reading::default();
        for (i, signal) in sample.signals.iter().enumerate() {
            if let Some(meaning) = self.meaning_at(i, signal) {
                reading.set(meaning, &signal.value);
            }
        }
        reading
    }

    /// What the remembered layout holds in memory, bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.layout.capacity() * size_of::<(SignalName, Option<Meaning>)>()
    }

    fn meaning_at(&mut self, i: usize, signal: &Signal) -> Option<Meaning> {
        match self.layout.get_mut(i) {
            Some((name, meaning)) if same_name(name, &signal.name) => *meaning,
            Some(entry) => {
                *entry = (signal.name.clone(), meaning(&signal.name));
                entry.1
            }
            None => {
                let found = meaning(&signal.name);
                self.layout.push((signal.name.clone(), found));
                found
            }
        }
    }
}

/// Names are shared, so most equal names are the same allocation.
pub(crate) fn same_name(a: &SignalName, b: &SignalName) -> bool {
    std::sync::Arc::ptr_eq(a, b) || **a == **b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_units_meet_in_one_role() {
        for (name, value, role, si) in [
            ("speed_mps", 10.0, Role::Speed, 10.0),
            ("speedKmh", 36.0, Role::Speed, 10.0),
            ("SPEED_KPH", 36.0, Role::Speed, 10.0),
            ("lap_time_ms", 1_500.0, Role::LapTime, 1.5),
            ("Steering_Angle", 3.0, Role::Steer, 3.0),
            ("Laptrigger_lapdist_dls", 7.0, Role::LapDist, 7.0),
            ("accy_can", 0.5, Role::AccelLat, 0.5),
        ] {
            let m = meaning(name).unwrap_or_else(|| panic!("{name} has a meaning"));
            assert_eq!(m.role, role, "{name}");
            assert!((m.scale * value - si).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn names_without_meaning_are_left_alone() {
        for name in ["", "tires.frontLeft.temp", "a_name_that_is_far_longer_than_any_alias", "speedy"] {
            assert_eq!(meaning(name), None, "{name}");
        }
    }
}
