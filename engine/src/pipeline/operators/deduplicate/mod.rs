//! `deduplicate`: what a vehicle said twice about one moment passes once.

mod config;
#[cfg(test)]
mod tests;

use slipstream_protocol::Timestamp;

use crate::pipeline::{
    Keyed, Operator, OperatorKind, Output, Row, StateError,
    state::{load_version, save},
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "deduplicate",
    about: "lets what came twice pass once: the same row, or (by = \"time\") any row of a time already seen",
    ordered: true,
    keeps_order: true,
    sided: false,
    build: config::build,
};

/// What makes a row a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Key, time and all values.
    Content,
    /// Key and time; the row that comes first in the order of content passes.
    Time,
}

/// Rows come in order, so only those of a key's newest time can come again.
#[derive(Debug)]
struct Deduplicate {
    by: By,
    newest: Keyed<(Timestamp, Vec<Row>)>,
}

impl Operator for Deduplicate {
    fn push(&mut self, row: Row, out: &mut Output) {
        let (time, rows) = self.newest.entry(row.key, || (row.time, Vec::new()));
        if *time != row.time {
            *time = row.time;
            for old in rows.drain(..) {
                out.recycle(old);
            }
        }
        let known = match self.by {
            By::Content => rows.iter().any(|old| same(old, &row)),
            By::Time => !rows.is_empty(),
        };
        if known {
            out.discard(row);
        } else {
            rows.push(out.copy(&row));
            out.emit(row);
        }
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&self.newest, bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        self.newest = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let rows = self.newest.values().flat_map(|(_, rows)| rows);
        self.newest.heap_bytes() + rows.map(|r| size_of::<Row>() + r.cells.capacity() * 24).sum::<usize>()
    }
}

/// The same signals with the same values, in whatever order.
fn same(a: &Row, b: &Row) -> bool {
    a.start == b.start
        && a.kind == b.kind
        && a.cells.len() == b.cells.len()
        && a.cells.iter().all(|cell| b.cell(cell.signal).is_some_and(|other| other == cell))
}
