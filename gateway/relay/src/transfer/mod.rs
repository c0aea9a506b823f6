//! Time series to and from CSV, JSON lines and Parquet.
//!
//! [`export`] writes what a store has into a file, one row per point ([`COLUMNS`]); [`import`] reads
//! such a file back, and every table and telemetry file that the relay agent reads. Both tell their
//! progress through a callback and know nothing of the command line. They read and write files on
//! the calling task: give them one of their own.

mod csv_rows;
mod export;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod import;
mod json_rows;
mod parquet_cells;
mod parquet_durations;
mod parquet_rows;
mod parquet_table;
mod row;

use std::path::{Path, PathBuf};

use slipstream_ports::SeriesError;

pub use export::{ExportOptions, ExportReport, export};
pub use format::Format;
pub use import::{ImportOptions, ImportReport, import};
pub use row::COLUMNS;

use crate::source::SourceError;

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Points transferred.
    pub points: u64,
    /// Share done, 0 to 1; absent where the end is not known.
    pub fraction: Option<f64>,
}

/// Hears how far a transfer has come, a few times a second at most.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Why a transfer ended early. What an import wrote before stays; an export leaves no file.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The file cannot be read or written.
    #[error("{file}: {source}", file = file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what its format says.
    #[error("{file}: {reason}", file = file.display())]
    Format {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The file's columns do not say what they are.
    #[error("{file}: {reason}", file = file.display())]
    Layout {
        /// Which file.
        file: PathBuf,
        /// What is missing, and how to give it.
        reason: String,
    },
    /// Nothing says how a file is to be written.
    #[error("{file}: the name tells no format; end it with .csv, .jsonl or .parquet, or give --format", file = file.display())]
    NoFormat {
        /// Which file.
        file: PathBuf,
    },
    /// The file does not say what its columns mean, or broke off.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] SeriesError),
}

impl TransferError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }

    fn file(file: &Path, source: std::io::Error) -> Self {
        Self::File { file: file.to_owned(), source }
    }

    fn format(file: &Path, reason: &(impl ToString + ?Sized)) -> Self {
        Self::Format { file: file.to_owned(), reason: reason.to_string() }
    }
}
