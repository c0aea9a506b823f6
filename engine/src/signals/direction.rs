//! Which signals are directions, by their names.

use crate::angle::Turn;

/// The last word of a direction's name, once units and qualifiers are taken away.
const DIRECTIONS: &[&str] =
    &["azimuth", "bearing", "cog", "compass", "course", "dir", "direction", "hdg", "heading", "headings", "hdt", "hdm", "twd", "yaw"];

/// Words that say which north, or whose direction: `heading_true`, `course_over_ground`.
const QUALIFIERS: &[&str] = &["true", "magnetic", "mag", "over", "ground", "gps", "north", "angle", "from", "to", "avg", "mean"];

/// Angles in radians that are no directions: wheels turn more than once, and the others stay near zero.
const NO_DIRECTIONS: &[&str] = &[
    "steer",
    "steering",
    "wheel",
    "rate",
    "slip",
    "pitch",
    "roll",
    "camber",
    "toe",
    "lat",
    "latitude",
    "lon",
    "longitude",
    "error",
    "accuracy",
    "std",
    "stddev",
    "sigma",
    "variance",
    "acc",
    "accel",
    "deviation",
    "change",
    "delta",
    "diff",
    "gradient",
    "slope",
    "bank",
];

/// How much a full turn of the signal `name` is, where it is a direction: `heading_deg`, `course`, `gps.bearing`, `wind_dir_deg`,
/// `yaw_rad`, `theta_rad`. Not `yaw_rate_dps`, `heading_accuracy_deg`, or `steer_deg`, whose wheel turns more than once.
pub fn direction(name: &str) -> Option<Turn> {
    let mut words = words(own_name(name));
    let mut unit = None;
    if let Some(last) = words.last().and_then(|w| unit_of(w)) {
        unit = Some(last);
        words.pop();
    }
    while words.len() > 1 && words.last().is_some_and(|w| QUALIFIERS.contains(&w.as_str())) {
        words.pop();
    }
    let last = words.last()?;
    if DIRECTIONS.contains(&last.as_str()) {
        return Some(unit.unwrap_or(Turn::Degrees));
    }
    let other = words.iter().any(|w| NO_DIRECTIONS.contains(&w.as_str()));
    (unit == Some(Turn::Radians) && !other).then_some(Turn::Radians)
}

/// The full turn of a signal that somebody says is a direction, whatever its name.
pub fn turn_of(name: &str) -> Turn {
    let unit = words(name).last().and_then(|word| unit_of(word));
    direction(name).or(unit).unwrap_or(Turn::Degrees)
}

/// The name without what it lies in, and without what a window made of it: `gps.heading_deg.mean` is `heading_deg`.
fn own_name(name: &str) -> &str {
    let whole = match name.rsplit_once('.') {
        Some((whole, "mean" | "circular_mean" | "time_mean" | "first" | "last" | "min" | "max" | "median")) => whole,
        _ => name,
    };
    whole.rsplit('.').next().unwrap_or(whole)
}

fn unit_of(word: &str) -> Option<Turn> {
    match word {
        "deg" | "degs" | "degree" | "degrees" => Some(Turn::Degrees),
        "rad" | "rads" | "radian" | "radians" => Some(Turn::Radians),
        _ => None,
    }
}

/// `windDir_deg` is wind, dir, deg.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut before_upper = true;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            open = false;
            continue;
        }
        // A new word begins with a capital behind a small letter.
        if !open || (c.is_uppercase() && !before_upper) {
            words.push(String::new());
        }
        (open, before_upper) = (true, c.is_uppercase());
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_known_by_name() {
        for name in [
            "heading_deg",
            "heading",
            "Heading",
            "gps_heading",
            "vehicle_heading_deg",
            "heading_true",
            "headingMagnetic",
            "course_deg",
            "courseOverGround",
            "cog",
            "bearing",
            "gps.bearing",
            "heading_deg.mean",
            "wind_dir_deg",
            "windDirection",
            "wind_from_direction",
            "azimuth_deg",
            "yaw_deg",
            "yaw angle (deg)",
        ] {
            assert_eq!(direction(name), Some(Turn::Degrees), "{name}");
        }
        for name in ["heading_rad", "yaw_rad", "theta_rad", "pose.yaw_rad", "wind_dir_rad", "course_radians"] {
            assert_eq!(direction(name), Some(Turn::Radians), "{name}");
        }
    }

    #[test]
    fn what_only_sounds_like_one_is_none() {
        for name in [
            "yaw_rate_dps",
            "yaw_rate_rad",
            "YawRate",
            "heading_accuracy_deg",
            "heading_error_deg",
            "steer_deg",
            "steer_rad",
            "SteeringWheelAngle",
            "lat_deg",
            "lon_rad",
            "slip_angle_rad",
            "pitch_deg",
            "course_id",
            "speed_mps",
            "grad",
            "rad",
            "",
        ] {
            assert_eq!(direction(name), None, "{name}");
        }
    }
}
