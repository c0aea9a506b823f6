//! Fields of `join`.

use super::{Join, Mode};
use crate::pipeline::{Builder, Fields, Keyed, Operator};

/// `mode`, `within`, `prefix` (`other.`), `by` (`key` or `any`), `keep_unmatched`; and `with`, which the pipeline reads.
pub(super) fn build(fields: &mut Fields<'_>, _: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let mode = fields.choice("mode", &[("as_of", Mode::AsOf), ("interval", Mode::Interval)]);
    let within = fields.duration("within");
    let prefix = fields.or("prefix", "other.".to_owned());
    let shared = fields.optional_choice("by", &[("key", false), ("any", true)]).unwrap_or(false);
    let keep_unmatched = fields.optional::<bool>("keep_unmatched");
    let (mode, within) = (mode?, within?);
    if mode == Mode::Interval && keep_unmatched.is_some() {
        fields.mistake("keep_unmatched", "is for mode = \"as_of\": an interval join tells pairs alone");
    }
    Some(Box::new(Join {
        mode,
        within: within.as_micros() as i64,
        keep_unmatched: keep_unmatched.unwrap_or(true),
        prefix,
        shared,
        waiting: Vec::new(),
        recent: Keyed::default(),
        renamed: Vec::new(),
    }))
}
