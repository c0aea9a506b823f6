//! Fields of `rename`.

use super::Rename;
use crate::pipeline::{Builder, Fields, Operator};

/// `to`: a table of old names and new ones.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let Some(entries) = fields.entries::<String>("to").filter(|e| !e.is_empty()) else {
        fields.mistake("to", "is missing; a table of old names and new ones is expected: to = {nmot = \"rpm\"}");
        return None;
    };
    for (i, (old, new)) in entries.iter().enumerate() {
        if let Some((other, _)) = entries[..i].iter().find(|(_, taken)| taken == new) {
            fields.mistake(&format!("to.{old}"), format!("'{other}' is renamed to '{new}' as well"));
            return None;
        }
    }
    let names = entries.iter().map(|(old, new)| (builder.signal(old), builder.signal(new))).collect();
    Some(Box::new(Rename { names }))
}
