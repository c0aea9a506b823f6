//! Rows as JSON lines.

use std::io::{BufRead, Read as _, Write};

use super::row::Row;
use crate::source::{Item, Skipped, text};

/// Lines longer than this are skipped, not kept.
const MAX_LINE: u64 = 1 << 20;

pub(super) fn write(out: &mut impl Write, rows: &[Row]) -> std::io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, row)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Whether a line is an exported row, and not a telemetry frame.
pub(super) fn is_row(line: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|v| v.get("signal").is_some() && v.get("vehicle_id").is_some())
}

/// Reads exported lines: samples, and the lines that make none. Ends where the file breaks off.
pub(super) fn read(mut input: impl BufRead + Send + 'static) -> impl Iterator<Item = std::io::Result<Item>> + Send {
    let mut number = 0;
    let mut line = Vec::new();
    let mut broken = false;
    std::iter::from_fn(move || {
        loop {
            if broken {
                return None;
            }
            line.clear();
            number += 1;
            match (&mut input).take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(read) if read as u64 == MAX_LINE && !line.ends_with(b"\n") => {
                    if let Err(error) = input.skip_until(b'\n') {
                        broken = true;
                        return Some(Err(error));
                    }
                    return Some(Ok(skipped(number, &format!("a line of more than {MAX_LINE} bytes"))));
                }
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    let row = serde_json::from_slice::<Row>(text::unmarked(&line)).map_err(|e| e.to_string());
                    return Some(Ok(row.and_then(Row::sample).map_or_else(|reason| skipped(number, &reason), Item::Sample)));
                }
                Err(error) => {
                    broken = true;
                    return Some(Err(error));
                }
            }
        }
    })
}

fn skipped(line: u64, reason: &str) -> Item {
    Item::Skipped(Skipped::new(line, reason))
}
