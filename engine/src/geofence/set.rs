//! Many fences, found by place.

use rstar::{AABB, PointDistance, RTree, RTreeObject};
use serde::{Deserialize, Serialize};

use super::shape::{Plane, Shape};
use crate::geo::Position;

/// A named fence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fence {
    /// Its name, unique in its set.
    pub name: String,
    /// What it encloses.
    #[serde(flatten)]
    pub shape: Shape,
}

/// What is wrong with a fence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fence '{name}': {what}")]
pub struct FenceError {
    /// Its place in the list.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// What is wrong, and what is expected.
    pub what: &'static str,
}

impl FenceError {
    /// Whether trying again may help: never; the fence has to be put right.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// Fences with a spatial index (an R-tree of their boxes): asking costs about the logarithm of their number.
#[derive(Clone, Debug, Default)]
pub struct FenceSet {
    names: Vec<String>,
    planes: Vec<Plane>,
    earth: RTree<Boxed>,
    track: RTree<Boxed>,
}

/// Wider than this a fence's plane is too far from the Earth, m (0.3 % off at its rim).
const WIDEST_M: f64 = 500_000.0;

impl FenceSet {
    /// Builds the set; every fence that cannot be is named.
    pub fn new(fences: &[Fence]) -> Result<Self, Vec<FenceError>> {
        let (mut set, mut errors) = (Self::default(), Vec::new());
        let (mut earth, mut track) = (Vec::new(), Vec::new());
        for (index, fence) in fences.iter().enumerate() {
            let twice = fences[..index].iter().any(|other| other.name == fence.name);
            let plane = if twice { Err("another fence has this name") } else { check(&fence.shape) };
            match plane {
                Ok(plane) => {
                    let boxes = if plane.on_earth() { &mut earth } else { &mut track };
                    boxes.extend(Boxed::around(&plane, set.planes.len()));
                    set.planes.push(plane);
                    set.names.push(fence.name.clone());
                }
                Err(what) => errors.push(FenceError { index, name: fence.name.clone(), what }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        (set.earth, set.track) = (RTree::bulk_load(earth), RTree::bulk_load(track));
        Ok(set)
    }

    /// The fences that enclose `position`, by their place in the list.
    pub fn around(&self, position: Position) -> Vec<usize> {
        let (tree, point) = match position {
            Position::Earth(place) => (&self.earth, [place.lon_deg, place.lat_deg]),
            Position::Track(point) => (&self.track, [point.x_m, point.y_m]),
        };
        let mut found: Vec<usize> = (tree.locate_all_at_point(&point))
            .map(|boxed| boxed.fence)
            .filter(|fence| self.outside_m(*fence, position).is_some_and(|d| d <= 0.0))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// How far `position` is outside of a fence, m; 0 or less inside; `None` for a position of another kind.
    pub fn outside_m(&self, fence: usize, position: Position) -> Option<f64> {
        self.planes.get(fence)?.outside_m(position)
    }

    /// A fence's name.
    pub fn name(&self, fence: usize) -> &str {
        self.names.get(fence).map_or("", String::as_str)
    }

    /// A fence by its name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.planes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.planes.is_empty()
    }
}

fn check(shape: &Shape) -> Result<Plane, &'static str> {
    let positive = |v: f64| v.is_finite() && v > 0.0;
    match shape {
        Shape::Polygon { corners } if corners.len() < 3 => return Err("a polygon has at least 3 corners"),
        Shape::Circle { radius_m, .. } if !positive(*radius_m) => return Err("radius_m must be more than 0"),
        Shape::Corridor { path, .. } if path.len() < 2 => return Err("a corridor's path has at least 2 points"),
        Shape::Corridor { width_m, .. } if !positive(*width_m) => return Err("width_m must be more than 0"),
        _ => {}
    }
    for anchor in shape.anchors() {
        let fine = match (*anchor).into() {
            Position::Earth(place) => (-85.0..=85.0).contains(&place.lat_deg) && (-180.0..=180.0).contains(&place.lon_deg),
            Position::Track(point) => point.x_m.is_finite() && point.y_m.is_finite(),
        };
        if !fine {
            return Err("a point is no place: lat_deg lies within 85 south and north, lon_deg within 180 west and east");
        }
    }
    let plane = Plane::of(shape).ok_or("points are all in lat_deg, lon_deg or all in x_m, y_m")?;
    let (low, high) = plane.bounds();
    let widest = if plane.on_earth() { WIDEST_M / 111_000.0 } else { f64::INFINITY };
    if high[1] - low[1] > widest || (high[0] - low[0]) * low[1].to_radians().cos().max(0.1) > widest {
        return Err("it is wider than 500 km: cut it into parts");
    }
    Ok(plane)
}

/// A box around a fence, in the index.
#[derive(Clone, Copy, Debug)]
struct Boxed {
    low: [f64; 2],
    high: [f64; 2],
    fence: usize,
}

impl Boxed {
    /// The box; a second one on the other side where it reaches beyond the date line.
    fn around(plane: &Plane, fence: usize) -> Vec<Self> {
        let (low, high) = plane.bounds();
        let shifted = |by: f64| Self { low: [low[0] + by, low[1]], high: [high[0] + by, high[1]], fence };
        let mut boxes = vec![shifted(0.0)];
        if plane.on_earth() && high[0] > 180.0 {
            boxes.push(shifted(-360.0));
        }
        if plane.on_earth() && low[0] < -180.0 {
            boxes.push(shifted(360.0));
        }
        boxes
    }
}

impl RTreeObject for Boxed {
    type Envelope = AABB<[f64; 2]>;
    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.low, self.high)
    }
}

impl PointDistance for Boxed {
    fn distance_2(&self, point: &[f64; 2]) -> f64 {
        let aside = |i: usize| (self.low[i] - point[i]).max(point[i] - self.high[i]).max(0.0);
        aside(0).powi(2) + aside(1).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        geo::{LatLon, Point},
        geofence::Anchor,
    };

