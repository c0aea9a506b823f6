//! Fields of `deduplicate`.

use super::{By, Deduplicate};
use crate::pipeline::{Builder, Fields, Keyed, Operator};

/// `by`: `content` (the default) or `time`.
pub(super) fn build(fields: &mut Fields<'_>, _: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let by = fields.optional_choice("by", &[("content", By::Content), ("time", By::Time)]).unwrap_or(By::Content);
    Some(Box::new(Deduplicate { by, newest: Keyed::default() }))
}
