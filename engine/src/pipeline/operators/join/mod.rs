//! `join`: rows of this stream with those of a second one (`with`), by key and time.
//!
//! - `as_of`: each row gets the newest row of the other stream that is not after it and at most `within` before it.
//! - `interval`: a row for each pair whose times differ by no more than `within`; its time is the later of the two.
//!
//! The other's signals get a prefix. Rows wait until the watermark has passed them (it waits for both streams), so results do
//! not depend on which stream is faster; what is too late is late.

mod config;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

use crate::pipeline::{
    Cell, Key, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError,
    operators::reorder::compare,
    state::{load_version, save},
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "join",
    about: "joins a second stream: as of each row's time, or every pair within a time",
    ordered: false,
    keeps_order: true,
    sided: true,
    build: config::build,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    AsOf,
    Interval,
}

/// What is known of a key: rows of both streams that others may still be joined to, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Recent {
    left: Vec<Row>,
    right: Vec<Row>,
}

#[derive(Debug)]
struct Join {
    mode: Mode,
    within: i64,
    /// Rows without a partner go on as they are (`as_of`).
    keep_unmatched: bool,
    prefix: String,
    /// All rows of the other stream are for this one key: one weather station for all cars.
    shared: bool,
    /// Rows the watermark has not passed; the flag says: of the second stream.
    waiting: Vec<(bool, Row)>,
    recent: Keyed<Recent>,
    /// The other's signals under their new names, by signal.
    renamed: Vec<Option<SignalId>>,
}

impl Operator for Join {
    fn push(&mut self, row: Row, out: &mut Output) {
        self.wait(row, false, out);
    }

    fn push_side(&mut self, row: Row, out: &mut Output) {
        self.wait(row, true, out);
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        let (mut due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, r)| r.time < watermark);
        self.waiting = waiting;
        // Of the same time the other stream's rows go first: as of now includes now.
        due.sort_by(|a, b| a.1.time.cmp(&b.1.time).then(b.0.cmp(&a.0)).then_with(|| compare(&a.1, &b.1, &out.scope)));
        for (right, row) in due {
            self.take(row, right, out);
        }
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&(&self.waiting, &self.recent), bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        (self.waiting, self.recent) = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let row = |r: &Row| size_of::<Row>() + r.cells.capacity() * size_of::<Cell>();
        let recent = self.recent.values().flat_map(|r| r.left.iter().chain(&r.right)).map(row).sum::<usize>();
        self.recent.heap_bytes() + recent + self.waiting.iter().map(|(_, r)| row(r)).sum::<usize>()
    }
}

impl Join {
    fn wait(&mut self, row: Row, right: bool, out: &mut Output) {
        if out.is_late(row.time) {
            out.late(row);
        } else {
            self.waiting.push((right, row));
        }
    }

    /// The place of a row's partners.
    fn place(&self, row: &Row) -> Key {
        if self.shared { Key::from_index(0) } else { row.key }
    }

    fn take(&mut self, row: Row, right: bool, out: &mut Output) {
        let (place, oldest) = (self.place(&row), row.time.micros().saturating_sub(self.within));
        let mut recent = std::mem::take(self.recent.entry(place, Recent::default));
        for rows in [&mut recent.left, &mut recent.right] {
            let kept_from = rows.partition_point(|r| r.time.micros() < oldest);
            for old in rows.drain(..kept_from) {
                out.recycle(old);
            }
        }
        match (self.mode, right) {
            (Mode::AsOf, true) => {
                for old in recent.right.drain(..) {
                    out.recycle(old);
                }
                recent.right.push(row);
            }
            (Mode::AsOf, false) => match recent.right.last() {
                Some(partner) => {
                    let joined = self.joined(row, partner, out);
                    out.emit(joined);
                }
                None if self.keep_unmatched => out.emit(row),
                None => out.discard(row),
            },
            (Mode::Interval, _) => {
                let partners = if right { &recent.left } else { &recent.right };
                for partner in partners {
                    let (left, other) = if right { (partner, &row) } else { (&row, partner) };
                    let mut joined = out.copy(left);
                    (joined.start, joined.time) = (left.time.min(other.time), left.time.max(other.time));
                    let joined = self.joined(joined, other, out);
                    out.emit(joined);
                }
                if right { recent.right.push(row) } else { recent.left.push(row) }
            }
        }
        *self.recent.entry(place, Recent::default) = recent;
    }

    /// A row with the other's signals added.
    fn joined(&mut self, mut row: Row, other: &Row, out: &mut Output) -> Row {
        for cell in &other.cells {
            let signal = self.rename(cell.signal, out);
            row.set(signal, cell.value.clone(), cell.quality);
        }
        row
    }

    fn rename(&mut self, signal: SignalId, out: &mut Output) -> SignalId {
        if self.prefix.is_empty() {
            return signal;
        }
        if let Some(Some(known)) = self.renamed.get(signal.index()) {
            return *known;
        }
        let name = format!("{}{}", self.prefix, out.scope.signals.name(signal));
        let renamed = out.scope.signals.intern(&name);
        if self.renamed.len() <= signal.index() {
            self.renamed.resize(signal.index() + 1, None);
        }
        self.renamed[signal.index()] = Some(renamed);
        renamed
    }
}
