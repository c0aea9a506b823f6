//! `select`: keeps some signals and leaves out the others.

mod config;
#[cfg(test)]
mod tests;

use crate::pipeline::{Operator, OperatorKind, Output, Row, SignalId};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "select",
    about: "keeps the named signals (patterns with * and ?) and leaves out the others",
    ordered: false,
    keeps_order: true,
    sided: false,
    build: config::build,
};

/// Keeps signals whose names match; what a name leads to is decided once.
#[derive(Debug, Default)]
struct Select {
    keep: Vec<String>,
    drop: Vec<String>,
    /// By signal: whether it is kept, once looked at.
    decided: Vec<Option<bool>>,
}

impl Select {
    fn keeps(&mut self, signal: SignalId, out: &Output) -> bool {
        if let Some(Some(kept)) = self.decided.get(signal.index()) {
            return *kept;
        }
        let name = out.scope.signals.name(signal);
        let any = |patterns: &[String]| patterns.iter().any(|p| crate::pipeline::source::matches(p, name));
        let kept = (self.keep.is_empty() || any(&self.keep)) && !any(&self.drop);
        if self.decided.len() <= signal.index() {
            self.decided.resize(signal.index() + 1, None);
        }
        self.decided[signal.index()] = Some(kept);
        kept
    }
}

impl Operator for Select {
    fn push(&mut self, mut row: Row, out: &mut Output) {
        row.cells.retain(|cell| self.keeps(cell.signal, out));
        if row.cells.is_empty() {
            out.discard(row);
        } else {
            out.emit(row);
        }
    }
}
