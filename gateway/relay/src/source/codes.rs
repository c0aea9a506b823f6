//! Cells that are read as numbers and may be codes: `007`, `+491234567`. As numbers they lose their first signs.

use std::collections::BTreeMap;

use super::{Remark, row::RowReader, text::shown};

/// Most columns that are followed.
const MAX_COLUMNS: usize = 64;
/// A whole number with a plus in front and so many digits may be that of a telephone.
const LONG: usize = 7;

/// Which columns have such cells: how many, and line and text of the first.
#[derive(Debug, Default)]
pub(super) struct Codes(BTreeMap<usize, (u64, u64, String)>);

impl Codes {
    /// Looks at a cell that was read as a number.
    pub(super) fn look(&mut self, column: usize, text: &str, line: u64) {
        // Most numbers begin with another digit.
        if !matches!(text.as_bytes(), [b'0' | b'+', _, ..]) || !is_code(text) {
            return;
        }
        if let Some((count, ..)) = self.0.get_mut(&column) {
            *count += 1;
        } else if self.0.len() < MAX_COLUMNS {
            self.0.insert(column, (1, line, text.to_owned()));
        }
    }

    /// What is to be said of columns of signals.
    pub(super) fn remarks(&self, rows: &RowReader) -> impl Iterator<Item = Remark> {
        let of_signals = self.0.iter().filter(|(column, _)| rows.is_value(**column));
        of_signals.map(|(column, (count, line, first))| {
            let name = rows.columns.get(*column).map_or("", String::as_str);
            let text = format!(
                "column {}: {count} cells are written as '{}' and read as numbers; where they are codes, put a letter in front of them",
                shown(name),
                shown(first)
            );
            Remark::new(*line, &text)
        })
    }
}

fn is_code(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match text.strip_prefix('+') {
        Some(rest) => rest.len() >= LONG && digits(rest),
        None => text.len() >= 2 && digits(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_begin_with_a_needless_zero_or_are_long_behind_a_plus() {
        for code in ["00", "01", "007", "+49123456", "0049123456"] {
            assert!(is_code(code), "{code}");
        }
        let mut codes = Codes::default();
        for number in ["0", "0.5", "10", "+1", "+1.5", "0e3", "-01.5", "100", "+123456"] {
            codes.look(0, number, 2);
        }
        assert!(codes.0.is_empty(), "{codes:?}");
        codes.look(3, "01", 5);
        codes.look(3, "02", 6);
        assert_eq!(codes.0[&3], (2, 5, "01".to_owned()));
    }
}
