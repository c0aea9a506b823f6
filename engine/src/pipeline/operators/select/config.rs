//! Fields of `select`.

use super::Select;
use crate::pipeline::{Builder, Fields, Operator};

/// `signals`: patterns to keep; `except`: patterns to leave out. One of them is needed.
pub(super) fn build(fields: &mut Fields<'_>, _: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let keep = fields.optional_list("signals");
    let drop = fields.optional_list("except");
    if keep.is_none() && drop.is_none() {
        fields.mistake("signals", "is missing; a list of signals to keep (or `except`, those to leave out) is expected");
        return None;
    }
    Some(Box::new(Select { keep: keep.unwrap_or_default(), drop: drop.unwrap_or_default(), decided: Vec::new() }))
}
