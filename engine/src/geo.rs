//! Places on the ground: latitude and longitude, a local plane in metres, distances.

use serde::{Deserialize, Serialize};

/// Mean radius of the Earth (IUGG), m. A sphere of it is within 0.6 % of the ellipsoid everywhere.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A place in a plane, m: `x` is east (or the frame's first axis), `y` is north.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// East, m.
    pub x_m: f64,
    /// North, m.
    pub y_m: f64,
}

impl Point {
    /// A point.
    pub const fn new(x_m: f64, y_m: f64) -> Self {
        Self { x_m, y_m }
    }

    /// How far it is to `other`, m.
    pub fn distance_m(self, other: Self) -> f64 {
        (other.x_m - self.x_m).hypot(other.y_m - self.y_m)
    }

    /// The point a fraction `f` of the way to `other`.
    #[must_use]
    pub fn toward(self, other: Self, f: f64) -> Self {
        Self { x_m: self.x_m + (other.x_m - self.x_m) * f, y_m: self.y_m + (other.y_m - self.y_m) * f }
    }
}

/// A place on the Earth (WGS 84), °.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatLon {
    /// Latitude, °, north is positive.
    pub lat_deg: f64,
    /// Longitude, °, east is positive.
    pub lon_deg: f64,
}

impl LatLon {
    /// A place. `None` beyond the poles or the date line, for what is no number, and for 0/0 and what lies within
    /// 0.01° (1.1 km) of it, which receivers without a fix tell (a place in the sea off Ghana that no vehicle visits).
    pub fn new(lat_deg: f64, lon_deg: f64) -> Option<Self> {
        let real = (-90.0..=90.0).contains(&lat_deg) && (-180.0..=180.0).contains(&lon_deg);
        let fix = lat_deg.abs() > NO_FIX_DEG || lon_deg.abs() > NO_FIX_DEG;
        (real && fix).then_some(Self { lat_deg, lon_deg })
    }

    /// Whether one of its coordinates is exactly zero, or it is a pole: what receivers tell that lack one. Such a place can be real,
    /// so it is doubted only where nobody could have driven there.
    pub fn may_lack_a_coordinate(self) -> bool {
        self.lat_deg == 0.0 || self.lon_deg == 0.0 || self.lat_deg.abs() >= 90.0
    }

    /// How far it is to `other` along the sphere (haversine), m.
    pub fn distance_m(self, other: Self) -> f64 {
        let (lat, other_lat) = (self.lat_deg.to_radians(), other.lat_deg.to_radians());
        let half_lat = ((other_lat - lat) / 2.0).sin();
        let half_lon = ((other.lon_deg - self.lon_deg).to_radians() / 2.0).sin();
        let chord = half_lat * half_lat + lat.cos() * other_lat.cos() * half_lon * half_lon;
        2.0 * EARTH_RADIUS_M * chord.sqrt().min(1.0).asin()
    }
}

/// Nearer to 0/0 than this is no fix, °: receivers that have lost theirs tell zero and a little noise.
pub const NO_FIX_DEG: f64 = 0.01;

/// A plane that touches the Earth at `origin`: good to 0.1 % within 50 km of it outside the polar
/// circles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalFrame {
    origin: LatLon,
}

impl LocalFrame {
    /// The plane at `origin`.
    pub const fn at(origin: LatLon) -> Self {
        Self { origin }
    }

    /// Where `place` lies in the plane.
    pub fn point(&self, place: LatLon) -> Point {
        // The short way round, where a fence or a road crosses the date line.
        let lon = (place.lon_deg - self.origin.lon_deg + 540.0).rem_euclid(360.0) - 180.0;
        Point {
            x_m: lon.to_radians() * self.origin.lat_deg.to_radians().cos() * EARTH_RADIUS_M,
            y_m: (place.lat_deg - self.origin.lat_deg).to_radians() * EARTH_RADIUS_M,
        }
    }

    /// The place on the Earth of a point in the plane.
    pub fn place(&self, point: Point) -> LatLon {
        let lat = self.origin.lat_deg + (point.y_m / EARTH_RADIUS_M).to_degrees();
        let lon = self.origin.lon_deg + (point.x_m / (EARTH_RADIUS_M * self.origin.lat_deg.to_radians().cos())).to_degrees();
        LatLon { lat_deg: lat, lon_deg: (lon + 540.0).rem_euclid(360.0) - 180.0 }
    }
}

/// Where something is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Position {
    /// In a plane of its own, m: a track's frame, a pitch.
    Track(Point),
    /// On the Earth.
    Earth(LatLon),
}

impl Position {
    /// How far it is to `other`, m; `None` between frames.
    pub fn distance_m(self, other: Self) -> Option<f64> {
        match (self, other) {
            (Self::Track(a), Self::Track(b)) => Some(a.distance_m(b)),
            (Self::Earth(a), Self::Earth(b)) => Some(a.distance_m(b)),
            _ => None,
        }
    }

    /// As [`LatLon::may_lack_a_coordinate`]; a plane's zero is a place like any other.
    pub fn may_lack_a_coordinate(self) -> bool {
        matches!(self, Self::Earth(place) if place.may_lack_a_coordinate())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_degree_of_latitude_is_111_km_everywhere_one_of_longitude_shrinks_with_the_cosine() {
        let d = |a: (f64, f64), b: (f64, f64)| LatLon::new(a.0, a.1).unwrap().distance_m(LatLon::new(b.0, b.1).unwrap());
        assert!((d((10.0, 5.0), (11.0, 5.0)) - 111_195.08).abs() < 0.1);
        assert!((d((60.0, 5.0), (60.0, 6.0)) / d((0.0, 5.0), (0.0, 6.0)) - 0.5).abs() < 1e-4);
        assert!((d((10.0, 179.999), (10.0, -179.999)) - 219.0).abs() < 0.1, "across the date line");
    }

    #[test]
    fn what_is_no_place_is_none() {
        for (lat, lon) in [(0.0, 0.0), (0.0001, 0.0002), (-0.004, 0.009), (91.0, 0.0), (f64::NAN, 1.0), (-583.2, -35.2), (1.0, 181.0)] {
            assert_eq!(LatLon::new(lat, lon), None, "{lat}/{lon}");
        }
        assert!(LatLon::new(0.0, 9.45).is_some(), "the equator has towns");
        assert!(LatLon::new(51.48, 0.0).is_some(), "and so has the meridian of Greenwich");
    }

    proptest! {
        #[test]
        fn the_plane_keeps_distances_near_its_origin(lat in -65.0..65.0, lon in -180.0..180.0, x in -9_000.0..9_000.0, y in -9_000.0..9_000.0) {
            prop_assume!(LatLon::new(lat, lon).is_some());
            let origin = LatLon { lat_deg: lat, lon_deg: lon };
            let frame = LocalFrame::at(origin);
            let place = frame.place(Point::new(x, y));
            let back = frame.point(place);
            prop_assert!(back.distance_m(Point::new(x, y)) < 1e-3);
            let (plane, sphere) = (x.hypot(y), origin.distance_m(place));
            prop_assert!((plane - sphere).abs() <= sphere * 1.6e-3 + 1e-3, "{} {}", plane, sphere);
        }
    }
}
