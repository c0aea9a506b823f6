//! `convert`: numbers from one unit to another.

mod config;
#[cfg(test)]
mod tests;
mod units;

use crate::pipeline::{Operator, OperatorKind, Output, Row, SignalId, Value};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "convert",
    about: "converts signals from one unit to another",
    ordered: false,
    keeps_order: true,
    sided: false,
    build: config::build,
};

/// `to = from * factor + offset`, under another name.
#[derive(Clone, Copy, Debug)]
struct Conversion {
    signal: SignalId,
    name: SignalId,
    factor: f64,
    offset: f64,
}

#[derive(Debug)]
struct Convert {
    conversions: Vec<Conversion>,
}

impl Operator for Convert {
    fn push(&mut self, mut row: Row, out: &mut Output) {
        for c in &self.conversions {
            let Some(at) = row.cells.iter().position(|cell| cell.signal == c.signal) else { continue };
            let cell = &mut row.cells[at];
            // Text has no unit: it is not a number to be relied on under the new name.
            cell.value = cell.value.as_number().map_or(Value::Null, |n| Value::finite(n * c.factor + c.offset));
            cell.signal = c.name;
            if c.name != c.signal {
                let mut place = 0;
                row.cells.retain(|cell| {
                    place += 1;
                    place - 1 == at || cell.signal != c.name
                });
            }
        }
        out.emit(row);
    }
}
