//! Fields of `derive`.

use super::Derive;
use crate::pipeline::{Builder, Fields, Operator};

/// `set`: a table of signal names and their expressions.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let Some(entries) = fields.entries::<String>("set").filter(|e| !e.is_empty()) else {
        fields.mistake("set", "is missing; a table of signals and their expressions is expected: set = {grip = \"hypot(ax_g, ay_g)\"}");
        return None;
    };
    let mut set = Vec::with_capacity(entries.len());
    for (name, text) in &entries {
        let expression = builder.compile(fields, &format!("set.{name}"), text);
        set.extend(expression.map(|expression| (builder.signal(name), expression)));
    }
    (set.len() == entries.len()).then(|| Box::new(Derive { set, made: Vec::new() }) as _)
}
