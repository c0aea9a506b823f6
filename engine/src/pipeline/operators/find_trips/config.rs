//! Fields of `find_trips`.

use slipstream_protocol::Timestamp;

use super::{FindTrips, Names};
use crate::{
    pipeline::{Builder, Fields, Keyed, Operator, Timers, roles::Roles},
    trips::TripConfig,
};

/// All optional: `radius_m`, `stop_after`, `leave_m`, `max_gap`, `max_speed_mps`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let default = TripConfig::default();
    let radius_m = fields.optional_number("radius_m", 1.0, 10_000.0).unwrap_or(default.radius_m);
    let config = TripConfig {
        radius_m,
        stop_after_s: fields.optional_duration("stop_after").map_or(default.stop_after_s, |d| d.as_secs_f64()),
        leave_m: fields.optional_number("leave_m", 1.0, 100_000.0).unwrap_or(default.leave_m.max(radius_m)),
        max_gap_s: fields.optional_duration("max_gap").map_or(default.max_gap_s, |d| d.as_secs_f64()),
        max_speed_mps: fields.optional_number("max_speed_mps", 0.1, 1_000.0).unwrap_or(default.max_speed_mps),
    };
    for (field, what) in config.mistakes() {
        fields.mistake(field.trim_end_matches("_s"), what);
    }
    let mut place = |prefix: &str| ["lat_deg", "lon_deg", "x_m", "y_m"].map(|axis| builder.signal(&format!("{prefix}{axis}")));
    let (began, end, place) = (place("from_"), place("to_"), place(""));
    let names = Names {
        event: builder.signal("event"),
        trip: builder.signal("trip"),
        stop: builder.signal("stop"),
        from: builder.signal("from_s"),
        to: builder.signal("to_s"),
        distance: builder.signal("distance_m"),
        idle: builder.signal("idle_s"),
        max_speed: builder.signal("max_speed_mps"),
        ended: builder.signal("ended"),
        began,
        end,
        place,
    };
    Some(Box::new(FindTrips {
        config,
        names,
        roles: Roles::default(),
        vehicles: Keyed::default(),
        timers: Timers::default(),
        awaited: Keyed::default(),
        newest: Timestamp::from_micros(i64::MIN),
        told: Vec::new(),
    }))
}
