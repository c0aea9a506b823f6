//! Signals whose numbers begin again: directions after a full turn, longitudes at the date line.

use super::{
    Role,
    direction::{direction, own_name, take_unit, words},
    meaning,
};
use crate::angle::Turn;

/// How a signal's numbers go round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cycle {
    /// Directions: averaged as unit vectors.
    Direction(Turn),
    /// Longitudes: averaged as the numbers they are, and as directions where they lie on both sides of the date line.
    Longitude(Turn),
}

impl Cycle {
    /// How the signal `name` goes round; `None` where its numbers are no more than numbers.
    pub fn of(name: &str) -> Option<Self> {
        direction(name).map(Self::Direction).or_else(|| longitude(name).map(Self::Longitude))
    }

    /// A full turn.
    pub const fn turn(self) -> Turn {
        match self {
            Self::Direction(turn) | Self::Longitude(turn) => turn,
        }
    }

    /// Whether values from `min` to `max` are averaged as unit vectors.
    pub fn averages_as_vectors(self, min: f64, max: f64) -> bool {
        match self {
            Self::Direction(_) => true,
            Self::Longitude(turn) => max - min > turn.full() / 2.0,
        }
    }
}

fn longitude(name: &str) -> Option<Turn> {
    let own = own_name(name);
    if meaning(own).is_some_and(|meaning| meaning.role == Role::Lon) {
        return Some(Turn::Degrees);
    }
    let mut words = words(own);
    let unit = take_unit(&mut words);
    words.last().is_some_and(|last| matches!(last.as_str(), "lon" | "lng" | "longitude")).then(|| unit.unwrap_or(Turn::Degrees))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longitudes_are_known_by_meaning_and_by_name() {
        for name in ["lon", "lon_deg", "longitude", "gps.lng", "position.longitude", "start_lon", "gps_lon_deg", "lon_deg.mean"] {
            assert_eq!(Cycle::of(name), Some(Cycle::Longitude(Turn::Degrees)), "{name}");
        }
        assert_eq!(Cycle::of("lon_rad"), Some(Cycle::Longitude(Turn::Radians)));
        for name in ["lat_deg", "long_accel", "longitudinal_g", "speed_mps", "direction_switch", "heading_source", "lon_accuracy_m"] {
            assert_eq!(Cycle::of(name), None, "{name}");
        }
        assert_eq!(Cycle::of("heading_deg"), Some(Cycle::Direction(Turn::Degrees)));
    }

    #[test]
    fn longitudes_are_averaged_as_numbers_on_one_side_of_the_date_line() {
        let longitude = Cycle::Longitude(Turn::Degrees);
        assert!(!longitude.averages_as_vectors(-1.5, 1.5) && !longitude.averages_as_vectors(170.0, 190.0));
        assert!(longitude.averages_as_vectors(-179.9, 179.9));
    }
}
