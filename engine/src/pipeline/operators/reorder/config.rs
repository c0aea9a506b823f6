//! Fields of `reorder`: none; the bound is the pipeline's `time.delay`.

use super::Reorder;
use crate::pipeline::{Builder, Fields, Operator};

pub(super) fn build(_: &mut Fields<'_>, _: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    Some(Box::new(Reorder::default()))
}
