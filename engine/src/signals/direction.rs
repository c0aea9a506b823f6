//! Which signals are directions: by the table of meanings (whatever means [`Role::Heading`]), else by their names.

use super::{Role, meaning};
use crate::angle::Turn;

/// The last word of a direction's name, once units and qualifiers are taken away.
const DIRECTIONS: &[&str] = &[
    "awd",
    "azimuth",
    "azimuths",
    "bearing",
    "bearings",
    "brg",
    "cmg",
    "cog",
    "compass",
    "course",
    "courses",
    "dir",
    "direction",
    "directions",
    "hdg",
    "hdm",
    "hdt",
    "heading",
    "headings",
    "orientation",
    "twd",
    "yaw",
    "yaws",
];

/// Words written in one that end so are directions, too: `winddir`, `groundtrack`, `trueheading`.
const ENDINGS: &[&str] = &["azimuth", "bearing", "direction", "groundtrack", "truetrack", "heading", "hdg", "truecourse", "winddir", "yaw"];

/// Directions where nothing but qualifiers or a unit stands beside them: a `track` alone is the course over ground of gpsd, a
/// `cross_track` or an `off_track` is none.
const ALONE: &[&str] = &["track", "trk", "tracks"];

/// Words that say which north, or whose direction: `heading_true`, `course_over_ground`.
const QUALIFIERS: &[&str] = &[
    "true", "magnetic", "mag", "over", "ground", "gps", "gnss", "gnd", "north", "angle", "from", "to", "avg", "mean", "made", "good", "of",
    "travel", "motion", "movement", "current", "last", "vehicle", "car", "imu", "ins", "raw", "filtered", "smoothed",
];

/// What turns, shifts or shows one way or the other: its direction is a switch (left and right, up and down), unless a unit says that it
/// is an angle.
const SWITCHES: &[&str] = &[
    "switch",
    "selector",
    "lever",
    "knob",
    "button",
    "stick",
    "turn",
    "turning",
    "signal",
    "indicator",
    "blinker",
    "lane",
    "shift",
    "gear",
    "drive",
    "motor",
    "engine",
    "fan",
    "pump",
    "winch",
    "door",
    "wiper",
    "rotation",
    "spin",
    "scroll",
    "sort",
    "route",
    "trip",
    "line",
    "steer",
    "steering",
    "wheel",
    "screen",
    "display",
    "page",
];

/// The words for which of its ways a switch stands.
const SWITCHED: &[&str] = &["dir", "direction", "directions", "orientation"];

/// Directions only with their unit: `awd` alone is all-wheel drive as often as the apparent wind.
const NEEDS_UNIT: &[&str] = &["awd"];

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

/// How much a full turn of the signal `name` is, where it is a direction: `heading_deg`, `course`, `gps.bearing`, `track_deg`,
/// `wind_dir_deg`, `yaw_rad`, `theta_rad`. Not `yaw_rate_dps`, `heading_accuracy_deg`, or `steer_deg`, whose wheel turns more than
/// once.
pub fn direction(name: &str) -> Option<Turn> {
    let own = own_name(name);
    let mut words = words(own);
    let unit = take_unit(&mut words);
    if let Some(meaning) = meaning(own).filter(|meaning| meaning.role == Role::Heading) {
        return Some(if meaning.scale == 1.0 { Turn::Degrees } else { Turn::Radians });
    }
    while words.len() > 1 && words.last().is_some_and(|w| QUALIFIERS.contains(&w.as_str())) {
        words.pop();
    }
    let last = words.last()?;
    let only_qualified = words[..words.len() - 1].iter().all(|word| QUALIFIERS.contains(&word.as_str()));
    if unit.is_none() && is_switch(&words) {
        return None;
    }
    let is_direction = DIRECTIONS.contains(&last.as_str()) || ENDINGS.iter().any(|ending| last.ends_with(ending));
    if is_direction || (only_qualified && ALONE.contains(&last.as_str())) {
        return Some(unit.unwrap_or(Turn::Degrees));
    }
    let other = words.iter().any(|w| NO_DIRECTIONS.contains(&w.as_str()));
    (unit == Some(Turn::Radians) && !other).then_some(Turn::Radians)
}

