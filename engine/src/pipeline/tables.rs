//! Tables from outside that rows can be enriched from: the port, and one in memory.

use std::collections::BTreeMap;

use super::row::Value;

/// What a table says of one key: names and values.
pub type TableRow = Vec<(String, Value)>;

/// Tables given from outside (drivers, vehicles, teams). Asked in the hot path once per key: must answer from memory.
///
/// Results are repeatable as far as the tables are: who wants a replay to give the same gives it the same tables.
pub trait Tables: Send + Sync {
    /// The names of the tables there are.
    fn names(&self) -> Vec<String>;
    /// What `table` says of `key`.
    fn row(&self, table: &str, key: &str) -> Option<TableRow>;
    /// Changes with what the tables say: what was looked up before is looked up anew. Asked for every row.
    fn version(&self) -> u64 {
        0
    }
}

/// Tables of which only the names are known, for checking descriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedTables(pub Vec<String>);

impl Tables for NamedTables {
    fn names(&self) -> Vec<String> {
        self.0.clone()
    }

    fn row(&self, _: &str, _: &str) -> Option<TableRow> {
        None
    }
}

/// Tables in memory, by table and key. Empty, it is "no tables".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryTables(pub BTreeMap<String, BTreeMap<String, TableRow>>);

impl Tables for MemoryTables {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn row(&self, table: &str, key: &str) -> Option<TableRow> {
        self.0.get(table)?.get(key).cloned()
    }
}
