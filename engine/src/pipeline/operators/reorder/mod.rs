//! `reorder`: holds rows until the watermark has passed them and lets them go in order of event time.
//!
//! Rows of the same time leave in an order that does not depend on how they came: by the key's name, then by content. What comes
//! behind the watermark is late. The pipeline puts this step before operators that need order, where there is none.

mod config;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use slipstream_protocol::Timestamp;

use crate::pipeline::{
    Cell, Operator, OperatorKind, Output, Row, Scope, StateError, Value,
    state::{load_version, save},
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "reorder",
    about: "lets rows go in order of event time, once the watermark has passed them",
    ordered: false,
    keeps_order: true,
    sided: false,
    build: config::build,
};

/// Rows not yet passed by the watermark.
#[derive(Debug, Default)]
pub struct Reorder {
    held: Vec<Row>,
}

impl Operator for Reorder {
    fn push(&mut self, row: Row, out: &mut Output) {
        if out.is_late(row.time) {
            out.late(row);
        } else {
            self.held.push(row);
        }
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        let mut due: Vec<Row> = Vec::new();
        let mut i = 0;
        while i < self.held.len() {
            if self.held[i].time < watermark {
                due.push(self.held.swap_remove(i));
            } else {
                i += 1;
            }
        }
        due.sort_unstable_by(|a, b| compare(a, b, &out.scope));
        for row in due {
            out.emit(row);
        }
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&self.held, bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        self.held = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.held.capacity() * size_of::<Row>() + self.held.iter().map(|r| r.cells.capacity() * size_of::<Cell>()).sum::<usize>()
    }
}

/// By time, then by the key's name, then by content: never by who came first.
pub(crate) fn compare(a: &Row, b: &Row, scope: &Scope) -> Ordering {
    let names = |row: &Row| scope.keys.name(row.key).to_owned();
    a.time
        .cmp(&b.time)
        .then_with(|| if a.key == b.key { Ordering::Equal } else { names(a).cmp(&names(b)) })
        .then_with(|| a.start.cmp(&b.start))
        .then_with(|| a.kind.cmp(&b.kind))
        .then_with(|| content(a, scope).cmp(&content(b, scope)))
}

/// A cell as something that can be ordered: name, kind of value, number's bits, text, quality.
type Comparable<'a> = (&'a str, u8, Option<u64>, Option<&'a str>, u8);

fn content<'a>(row: &'a Row, scope: &'a Scope) -> Vec<Comparable<'a>> {
    let mut cells: Vec<_> = row
        .cells
        .iter()
        .map(|c| {
            let (kind, number, text) = match &c.value {
                Value::Null => (0, None, None),
                // Flipped so that bits sort as the numbers do.
                Value::Number(n) => (1, Some(n.to_bits() ^ (((n.to_bits() as i64 >> 63) as u64) | (1 << 63))), None),
                Value::Bool(b) => (2, Some(u64::from(*b)), None),
                Value::Text(t) => (3, None, Some(&**t)),
            };
            (scope.signals.name(c.signal), kind, number, text, c.quality as u8)
        })
        .collect();
    cells.sort_unstable();
    cells
}
