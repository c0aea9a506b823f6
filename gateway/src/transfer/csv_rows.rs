//! Rows as CSV.

use std::io::{BufRead, Write};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Writer, WriterBuilder};

use super::row::{COLUMNS, Row};
use crate::relay::source::{Item, Skipped};

/// The header line of exported files.
pub(super) fn header() -> String {
    COLUMNS.join(",")
}

pub(super) struct CsvWriter<W: Write>(Writer<W>);

impl<W: Write> CsvWriter<W> {
    pub(super) fn new(out: W) -> std::io::Result<Self> {
        // The header is written by hand, so that an export without points has one too.
        let mut writer = WriterBuilder::new().has_headers(false).from_writer(out);
        writer.write_record(COLUMNS)?;
        Ok(Self(writer))
    }

    pub(super) fn write(&mut self, rows: &[Row]) -> std::io::Result<()> {
        rows.iter().try_for_each(|row| self.0.serialize(row).map_err(Into::into))
    }

    pub(super) fn finish(self) -> std::io::Result<W> {
        self.0.into_inner().map_err(|e| std::io::Error::other(e.to_string()))
    }
}

/// Reads an exported table: samples, and the rows that make none. Ends where the file breaks off.
pub(super) fn read(input: impl BufRead + Send + 'static) -> impl Iterator<Item = std::io::Result<Item>> + Send {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(input);
    let header = reader.headers().cloned();
    let mut record = StringRecord::new();
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken {
            return None;
        }
        let line = reader.position().line();
        let header = match &header {
            Ok(header) => header,
            Err(error) => {
                broken = true;
                return Some(Err(std::io::Error::other(error.to_string())));
            }
        };
        match reader.read_record(&mut record) {
            Ok(false) => None,
            Ok(true) => Some(Ok(item(&record, header))),
            Err(error) if matches!(error.kind(), ErrorKind::Io(_)) => {
                broken = true;
                Some(Err(error.into()))
            }
            Err(error) => Some(Ok(Item::Skipped(Skipped { line, reason: error.to_string() }))),
        }
    })
}

fn item(record: &StringRecord, header: &StringRecord) -> Item {
    let line = record.position().map_or(0, csv::Position::line);
    let skipped = |reason| Item::Skipped(Skipped { line, reason });
    match record.deserialize::<Row>(Some(header)) {
        Ok(mut row) => {
            // An empty cell where there is no number is empty text: rows without either do not exist.
            if row.value.is_none() && row.text.is_none() {
                row.text = Some(String::new());
            }
            row.sample().map_or_else(skipped, Item::Sample)
        }
        Err(error) => skipped(match error.kind() {
            ErrorKind::Deserialize { err, .. } => match err.field().and_then(|i| COLUMNS.get(i as usize)) {
                Some(column) => format!("{column}: {}", err.kind()),
                None => err.kind().to_string(),
            },
            _ => error.to_string(),
        }),
    }
}
