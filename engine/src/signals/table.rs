//! The table of meanings: what sources call a signal, and its unit.
//!
//! There is no other list of names. The engine, its operators and the coach look names up here; the pages get it as
//! `/console/js/meanings.js`, which a test of the gateway compares with this table.

use std::f64::consts::PI;

use super::{Meaning, Role};

/// A role as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleName {
    /// What it is.
    pub role: Role,
    /// Its canonical name.
    pub name: &'static str,
    /// What it is called beside a plot.
    pub label: &'static str,
    /// Its unit.
    pub unit: &'static str,
}

/// A name of a source, folded: in lower case, without `_`, `-`, blanks and brackets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alias {
    /// The folded name.
    pub folded: &'static str,
    /// What it means.
    pub meaning: Meaning,
    /// The unit it comes in.
    pub unit: &'static str,
}

const fn role(role: Role, name: &'static str, label: &'static str, unit: &'static str) -> RoleName {
    RoleName { role, name, label, unit }
}

/// Every role, in the order of [`Role`].
pub const ROLE_NAMES: [RoleName; super::ROLES] = [
    role(Role::Lap, "lap", "lap", ""),
    role(Role::LapTime, "lap_time_s", "lap time", "s"),
    role(Role::LapDist, "lap_dist_m", "lap distance", "m"),
    role(Role::Speed, "speed_mps", "speed", "m/s"),
    role(Role::Throttle, "throttle_pct", "throttle", "%"),
    role(Role::Brake, "brake_pct", "brake", "%"),
    role(Role::BrakePressure, "brake_bar", "brake", "bar"),
    role(Role::Rpm, "rpm", "rpm", "1/min"),
    role(Role::Gear, "gear", "gear", ""),
    role(Role::Steer, "steer_deg", "steering", "°"),
    role(Role::Lat, "lat_deg", "latitude", "°"),
    role(Role::Lon, "lon_deg", "longitude", "°"),
    role(Role::X, "x_m", "x", "m"),
    role(Role::Y, "y_m", "y", "m"),
    role(Role::Z, "z_m", "z", "m"),
    role(Role::AccelLong, "ax_g", "long. accel.", "g"),
    role(Role::AccelLat, "ay_g", "lat. accel.", "g"),
    role(Role::Heading, "heading_deg", "heading", "°"),
    role(Role::LapShare, "lap_share", "share of the lap", ""),
];

const KPH: f64 = 1.0 / 3.6;
const MPH: f64 = 0.447_04;
const KNOT: f64 = 1_852.0 / 3_600.0;
const STANDARD_GRAVITY: f64 = 9.806_65;
const RADIAN: f64 = 180.0 / PI;

const fn alias(folded: &'static str, role: Role, scale: f64, unit: &'static str) -> Alias {
    Alias { folded, meaning: Meaning { role, scale }, unit }
}

/// In the role's own unit.
const fn plain(folded: &'static str, role: Role) -> Alias {
    alias(folded, role, 1.0, ROLE_NAMES[role as usize].unit)
}

