//! The shapes a fence can have.

use serde::{Deserialize, Serialize};

use crate::geo::{LatLon, LocalFrame, Point, Position};

/// A corner of a fence: on the Earth, or in a plane of its own (a track's frame).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Anchor {
    /// `lat_deg`, `lon_deg`, °.
    Earth(LatLon),
    /// `x_m`, `y_m`, m.
    Track(Point),
}

impl From<Anchor> for Position {
    fn from(anchor: Anchor) -> Self {
        match anchor {
            Anchor::Earth(place) => Self::Earth(place),
            Anchor::Track(point) => Self::Track(point),
        }
    }
}

/// What a fence encloses. Its border belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "lowercase")]
pub enum Shape {
    /// What lies within the corners; where edges cross, what is enclosed an odd number of times.
    Polygon {
        /// At least three; the last joins the first.
        corners: Vec<Anchor>,
    },
    /// What is no farther from the middle than the radius.
    Circle {
        /// The middle.
        middle: Anchor,
        /// The radius, m.
        radius_m: f64,
    },
    /// What is no farther from a path than half the width.
    Corridor {
        /// At least two points.
        path: Vec<Anchor>,
        /// From side to side, m.
        width_m: f64,
    },
}

impl Shape {
    pub(super) fn anchors(&self) -> &[Anchor] {
        match self {
            Self::Polygon { corners } => corners,
            Self::Circle { middle, .. } => std::slice::from_ref(middle),
            Self::Corridor { path, .. } => path,
        }
    }
}

/// A shape in its own plane.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    /// The plane's frame; `None` where the shape is in one already.
    frame: Option<LocalFrame>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Polygon(Vec<Point>),
    /// A circle is a corridor around a point.
    Around(Vec<Point>, f64),
}

impl Plane {
    /// Puts a shape into a plane around its middle; `None` where its anchors are of two kinds.
    pub(super) fn of(shape: &Shape) -> Option<Self> {
        let anchors = shape.anchors();
        let frame = match anchors.first()? {
            Anchor::Track(_) => None,
            Anchor::Earth(first) => Some(LocalFrame::at(middle(*first, anchors)?)),
        };
        let points: Option<Vec<Point>> = anchors.iter().map(|a| into(frame.as_ref(), (*a).into())).collect();
        let form = match shape {
            Shape::Polygon { .. } => Form::Polygon(points?),
            Shape::Circle { radius_m, .. } => Form::Around(points?, *radius_m),
            Shape::Corridor { width_m, .. } => Form::Around(points?, width_m / 2.0),
        };
        Some(Self { frame, form })
    }

    /// How far `position` is outside, m; 0 or less inside. `None` for a position of another kind.
    pub(super) fn outside_m(&self, position: Position) -> Option<f64> {
        let p = into(self.frame.as_ref(), position)?;
        Some(match &self.form {
            Form::Around(path, reach) => to_path(p, path) - reach,
            Form::Polygon(corners) => {
                let border = to_path(p, corners).min(to_segment(p, corners[corners.len() - 1], corners[0]));
                if encloses(corners, p) { -border } else { border }
            }
        })
    }

    /// The corners of the box around it: `x` then `y`, in degrees on the Earth (where the box may reach beyond the date line).
    pub(super) fn bounds(&self) -> ([f64; 2], [f64; 2]) {
        let (points, reach) = match &self.form {
            Form::Polygon(points) => (points, 0.0),
            Form::Around(points, reach) => (points, *reach),
        };
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for p in points {
            low = [low[0].min(p.x_m - reach), low[1].min(p.y_m - reach)];
            high = [high[0].max(p.x_m + reach), high[1].max(p.y_m + reach)];
        }
        let Some(frame) = &self.frame else { return (low, high) };
        let origin = frame.place(Point::new(0.0, 0.0));
        // Not by `place`, which would come round at the date line; a little more than needed, for rounding.
        let degrees = |p: [f64; 2], sign: f64| {
            let there = frame.place(Point::new(0.0, p[1]));
            let wide = frame.place(Point::new(1.0, 0.0)).lon_deg - origin.lon_deg;
            [origin.lon_deg + p[0] * wide.rem_euclid(360.0) + sign * 1e-9, there.lat_deg + sign * 1e-9]
        };
        (degrees(low, -1.0), degrees(high, 1.0))
    }

    pub(super) const fn on_earth(&self) -> bool {
        self.frame.is_some()
    }
}

/// The middle of places, the short way round from the first.
fn middle(first: LatLon, anchors: &[Anchor]) -> Option<LatLon> {
    let frame = LocalFrame::at(first);
    let (mut low, mut high) = (Point::new(0.0, 0.0), Point::new(0.0, 0.0));
    for anchor in anchors {
        let p = into(Some(&frame), (*anchor).into())?;
        low = Point::new(low.x_m.min(p.x_m), low.y_m.min(p.y_m));
        high = Point::new(high.x_m.max(p.x_m), high.y_m.max(p.y_m));
    }
    Some(frame.place(low.toward(high, 0.5)))
}

fn into(frame: Option<&LocalFrame>, position: Position) -> Option<Point> {
    match (frame, position) {
        (None, Position::Track(point)) => Some(point),
        (Some(frame), Position::Earth(place)) => Some(frame.point(place)),
        _ => None,
    }
}

/// Whether a ray from `p` crosses the edges an odd number of times.
fn encloses(corners: &[Point], p: Point) -> bool {
    let mut inside = false;
    let mut before = corners[corners.len() - 1];
    for corner in corners {
        if (corner.y_m > p.y_m) != (before.y_m > p.y_m) {
            let x = before.x_m + (p.y_m - before.y_m) / (corner.y_m - before.y_m) * (corner.x_m - before.x_m);
            inside ^= p.x_m < x;
        }
        before = *corner;
    }
    inside
}

fn to_path(p: Point, path: &[Point]) -> f64 {
    if let [only] = path {
        return p.distance_m(*only);
    }
    path.windows(2).map(|w| to_segment(p, w[0], w[1])).fold(f64::INFINITY, f64::min)
}

/// How far `p` is from the way between `a` and `b`, m.
pub(crate) fn to_segment(p: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x_m - a.x_m, b.y_m - a.y_m);
    let square = dx * dx + dy * dy;
    let f = if square > 0.0 { (((p.x_m - a.x_m) * dx + (p.y_m - a.y_m) * dy) / square).clamp(0.0, 1.0) } else { 0.0 };
    a.toward(b, f).distance_m(p)
}