    fn track(x: f64, y: f64) -> Anchor {
        Anchor::Track(Point::new(x, y))
    }

    fn earth(lat_deg: f64, lon_deg: f64) -> Anchor {
        Anchor::Earth(LatLon { lat_deg, lon_deg })
    }

    /// The sum of the angles under which the edges are seen: a full turn, or more, from inside.
    fn winds(corners: &[(f64, f64)], p: (f64, f64)) -> bool {
        let n = corners.len();
        let turn: f64 = (0..n)
            .map(|i| {
                let (a, b) = (corners[i], corners[(i + 1) % n]);
                let (ax, ay, bx, by) = (a.0 - p.0, a.1 - p.1, b.0 - p.0, b.1 - p.1);
                (ax * by - ay * bx).atan2(ax * bx + ay * by)
            })
            .sum();
        turn.abs() > std::f64::consts::PI
    }

    /// A polygon without crossing edges: corners at rising angles.
    fn star(x: f64, y: f64, radii: &[f64]) -> Vec<(f64, f64)> {
        (radii.iter().enumerate())
            .map(|(i, r)| {
                let angle = i as f64 / radii.len() as f64 * std::f64::consts::TAU;
                (x + r * angle.cos(), y + r * angle.sin())
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_index_finds_what_looking_at_every_fence_finds(
            stars in prop::collection::vec((-900.0..900.0_f64, -900.0..900.0_f64, prop::collection::vec(20.0..200.0_f64, 3..9)), 1..30),
            circles in prop::collection::vec((-900.0..900.0_f64, -900.0..900.0_f64, 5.0..300.0_f64), 0..30),
            paths in prop::collection::vec((prop::collection::vec((-900.0..900.0_f64, -900.0..900.0_f64), 2..6), 5.0..80.0_f64), 0..20),
            asked in prop::collection::vec((-1_000.0..1_000.0_f64, -1_000.0..1_000.0_f64), 60)
        ) {
            let stars: Vec<Vec<(f64, f64)>> = stars.iter().map(|(x, y, radii)| star(*x, *y, radii)).collect();
            let shapes = (stars.iter().map(|s| Shape::Polygon { corners: s.iter().map(|(x, y)| track(*x, *y)).collect() }))
                .chain(circles.iter().map(|(x, y, r)| Shape::Circle { middle: track(*x, *y), radius_m: *r }))
                .chain(paths.iter().map(|(p, w)| Shape::Corridor { path: p.iter().map(|(x, y)| track(*x, *y)).collect(), width_m: *w }));
            let fences: Vec<Fence> = shapes.enumerate().map(|(i, shape)| Fence { name: i.to_string(), shape }).collect();
            let set = FenceSet::new(&fences).unwrap();
            for (x, y) in asked {
                let slow: Vec<usize> = (0..fences.len()).filter(|i| {
                    if *i < stars.len() {
                        return winds(&stars[*i], (x, y));
                    }
                    if let Some((cx, cy, r)) = circles.get(i - stars.len()) {
                        return (x - cx).powi(2) + (y - cy).powi(2) <= r * r;
                    }
                    // A thousand points along each leg.
                    let (path, width) = &paths[i - stars.len() - circles.len()];
                    path.windows(2).any(|w| (0..=1_000).any(|k| {
                        let f = f64::from(k) / 1_000.0;
                        (w[0].0 + (w[1].0 - w[0].0) * f - x).hypot(w[0].1 + (w[1].1 - w[0].1) * f - y) <= width / 2.0
                    }))
                }).collect();
                let fast = set.around(Position::Track(Point::new(x, y)));
                // The points along a leg are up to 3 m apart: what only the exact border decides is left open.
                let open = |i: &usize| *i >= stars.len() + circles.len() && set.outside_m(*i, Position::Track(Point::new(x, y))).unwrap().abs() < 1.0;
                prop_assert_eq!(fast.into_iter().filter(|i| !open(i)).collect::<Vec<_>>(), slow.into_iter().filter(|i| !open(i)).collect::<Vec<_>>());
            }
        }

        #[test]
        fn circles_on_the_earth_enclose_what_is_near_by_the_sphere_also_at_the_date_line(
            lat in -70.0..70.0_f64, lon in prop_oneof![179.9..180.0_f64, -180.0..-179.9_f64, -180.0..180.0_f64],
            radius in 50.0..20_000.0_f64, bearing in 0.0..std::f64::consts::TAU, share in 0.0..2.0_f64
        ) {
            let middle = LatLon { lat_deg: lat, lon_deg: lon };
            let set = FenceSet::new(&[Fence { name: "c".into(), shape: Shape::Circle { middle: Anchor::Earth(middle), radius_m: radius } }]).unwrap();
            let away = Point::new(radius * share * bearing.cos(), radius * share * bearing.sin());
            let place = crate::geo::LocalFrame::at(middle).place(away);
            let far = middle.distance_m(place) / radius;
            prop_assume!((far - 1.0).abs() > 0.01);
            prop_assert_eq!(!set.around(Position::Earth(place)).is_empty(), far < 1.0);
        }
    }

    #[test]
    fn what_is_no_fence_is_named() {
        let fence = |name: &str, shape| Fence { name: name.into(), shape };
        let errors = FenceSet::new(&[
            fence("two", Shape::Polygon { corners: vec![earth(1.0, 1.0), earth(1.0, 2.0)] }),
            fence("mixed", Shape::Corridor { path: vec![earth(1.0, 1.0), track(1.0, 2.0)], width_m: 5.0 }),
            fence("dot", Shape::Circle { middle: earth(1.0, 1.0), radius_m: 0.0 }),
            fence("fine", Shape::Circle { middle: earth(1.0, 1.0), radius_m: 10.0 }),
            fence("fine", Shape::Circle { middle: earth(2.0, 1.0), radius_m: 10.0 }),
            fence("land", Shape::Polygon { corners: vec![earth(1.0, 1.0), earth(1.0, 20.0), earth(20.0, 1.0)] }),
        ])
        .unwrap_err();
        assert_eq!(errors.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 1, 2, 4, 5], "{errors:?}");
    }

    #[test]
    fn fences_are_read_from_json_by_their_shape() {
        let text = r#"[{"name": "depot", "shape": "circle", "middle": {"lat_deg": 60.2, "lon_deg": 24.9}, "radius_m": 120},
            {"name": "route", "shape": "corridor", "path": [{"x_m": 0, "y_m": 0}, {"x_m": 100, "y_m": 0}], "width_m": 10}]"#;
        let set = FenceSet::new(&serde_json::from_str::<Vec<Fence>>(text).unwrap()).unwrap();
        assert_eq!(set.around(Position::Track(Point::new(50.0, 4.9))), [set.find("route").unwrap()]);
        assert_eq!(set.around(Position::Earth(LatLon { lat_deg: 60.2005, lon_deg: 24.9 })), [set.find("depot").unwrap()]);
    }
}
