//! Recorded data: gzipped or plain CSV under `$SLIPSTREAM_DATA/data`.

use std::{fs::File, io::Read, path::PathBuf};

/// A table: its header, and rows of text.
pub(crate) struct Table {
    header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// Where a column is.
    pub(crate) fn column(&self, name: &str) -> usize {
        self.header.iter().position(|h| h == name).unwrap_or_else(|| panic!("no column {name} in {:?}", self.header))
    }

    /// The rows whose `column` says `value`.
    pub(crate) fn of<'a>(&'a self, column: &str, value: &'a str) -> impl Iterator<Item = &'a Vec<String>> {
        let column = self.column(column);
        self.rows.iter().filter(move |r| r[column] == value)
    }

    /// What a column says, each once, in the order of first appearance.
    pub(crate) fn distinct(&self, column: &str) -> Vec<String> {
        let column = self.column(column);
        let mut seen = Vec::new();
        for row in &self.rows {
            if !seen.contains(&row[column]) {
                seen.push(row[column].clone());
            }
        }
        seen
    }
}

/// The number in a cell; `None` where it is empty or none.
pub(crate) fn number(cell: &str) -> Option<f64> {
    cell.parse().ok()
}

/// Reads a file of the sample data; `None`, and says so, where it is not there.
pub(crate) fn table(name: &str) -> Option<Table> {
    let root = std::env::var_os("SLIPSTREAM_DATA").map_or_else(|| PathBuf::from("../../shared"), PathBuf::from);
    let path = root.join("data").join(name);
    let Ok(file) = File::open(&path) else {
        println!("skipped: {} is not there; SLIPSTREAM_DATA names the folder that holds data/", path.display());
        return None;
    };
    let plain: Box<dyn Read> =
        if path.extension().is_some_and(|e| e == "gz") { Box::new(flate2::read::GzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(plain);
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
    Some(Table { header, rows })
}
