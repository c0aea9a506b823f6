//! `derive`: new signals by expressions. All of them see the row as it came, not each other. What is unknown is left out (an
//! old value under that name too); the quality is the worst of the signals used.

mod config;
#[cfg(test)]
mod tests;

use slipstream_protocol::Quality;

use crate::pipeline::{Expression, Operator, OperatorKind, Output, Row, SignalId, Value};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "derive",
    about: "sets signals by expressions over the row",
    ordered: false,
    keeps_order: true,
    sided: false,
    build: config::build,
};

#[derive(Debug)]
struct Derive {
    set: Vec<(SignalId, Expression)>,
    made: Vec<(Value, Quality)>,
}

impl Operator for Derive {
    fn push(&mut self, mut row: Row, out: &mut Output) {
        self.made.clear();
        self.made.extend(self.set.iter().map(|(_, expression)| (expression.value(&row, &out.scope), expression.quality(&row))));
        for ((signal, _), (value, quality)) in self.set.iter().zip(self.made.drain(..)) {
            if value == Value::Null {
                row.cells.retain(|c| c.signal != *signal);
            } else {
                row.set(*signal, value, quality);
            }
        }
        out.emit(row);
    }
}
