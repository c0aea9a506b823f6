//! Fields of `fence`.

use super::{Fence, Names};
use crate::{
    geo::{LatLon, Point},
    geofence::{self, Anchor, FenceRule, FenceSet, Shape},
    pipeline::{Builder, Fields, Keyed, Operator, Timers, roles::Roles},
};

/// `fences`: a list of `{name, shape, ...}`: `polygon` with `corners`, `circle` with `middle` and `radius_m`, `corridor` with `path` and
/// `width_m`; points are `{lat_deg, lon_deg}` or `{x_m, y_m}`. `margin_m?`, `dwell?`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    if !fields.has("fences") {
        fields.mistake("fences", "is missing; a list like [{name = \"depot\", shape = \"circle\", middle = {lat_deg = 60.2, lon_deg = 24.9}, radius_m = 100}] is expected");
    }
    let before = fields.mistakes();
    let fences = fields.tables("fences", fence);
    let default = FenceRule::default();
    let rule = FenceRule {
        margin_m: fields.optional_number("margin_m", 0.0, 100_000.0).unwrap_or(default.margin_m),
        dwell_s: fields.optional_duration("dwell").map_or(0.0, |d| d.as_secs_f64()),
    };
    let set = match FenceSet::new(&fences) {
        Ok(set) => set,
        Err(errors) => {
            // Places in the list are those of the file only where none was left out.
            let whole = fields.mistakes() == before;
            for error in errors.into_iter().filter(|_| whole) {
                fields.mistake(&format!("fences[{}]", error.index), error.what);
            }
            return None;
        }
    };
    let [event, fence, since, stay] = ["event", "fence", "since_s", "stay_s"].map(|name| builder.signal(name));
    let names = Names { event, fence, since, stay };
    Some(Box::new(Fence {
        set,
        rule,
        names,
        roles: Roles::default(),
        vehicles: Keyed::default(),
        timers: Timers::default(),
        told: Vec::new(),
    }))
}

#[derive(Clone, Copy)]
enum Kind {
    Polygon,
    Circle,
    Corridor,
}

fn fence(f: &mut Fields<'_>) -> Option<geofence::Fence> {
    let name = f.required("name");
    let kind = f.choice("shape", &[("polygon", Kind::Polygon), ("circle", Kind::Circle), ("corridor", Kind::Corridor)])?;
    let shape = match kind {
        Kind::Polygon => Shape::Polygon { corners: f.tables("corners", anchor) },
        Kind::Circle => {
            let (middle, radius_m) = (f.table("middle", anchor), f.number("radius_m", 0.1, 200_000.0));
            if !f.has("middle") {
                f.mistake("middle", "is missing; a point like {lat_deg = 60.2, lon_deg = 24.9} is expected");
            }
            Shape::Circle { middle: middle?, radius_m: radius_m? }
        }
        Kind::Corridor => {
            let (path, width_m) = (f.tables("path", anchor), f.number("width_m", 0.1, 200_000.0));
            Shape::Corridor { path, width_m: width_m? }
        }
    };
    Some(geofence::Fence { name: name?, shape })
}

fn anchor(f: &mut Fields<'_>) -> Option<Anchor> {
    if f.has("x_m") || f.has("y_m") {
        let (x_m, y_m) = (f.required("x_m"), f.required("y_m"));
        return Some(Anchor::Track(Point::new(x_m?, y_m?)));
    }
    let (lat_deg, lon_deg) = (f.number("lat_deg", -85.0, 85.0), f.number("lon_deg", -180.0, 180.0));
    Some(Anchor::Earth(LatLon { lat_deg: lat_deg?, lon_deg: lon_deg? }))
}
