//! What a file holds.

use std::{path::Path, str::FromStr};

use crate::source;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table with a header line; gzip where the name ends with `.gz`.
    Csv,
    /// One JSON object a line; gzip where the name ends with `.gz`.
    JsonLines,
    /// Parquet, compressed with Snappy; read in any of its codecs.
    Parquet,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Csv, Self::JsonLines, Self::Parquet];

    /// The word for it on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// The format a file's name tells; `.gz` is looked through.
    pub fn of(path: &Path) -> Option<Self> {
        match source::Format::of(path) {
            Some(source::Format::Csv) => Some(Self::Csv),
            Some(source::Format::JsonLines) => Some(Self::JsonLines),
            None => matches!(&*source::ending(path)?, "parquet" | "pq").then_some(Self::Parquet),
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|f| f.as_str() == word).ok_or_else(|| format!("'{word}' is not a format; csv, jsonl and parquet are"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_its_format_through_gz() {
        for (name, format) in
            [("a.csv.gz", Some(Format::Csv)), ("B.JSONL", Some(Format::JsonLines)), ("x.parquet", Some(Format::Parquet)), ("x.gz", None)]
        {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
