//! `filter`: lets rows pass for which an expression holds. Where that is unknown, they do not pass.

mod config;
#[cfg(test)]
mod tests;

use crate::pipeline::{Expression, Operator, OperatorKind, Output, Row};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "filter",
    about: "lets rows pass for which an expression holds",
    ordered: false,
    keeps_order: true,
    sided: false,
    build: config::build,
};

#[derive(Debug)]
struct Filter {
    when: Expression,
}

impl Operator for Filter {
    fn push(&mut self, row: Row, out: &mut Output) {
        if self.when.holds(&row, &out.scope) == Some(true) {
            out.emit(row);
        } else {
            out.discard(row);
        }
    }
}