/// Whether a name without a unit, in `words`, is that of a switch: `turn_direction`, `shiftdir`.
fn is_switch(words: &[String]) -> bool {
    let Some((last, others)) = words.split_last() else { return false };
    let of_switch = |word: &str| SWITCHES.contains(&word);
    let is_one_word = SWITCHED.iter().any(|ending| last.strip_suffix(ending).is_some_and(of_switch));
    let is_switched = SWITCHED.contains(&last.as_str()) && others.iter().any(|word| of_switch(word));
    is_one_word || is_switched || (others.is_empty() && NEEDS_UNIT.contains(&last.as_str()))
}

/// Takes the unit away from the end of a name: a word of its own, or the end of a direction's (`yawdeg`).
pub(super) fn take_unit(words: &mut Vec<String>) -> Option<Turn> {
    let last = words.last_mut()?;
    if let Some(unit) = unit_of(last) {
        words.pop();
        return Some(unit);
    }
    for (ending, unit) in [("degrees", Turn::Degrees), ("deg", Turn::Degrees), ("radians", Turn::Radians), ("rad", Turn::Radians)] {
        let Some(rest) = last.strip_suffix(ending) else { continue };
        if DIRECTIONS.contains(&rest) || ALONE.contains(&rest) || ENDINGS.iter().any(|ending| rest.ends_with(ending)) {
            last.truncate(rest.len());
            return Some(unit);
        }
    }
    None
}

/// The full turn of a signal that somebody says is a direction, whatever its name.
pub fn turn_of(name: &str) -> Turn {
    let unit = words(name).last().and_then(|word| unit_of(word));
    direction(name).or(unit).unwrap_or(Turn::Degrees)
}

/// The name without what it lies in, and without what a window made of it: `gps.heading_deg.mean` is `heading_deg`.
pub(super) fn own_name(name: &str) -> &str {
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
pub(super) fn words(name: &str) -> Vec<String> {
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
            "track",
            "track_deg",
            "track_true",
            "gps.track",
            "gps_track_deg",
            "trackAngle",
            "trackdeg",
            "ground_track_deg",
            "true_track",
            "groundTrack",
            "hdg",
            "hdg_deg",
            "hdgdeg",
            "cog_deg",
            "cogdeg",
            "COG",
            "coursedeg",
            "course_made_good",
            "bearing_deg",
            "bearing_to",
            "headingdeg",
            "winddir",
            "winddirection",
            "wind_dir",
            "wind_direction_from",
            "wind_from_dir_deg",
            "direction_of_travel",
            "trueheading",
            "compass",
            "azimuth",
            "yawdeg",
            "wind.direction",
            "travel_direction",
            "current_direction",
            "swell_dir",
            "direction",
            "turn_direction_deg",
            "awd_deg",
        ] {
            assert_eq!(direction(name), Some(Turn::Degrees), "{name}");
        }
        for name in [
            "heading_rad",
            "yaw_rad",
            "theta_rad",
            "pose.yaw_rad",
            "wind_dir_rad",
            "course_radians",
            "track_rad",
            "headingrad",
            "courserad",
        ] {
            assert_eq!(direction(name), Some(Turn::Radians), "{name}");
        }
    }

    #[test]
    fn every_name_of_a_heading_in_the_table_is_a_direction_and_no_other_angle_is() {
        for alias in crate::signals::table::ALIASES {
            let turn = (alias.meaning.role == Role::Heading).then_some(if alias.unit == "rad" { Turn::Radians } else { Turn::Degrees });
            assert_eq!(direction(alias.folded), turn, "{}", alias.folded);
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
            "cross_track_m",
            "cross_track",
            "off_track",
            "on_track",
            "track_temp_c",
            "track_id",
            "trackerror_deg",
            "track_width_m",
            "steeringangledeg",
            "steering_angle",
            "latdeg",
            "londeg",
            "direction_id",
            "heading_rate",
            "headway",
            "speed_mps",
            "grad",
            "rad",
            "",
            "direction_switch",
            "switch_direction",
            "turn_direction",
            "turnDirection",
            "turndirection",
            "turn_signal_direction",
            "shift_dir",
            "gear.shift_direction",
            "drive_direction",
            "motor_direction_of_rotation",
            "fan_direction",
            "blinker_direction",
            "route_direction",
            "steering_direction",
            "heading_mode",
            "direction_state",
            "screen_orientation",
            "awd",
        ] {
            assert_eq!(direction(name), None, "{name}");
        }
    }
}