/// Every name, in order.
pub const ALIASES: &[Alias] = &[
    plain("accxcan", Role::AccelLong),
    plain("accycan", Role::AccelLat),
    plain("aps", Role::Throttle),
    plain("axg", Role::AccelLong),
    alias("axmps2", Role::AccelLong, 1.0 / STANDARD_GRAVITY, "m/s²"),
    plain("ayg", Role::AccelLat),
    alias("aymps2", Role::AccelLat, 1.0 / STANDARD_GRAVITY, "m/s²"),
    plain("bearing", Role::Heading),
    plain("bearingdeg", Role::Heading),
    alias("bearingrad", Role::Heading, RADIAN, "rad"),
    alias("brake", Role::Brake, 1.0, ""),
    plain("brakebar", Role::BrakePressure),
    plain("brakepct", Role::Brake),
    plain("brakeposition", Role::Brake),
    plain("brakepressurebar", Role::BrakePressure),
    plain("cog", Role::Heading),
    plain("cogdeg", Role::Heading),
    alias("cograd", Role::Heading, RADIAN, "rad"),
    plain("course", Role::Heading),
    plain("coursedeg", Role::Heading),
    alias("courserad", Role::Heading, RADIAN, "rad"),
    plain("currentgear", Role::Gear),
    plain("currentlap", Role::Lap),
    plain("currentlaptime", Role::LapTime),
    alias("currentlaptimems", Role::LapTime, 1e-3, "ms"),
    plain("currentlaptimes", Role::LapTime),
    plain("enginerpm", Role::Rpm),
    plain("enginespeedrpm", Role::Rpm),
    plain("gear", Role::Gear),
    plain("gps.lat", Role::Lat),
    plain("gps.latitude", Role::Lat),
    plain("gps.lng", Role::Lon),
    plain("gps.lon", Role::Lon),
    plain("gps.longitude", Role::Lon),
    plain("gpslat", Role::Lat),
    plain("gpslatitude", Role::Lat),
    plain("gpslon", Role::Lon),
    plain("gpslongitude", Role::Lon),
    plain("hdg", Role::Heading),
    plain("hdgdeg", Role::Heading),
    alias("hdgrad", Role::Heading, RADIAN, "rad"),
    plain("heading", Role::Heading),
    plain("headingdeg", Role::Heading),
    alias("headingrad", Role::Heading, RADIAN, "rad"),
    plain("lap", Role::Lap),
    plain("lapcurrentlaptime", Role::LapTime),
    plain("lapdist", Role::LapDist),
    plain("lapdistance", Role::LapDist),
    plain("lapdistancem", Role::LapDist),
    plain("lapdistm", Role::LapDist),
    plain("lapdistpct", Role::LapShare),
    plain("lapnumber", Role::Lap),
    plain("lapshare", Role::LapShare),
    alias("laptimems", Role::LapTime, 1e-3, "ms"),
    plain("laptimes", Role::LapTime),
    plain("laptriggerlapdistdls", Role::LapDist),
    plain("lat", Role::Lat),
    alias("lataccel", Role::AccelLat, 1.0 / STANDARD_GRAVITY, "m/s²"),
    plain("latdeg", Role::Lat),
    plain("latitude", Role::Lat),
    plain("latitudedeg", Role::Lat),
    plain("lng", Role::Lon),
    plain("location.lat", Role::Lat),
    plain("location.latitude", Role::Lat),
    plain("location.lng", Role::Lon),
    plain("location.lon", Role::Lon),
    plain("location.longitude", Role::Lon),
    plain("lon", Role::Lon),
    plain("londeg", Role::Lon),
    alias("longaccel", Role::AccelLong, 1.0 / STANDARD_GRAVITY, "m/s²"),
    plain("longitude", Role::Lon),
    plain("longitudedeg", Role::Lon),
    plain("nmot", Role::Rpm),
    plain("pbrakef", Role::BrakePressure),
    plain("position.lat", Role::Lat),
    plain("position.latitude", Role::Lat),
    plain("position.lng", Role::Lon),
    plain("position.lon", Role::Lon),
    plain("position.longitude", Role::Lon),
    plain("position.x", Role::X),
    plain("position.y", Role::Y),
    plain("position.z", Role::Z),
    plain("posx", Role::X),
    plain("posy", Role::Y),
    plain("posz", Role::Z),
    plain("rpm", Role::Rpm),
    plain("speed", Role::Speed),
    alias("speedkm/h", Role::Speed, KPH, "km/h"),
    alias("speedkmh", Role::Speed, KPH, "km/h"),
    alias("speedkmph", Role::Speed, KPH, "km/h"),
    alias("speedkn", Role::Speed, KNOT, "kn"),
    alias("speedknots", Role::Speed, KNOT, "kn"),
    alias("speedkph", Role::Speed, KPH, "km/h"),
    plain("speedm/s", Role::Speed),
    alias("speedmph", Role::Speed, MPH, "mph"),
    plain("speedmps", Role::Speed),
    plain("speedms", Role::Speed),
    plain("steerdeg", Role::Steer),
    plain("steeringangle", Role::Steer),
    plain("steeringangledeg", Role::Steer),
    plain("steeringdeg", Role::Steer),
    alias("steeringrad", Role::Steer, RADIAN, "rad"),
    alias("steeringwheelangle", Role::Steer, RADIAN, "rad"),
    alias("steerrad", Role::Steer, RADIAN, "rad"),
    alias("throttle", Role::Throttle, 1.0, ""),
    plain("throttlepct", Role::Throttle),
    plain("throttleposition", Role::Throttle),
    plain("trackdeg", Role::Heading),
    alias("trackrad", Role::Heading, RADIAN, "rad"),
    plain("vboxlatmin", Role::Lat),
    plain("vboxlongminutes", Role::Lon),
    plain("x", Role::X),
    plain("xm", Role::X),
    plain("y", Role::Y),
    plain("ym", Role::Y),
    plain("z", Role::Z),
    plain("zm", Role::Z),
];

/// What a folded name means.
pub(super) fn find(folded: &[u8]) -> Option<Meaning> {
    let at = ALIASES.binary_search_by(|alias| alias.folded.as_bytes().cmp(folded)).ok()?;
    Some(ALIASES[at].meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{LONGEST, meaning};

    #[test]
    fn names_are_folded_in_order_and_none_is_there_twice() {
        for pair in ALIASES.windows(2) {
            assert!(pair[0].folded < pair[1].folded, "{} before {}", pair[0].folded, pair[1].folded);
        }
        for alias in ALIASES {
            assert_eq!(meaning(alias.folded), Some(alias.meaning), "{}", alias.folded);
            assert!(alias.folded.len() <= LONGEST, "{}", alias.folded);
        }
    }

    #[test]
    fn every_role_is_known_by_its_own_name_in_its_own_unit() {
        for (at, row) in ROLE_NAMES.iter().enumerate() {
            assert_eq!(row.role as usize, at, "{}", row.name);
            assert_eq!(meaning(row.name), Some(Meaning { role: row.role, scale: 1.0 }), "{}", row.name);
        }
    }

    #[test]
    fn the_names_of_iracing_are_understood() {
        for (name, value, role, si) in [
            ("Speed", 50.0, Role::Speed, 50.0),
            ("Lat", 47.2, Role::Lat, 47.2),
            ("Lon", 14.7, Role::Lon, 14.7),
            ("Lap", 3.0, Role::Lap, 3.0),
            ("LapDist", 236.5, Role::LapDist, 236.5),
            ("LapDistPct", 0.055, Role::LapShare, 0.055),
            ("LapCurrentLapTime", 12.0, Role::LapTime, 12.0),
            ("SteeringWheelAngle", PI, Role::Steer, 180.0),
            ("LongAccel", STANDARD_GRAVITY, Role::AccelLong, 1.0),
            ("LatAccel", -STANDARD_GRAVITY, Role::AccelLat, -1.0),
        ] {
            let found = meaning(name).unwrap_or_else(|| panic!("{name} has a meaning"));
            assert_eq!(found.role, role, "{name}");
            assert!((found.scale * value - si).abs() < 1e-9, "{name}");
        }
    }
}
