//! A line across the track, and when a vehicle crossed it.

use serde::{Deserialize, Serialize};

use crate::geo::{LatLon, LocalFrame, Point, Position};

/// Where a gate's middle is: in the track's own frame, or on the Earth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// `x_m`, `y_m`, m.
    Track(Point),
    /// `lat_deg`, `lon_deg`, °.
    Earth(LatLon),
}

/// A line across the track that is crossed in one direction: the start line, or a sector's end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Its middle.
    #[serde(flatten)]
    pub place: Place,
    /// The way vehicles go through it, ° clockwise from north (from the `y` axis).
    pub heading_deg: f64,
    /// From one end to the other, m. Wide enough for the pit lane, where it is to count.
    #[serde(default = "default_width")]
    pub width_m: f64,
}

const fn default_width() -> f64 {
    40.0
}

impl Gate {
    /// `position` seen from the gate: how far it is behind (-) or beyond (+), and how far aside, m.
    fn seen_from(&self, position: Position) -> Option<(f64, f64)> {
        let (dx, dy) = match (self.place, position) {
            (Place::Track(middle), Position::Track(p)) => (p.x_m - middle.x_m, p.y_m - middle.y_m),
            (Place::Earth(middle), Position::Earth(p)) => {
                let p = LocalFrame::at(middle).point(p);
                (p.x_m, p.y_m)
            }
            _ => return None,
        };
        let (sin, cos) = self.heading_deg.to_radians().sin_cos();
        Some((dx * sin + dy * cos, dx * cos - dy * sin))
    }

    /// Which fraction of the way from `before` to `after` lies before the gate, when that way goes
    /// through it in its direction. A way that ends on the line has crossed; one that begins there has not
    /// (it did so before).
    pub fn crossing(&self, before: Position, after: Position) -> Option<f64> {
        let (behind, aside_before) = self.seen_from(before)?;
        let (beyond, aside_after) = self.seen_from(after)?;
        if behind >= 0.0 || beyond < 0.0 {
            return None;
        }
        let f = -behind / (beyond - behind);
        let aside = aside_before + (aside_after - aside_before) * f;
        (aside.abs() <= self.width_m / 2.0).then_some(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, y: f64) -> Position {
        Position::Track(Point::new(x, y))
    }

    fn eastward() -> Gate {
        Gate { place: Place::Track(Point::new(100.0, 0.0)), heading_deg: 90.0, width_m: 20.0 }
    }

    #[test]
    fn only_the_way_through_the_gate_in_its_direction_crosses() {
        let gate = eastward();
        assert_eq!(gate.crossing(at(90.0, 0.0), at(110.0, 0.0)), Some(0.5));
        assert_eq!(gate.crossing(at(110.0, 0.0), at(90.0, 0.0)), None, "backwards");
        assert_eq!(gate.crossing(at(90.0, 11.0), at(110.0, 11.0)), None, "past its end");
        assert_eq!(gate.crossing(at(90.0, 0.0), at(95.0, 0.0)), None, "not yet");
        assert_eq!(gate.crossing(at(90.0, 0.0), at(100.0, 0.0)), Some(1.0), "onto the line");
        assert_eq!(gate.crossing(at(100.0, 0.0), at(110.0, 0.0)), None, "from the line: crossed before");
    }

    #[test]
    fn a_gate_on_the_earth_is_crossed_by_places_on_the_earth() {
        let gate: Gate = serde_json::from_str(r#"{"lat_deg": 33.5, "lon_deg": -86.6, "heading_deg": 0}"#).unwrap();
        assert_eq!(gate.width_m, 40.0);
        let place = |lat, lon| Position::Earth(LatLon::new(lat, lon).unwrap());
        let f = gate.crossing(place(33.4999, -86.6), place(33.5003, -86.6)).unwrap();
        assert!((f - 0.25).abs() < 1e-6, "{f}");
        assert_eq!(gate.crossing(place(33.4999, -86.601), place(33.5003, -86.601)), None, "93 m aside");
        assert_eq!(gate.crossing(at(0.0, 0.0), at(1.0, 1.0)), None, "another frame");
    }
}
