//! How tables are read that do not say it themselves: flags of every command that reads files.

use clap::Args;

use crate::relay::source::{ReadOptions, TimeFormat};

#[derive(Args, Clone, Debug)]
pub(super) struct TableArgs {
    /// What parts the cells of a table: one character, or tab [default: found out]
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    delimiter: Option<u8>,

    /// The decimal mark of its numbers, . or , [default: found out for each column]
    #[arg(long, value_name = "MARK", value_parser = decimal)]
    decimal: Option<char>,

    /// The mark between thousands: one of . , ' _ or a blank [default: found out for each column]
    #[arg(long, value_name = "MARK", value_parser = thousands)]
    thousands: Option<char>,

    /// How its times are written, as in '%d/%m/%Y %H:%M:%S%.f' [default: found out; days first only so]
    #[arg(long, value_name = "PATTERN")]
    time_format: Option<TimeFormat>,

    /// Line of its header, from 1 [default: the first that names a time and a vehicle]
    #[arg(long, value_name = "LINE", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    header_row: Option<u64>,
}

impl TableArgs {
    /// `options` with what was told.
    pub(super) fn told(&self, options: ReadOptions) -> Result<ReadOptions, String> {
        if self.decimal.is_some() && self.decimal == self.thousands {
            return Err("--decimal and --thousands cannot be the same mark".to_owned());
        }
        Ok(ReadOptions {
            delimiter: self.delimiter,
            decimal: self.decimal,
            thousands: self.thousands,
            time_format: self.time_format.clone(),
            header_row: self.header_row,
            ..options
        })
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') && !byte.is_ascii_alphanumeric() => Ok(*byte),
        _ => Err("one character is expected, as ; or |, or tab".to_owned()),
    }
}

fn decimal(text: &str) -> Result<char, String> {
    match text {
        "." => Ok('.'),
        "," => Ok(','),
        _ => Err(". or , is expected".to_owned()),
    }
}

fn thousands(text: &str) -> Result<char, String> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(mark @ ('.' | ',' | '_' | '\'' | '\u{2019}' | ' ' | '\u{a0}' | '\u{202f}')), None) => Ok(mark),
        _ => Err("one of . , ' _ or a blank is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_single_characters() {
        assert_eq!((delimiter("tab"), delimiter("\\t"), delimiter(";")), (Ok(b'\t'), Ok(b'\t'), Ok(b';')));
        assert_eq!((decimal(","), thousands("'"), thousands(" ")), (Ok(','), Ok('\''), Ok(' ')));
        assert!([delimiter(";;"), delimiter("a"), delimiter("\"")].iter().all(Result::is_err));
        assert!(decimal(";").is_err() && thousands("x").is_err() && thousands("").is_err());
    }
}
