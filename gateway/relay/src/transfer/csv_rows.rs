//! Rows as CSV.

use std::io::{BufRead, Write};

use csv::{ErrorKind, StringRecord, Writer, WriterBuilder};

use super::row::{COLUMNS, Row};
use crate::source::{
    Item, Remark, Skipped,
    csv::NO_ROWS,
    records::{Outcome, Record, Records},
    text::CONVERT,
};

/// The header line of exported files.
pub(super) fn header() -> String {
    COLUMNS.join(",")
}

pub(super) struct CsvWriter<W: Write> {
    writer: Writer<W>,
    escape_formulas: bool,
    formulas: u64,
}

impl<W: Write> CsvWriter<W> {
    pub(super) fn new(out: W, escape_formulas: bool) -> std::io::Result<Self> {
        // The header is written by hand, so that an export without points has one too.
        let mut writer = WriterBuilder::new().has_headers(false).from_writer(out);
        writer.write_record(COLUMNS)?;
        Ok(Self { writer, escape_formulas, formulas: 0 })
    }

    pub(super) fn write(&mut self, rows: &[Row]) -> std::io::Result<()> {
        rows.iter().try_for_each(|row| {
            let formulas = texts(row).into_iter().flatten().filter(|text| begins_as_formula(text)).count() as u64;
            self.formulas += formulas;
            if formulas > 0 && self.escape_formulas { self.writer.serialize(escaped(row)) } else { self.writer.serialize(row) }
                .map_err(Into::into)
        })
    }

    /// Cells that begin as a formula.
    pub(super) const fn formulas(&self) -> u64 {
        self.formulas
    }

    pub(super) fn finish(self) -> std::io::Result<W> {
        self.writer.into_inner().map_err(|e| std::io::Error::other(e.to_string()))
    }
}

/// The cells that hold text of others.
fn texts(row: &Row) -> [Option<&str>; 5] {
    [Some(&row.vehicle_id), row.session_id.as_deref(), row.fleet_id.as_deref(), Some(&row.signal), row.text.as_deref()]
}

/// Whether a spreadsheet takes a cell for a formula (OWASP, CSV injection): by its first character, in full width too.
fn begins_as_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

/// The row with `'` in front of each such cell: spreadsheets show the text behind it.
fn escaped(row: &Row) -> Row {
    let escape = |text: &String| if begins_as_formula(text) { format!("'{text}") } else { text.clone() };
    Row {
        vehicle_id: escape(&row.vehicle_id),
        session_id: row.session_id.as_ref().map(escape),
        fleet_id: row.fleet_id.as_ref().map(escape),
        signal: escape(&row.signal),
        text: row.text.as_ref().map(escape),
        ..row.clone()
    }
}

/// Whether this is the header of an exported file.
pub(super) fn is_header(line: &[u8]) -> bool {
    line.trim_ascii() == header().as_bytes()
}

/// Reads an exported table: samples, and the rows that make none. Ends where the file breaks off.
pub(super) fn read(input: impl BufRead + Send + 'static) -> impl Iterator<Item = std::io::Result<Item>> + Send {
    let (mut records, mut record) = (Records::new(input, b','), Record::default());
    let mut header = None;
    let (mut broken, mut any) = (false, false);
    std::iter::from_fn(move || {
        while !broken {
            match records.read(&mut record) {
                Ok(Outcome::End) => {
                    broken = true;
                    return (!any).then(|| Ok(Item::Remark(Remark::new(0, NO_ROWS))));
                }
                Ok(Outcome::Record) => match &header {
                    None => header = Some(record.iter().map(String::from_utf8_lossy).collect::<StringRecord>()),
                    Some(header) => {
                        any = true;
                        return Some(Ok(item(&record, header)));
                    }
                },
                Ok(Outcome::Skipped(line, reason)) => {
                    any = true;
                    return Some(Ok(Item::Skipped(Skipped::new(line, &reason))));
                }
                Err(error) => {
                    broken = true;
                    return Some(Err(error));
                }
            }
        }
        None
    })
}

fn item(record: &Record, header: &StringRecord) -> Item {
    let skipped = |reason: String| Item::Skipped(Skipped::new(record.line(), &reason));
    let cells: Result<StringRecord, _> = record.iter().map(std::str::from_utf8).collect();
    let Ok(cells) = cells else { return skipped(format!("it is not UTF-8; {CONVERT}")) };
    match cells.deserialize::<Row>(Some(header)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(signal: &str, text: Option<&str>, escape_formulas: bool) -> (String, u64) {
        let mut writer = CsvWriter::new(Vec::new(), escape_formulas).unwrap();
        let (value, text) = (text.is_none().then_some(-1.5), text.map(str::to_owned));
        writer.write(&[Row { vehicle_id: "car".into(), signal: signal.into(), value, text, ..Row::default() }]).unwrap();
        let formulas = writer.formulas();
        let file = String::from_utf8(writer.finish().unwrap()).unwrap();
        (file.split_once('\n').unwrap().1.to_owned(), formulas)
    }

    #[test]
    fn cells_that_begin_as_a_formula_are_text_on_request_and_numbers_stay_numbers() {
        for signal in ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\u{ff1d}1"] {
            let (raw, formulas) = written(signal, None, false);
            assert!(raw.contains(signal) && !raw.contains(&format!("'{signal}")) && formulas == 1, "{raw}");
            let (safe, formulas) = written(signal, None, true);
            assert!(safe.contains(&format!("'{signal}")) && safe.contains(",-1.5,") && formulas == 1, "{safe}");
        }
        assert!(written("note", Some("=1+1"), true).0.contains("'=1+1"));
        assert_eq!(written("speed", Some("a=b"), true).1, 0);
    }
}
