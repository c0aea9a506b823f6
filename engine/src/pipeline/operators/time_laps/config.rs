//! Fields of `time_laps`.

use std::time::Duration;

use super::{Names, TimeLaps};
use crate::{
    geo::{LatLon, Point},
    laps::{Course, Gate, Place},
    pipeline::{Builder, Fields, Keyed, Operator, roles::Roles},
};

/// `gates`: the start line first, then sectors' ends, each `{lat_deg, lon_deg, heading_deg, width_m?}` or `{x_m, y_m, ...}`;
/// or `sectors_m` (and `length_m?`) for laps by distance. `mini_sectors?`, `min_lap?`, `max_gap?`, `reckon?`, `stint_stop?`, `progress?`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let default = Course::default();
    let seconds = |value: Option<Duration>, default: f64| value.map_or(default, |d| d.as_secs_f64());
    let course = Course {
        gates: fields.tables("gates", gate),
        sectors_m: fields.optional_list("sectors_m").unwrap_or_default(),
        length_m: fields.optional_number("length_m", 1.0, 1e6),
        mini_sectors: fields.optional_number("mini_sectors", 0.0, 200.0).unwrap_or(0.0) as u32,
        min_lap_s: seconds(fields.optional_duration("min_lap"), default.min_lap_s),
        max_gap_s: seconds(fields.optional_duration("max_gap"), default.max_gap_s),
        reckon_s: seconds(fields.optional_duration("reckon"), default.reckon_s),
        stint_stop_s: seconds(fields.optional_duration("stint_stop"), default.stint_stop_s),
    };
    let progress = fields.or("progress", false);
    for (field, what) in course.mistakes() {
        fields.mistake(field.trim_end_matches("_s"), what);
    }
    let sectors = course.gates.len().max(course.sectors_m.len() + 1);
    let names = Names {
        event: builder.signal("event"),
        lap: builder.signal("lap"),
        lap_time: builder.signal("lap_time_s"),
        lap_dist: builder.signal("lap_dist_m"),
        delta: builder.signal("delta_s"),
        sector: builder.signal("sector"),
        mini: builder.signal("mini_sector"),
        sector_time: builder.signal("sector_time_s"),
        sectors: (1..=sectors).map(|i| builder.signal(&format!("s{i}_s"))).collect(),
        stint: builder.signal("stint"),
        laps: builder.signal("laps"),
        best: builder.signal("best_s"),
        mean: builder.signal("mean_s"),
        from: builder.signal("from_s"),
        to: builder.signal("to_s"),
        interval: builder.signal("interval_s"),
    };
    Some(Box::new(TimeLaps { course, progress, names, roles: Roles::default(), vehicles: Keyed::default(), told: Vec::new() }))
}

fn gate(f: &mut Fields<'_>) -> Option<Gate> {
    let heading_deg = f.number("heading_deg", -360.0, 360.0);
    let width_m = f.optional_number("width_m", 1.0, 1_000.0).unwrap_or(40.0);
    let place = if f.has("x_m") || f.has("y_m") {
        Place::Track(Point::new(f.required("x_m")?, f.required("y_m")?))
    } else {
        Place::Earth(LatLon { lat_deg: f.number("lat_deg", -85.0, 85.0)?, lon_deg: f.number("lon_deg", -180.0, 180.0)? })
    };
    Some(Gate { place, heading_deg: heading_deg?, width_m })
}
