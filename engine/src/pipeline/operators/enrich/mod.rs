//! `enrich`: adds what a table says of a row's key, or of a text signal, to the row.
//!
//! The table is written in the step (`rows`), or given from outside (`table`). What it says of a key is looked up when the key first
//! comes, and anew when the table has changed: a row gets what the table says when it is worked through, not what it said at the
//! row's time.

mod config;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use crate::pipeline::{Key, Keyed, Operator, OperatorKind, Output, Quality, Row, SignalId, Value, tables::Tables};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "enrich",
    about: "adds what a table says of a row's key or of one of its signals",
    ordered: false,
    keeps_order: true,
    sided: false,
    build: config::build,
};

/// What is known of a key or text, under the signals it becomes.
type Known = Arc<[(SignalId, Value)]>;

struct Enrich {
    tables: Arc<dyn Tables>,
    table: String,
    /// Looked up by this signal's text; by the row's key where absent.
    by: Option<SignalId>,
    prefix: String,
    by_key: Keyed<Known>,
    by_text: HashMap<String, Known>,
    /// Which version of the tables that is.
    version: u64,
}

/// Texts remembered; beyond that all are looked up anew.
const MAX_TEXTS: usize = 10_000;

impl Enrich {
    fn find(&self, key: &str, out: &mut Output) -> Known {
        let row = self.tables.row(&self.table, key).unwrap_or_default();
        row.into_iter().map(|(name, value)| (out.scope.signals.intern(&format!("{}{name}", self.prefix)), value)).collect()
    }

    fn of_key(&mut self, key: Key, out: &mut Output) -> Known {
        if let Some(known) = self.by_key.get(key) {
            return Arc::clone(known);
        }
        let name = out.scope.keys.name(key).to_owned();
        let known = self.find(&name, out);
        Arc::clone(self.by_key.entry(key, || known))
    }

    fn of_text(&mut self, text: &str, out: &mut Output) -> Known {
        if let Some(known) = self.by_text.get(text) {
            return Arc::clone(known);
        }
        let known = self.find(text, out);
        if self.by_text.len() >= MAX_TEXTS {
            self.by_text.clear();
        }
        self.by_text.insert(text.to_owned(), Arc::clone(&known));
        known
    }
}

impl Operator for Enrich {
    fn push(&mut self, mut row: Row, out: &mut Output) {
        let version = self.tables.version();
        if version != self.version {
            self.version = version;
            self.by_key = Keyed::default();
            self.by_text.clear();
        }
        let known = match self.by {
            None => Some(self.of_key(row.key, out)),
            Some(signal) => {
                let text = row.cell(signal).and_then(|c| c.value.as_text()).map(str::to_owned);
                text.map(|text| self.of_text(&text, out))
            }
        };
        for (signal, value) in known.iter().flat_map(|k| k.iter()) {
            row.set(*signal, value.clone(), Quality::Good);
        }
        out.emit(row);
    }

    fn state_bytes(&self) -> usize {
        let known = |k: &Known| k.len() * size_of::<(SignalId, Value)>();
        self.by_key.heap_bytes() + self.by_key.values().map(known).sum::<usize>() + self.by_text.values().map(known).sum::<usize>()
    }
}
