//! Fields of `measure_motion`.

use super::{MeasureMotion, Names};
use crate::{
    motion::{MotionConfig, SpeedSource},
    pipeline::{Builder, Fields, Keyed, Operator, roles::Roles},
};

/// `from?` (`"position"` or `"speed"`), `max_speed_mps`, `slack_m?`, `max_gap?`, `smooth?` (positions), `over_mps?`, `every?`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let default = MotionConfig::default();
    let from = fields.optional_choice("from", &[("position", SpeedSource::Position), ("speed", SpeedSource::Speed)]);
    let config = MotionConfig {
        from: from.unwrap_or_default(),
        max_speed_mps: fields.number("max_speed_mps", 0.1, 1_000.0).unwrap_or(default.max_speed_mps),
        slack_m: fields.optional_number("slack_m", 0.0, 1_000.0).unwrap_or(0.0),
        max_gap_s: fields.optional_duration("max_gap").map_or(default.max_gap_s, |d| d.as_secs_f64()),
        smooth: fields.optional_number("smooth", 0.0, 501.0).unwrap_or(0.0) as usize,
        over_mps: fields.optional_list("over_mps").unwrap_or_default(),
    };
    if config.smooth > 0 && (config.smooth < 3 || config.smooth.is_multiple_of(2)) {
        fields.mistake("smooth", "an odd number of positions from 3 on is expected, or 0 for none");
    }
    if config.over_mps.len() > 16 || config.over_mps.iter().any(|v| *v < 0.0) {
        fields.mistake("over_mps", "at most 16 speeds, each 0 or more, are expected");
    }
    let every = fields.optional_duration("every");
    let over = config.over_mps.iter().map(|v| ["m", "s", "count"].map(|unit| builder.signal(&format!("over_{v}_{unit}"))));
    let names = Names {
        over: over.collect(),
        distance: builder.signal("distance_m"),
        speed: builder.signal("speed_mps"),
        max_speed: builder.signal("max_speed_mps"),
        moving: builder.signal("moving_s"),
        jumps: builder.signal("jumps"),
        outliers: builder.signal("outliers"),
        gaps: builder.signal("gaps"),
    };
    let every_micros = every.map_or(0, |d| d.as_micros() as i64);
    Some(Box::new(MeasureMotion { config, every_micros, names, roles: Roles::default(), tracks: Keyed::default(), steps: Vec::new() }))
}
