//! Records as tables, for streams that are enriched from them.

use slipstream_engine::pipeline::Value;

use super::RecordsFuture;

/// Rows by id, each its columns' names and values; empty columns are left out.
pub type TableRows = Vec<(String, Vec<(String, Value)>)>;

/// Whole tables, read at once.
pub trait TableRecords: Send + Sync + 'static {
    /// The names of the tables there are.
    fn table_names(&self) -> &'static [&'static str];

    /// The first `most` rows of a table, by id. Fails with [`super::RecordsError::NotFound`] where there is none of that name.
    fn table<'a>(&'a self, name: &'a str, most: u32) -> RecordsFuture<'a, TableRows>;
}
