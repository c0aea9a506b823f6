//! `rename`: signals under other names. Where the new name is taken in a row, the renamed signal replaces it.

mod config;
#[cfg(test)]
mod tests;

use crate::pipeline::{Operator, OperatorKind, Output, Row, SignalId};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "rename",
    about: "gives signals other names",
    ordered: false,
    keeps_order: true,
    sided: false,
    build: config::build,
};

#[derive(Debug)]
struct Rename {
    names: Vec<(SignalId, SignalId)>,
}

impl Operator for Rename {
    fn push(&mut self, mut row: Row, out: &mut Output) {
        let new_name = |signal| self.names.iter().find(|(old, _)| *old == signal).map(|(_, new)| *new);
        let arriving: Vec<SignalId> = row.cells.iter().filter_map(|c| new_name(c.signal)).collect();
        if !arriving.is_empty() {
            row.cells.retain(|c| new_name(c.signal).is_some() || !arriving.contains(&c.signal));
            for cell in &mut row.cells {
                cell.signal = new_name(cell.signal).unwrap_or(cell.signal);
            }
        }
        out.emit(row);
    }
}
