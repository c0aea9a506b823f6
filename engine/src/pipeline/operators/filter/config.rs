//! Fields of `filter`.

use super::Filter;
use crate::pipeline::{Builder, Fields, Operator};

/// `when`: an expression.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let when = builder.expression(fields, "when")?;
    Some(Box::new(Filter { when }))
}
