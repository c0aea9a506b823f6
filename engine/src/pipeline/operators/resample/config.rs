//! Fields of `resample`.

use std::time::Duration;

use super::{Method, Resample};
use crate::pipeline::{Builder, Fields, Keyed, Operator, roles::Turns};

/// The most points one gap may be filled with.
const MAX_FILL: u128 = 100_000;

/// `every`, `method` (`linear`), `max_gap` (`2s`).
pub(super) fn build(fields: &mut Fields<'_>, _: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let every = fields.duration("every");
    let method = fields.optional_choice("method", &[("linear", Method::Linear), ("previous", Method::Previous)]);
    let max_gap = fields.optional_duration("max_gap").unwrap_or(Duration::from_secs(2));
    let every = every?;
    if max_gap.as_micros() / every.as_micros() > MAX_FILL {
        fields.mistake("max_gap", format!("holds more than {MAX_FILL} points of every; a shorter one is expected"));
    }
    let (every, max_gap) = (every.as_micros() as i64, max_gap.as_micros() as i64);
    Some(Box::new(Resample { every, method: method.unwrap_or(Method::Linear), max_gap, turns: Turns::default(), tracks: Keyed::default() }))
}
