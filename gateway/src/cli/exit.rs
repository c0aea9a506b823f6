//! Exit codes.

use std::{io, process::ExitCode};

use super::print::{self, err};
use crate::{
    app::StartError,
    config::ConfigError,
    data_folder::DataFolderError,
    relay::{phrase, source::SourceError},
    transfer::TransferError,
};

/// Failed while running.
pub(super) const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub(super) const USAGE: u8 = 2;
/// Done, but not with everything.
pub(super) const PARTIAL: u8 = 3;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// All is done.
    Done,
    /// Something was refused, skipped or not acknowledged.
    Partial,
}

/// What was asked for makes no sense; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// Prints an error and yields the exit code.
pub(super) fn report(outcome: anyhow::Result<Exit>) -> ExitCode {
    match outcome {
        Ok(exit) => match (print::failure(), exit) {
            (Some(reason), _) => {
                err!("slipstream: standard output cannot be written: {reason}");
                ExitCode::from(FAILED)
            }
            (None, Exit::Done) => ExitCode::SUCCESS,
            (None, Exit::Partial) => ExitCode::from(PARTIAL),
        },
        // A command that writes in blocks learns here that nobody reads on: no failure.
        Err(error) if is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            err!("slipstream: {}", in_words(&error));
            ExitCode::from(code_of(&error))
        }
    }
}

/// Whether standard output's reader has gone; connections that break are wrapped in errors of their own.
fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The error and its causes, each said once: many errors already hold the text of their cause.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain() {
        let cause = phrase::plain(&cause.to_string());
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

fn code_of(error: &anyhow::Error) -> u8 {
    let usage = error.chain().any(|e| e.is::<Usage>() || e.is::<ConfigError>() || is_about_a_file(e) || is_about_the_folder(e));
    if usage { USAGE } else { FAILED }
}

/// Whether `DATA_DIR` names something else than a folder.
fn is_about_the_folder(error: &(dyn std::error::Error + 'static)) -> bool {
    let at_start = error.downcast_ref::<StartError>().and_then(|error| match error {
        StartError::DataFolder(error) => Some(error),
        _ => None,
    });
    let error = at_start.or_else(|| error.downcast_ref::<DataFolderError>());
    error.is_some_and(|error| matches!(error, DataFolderError::NotAFolder { .. }))
}

/// Whether a file does not say what it holds: the command line has to.
fn is_about_a_file(error: &(dyn std::error::Error + 'static)) -> bool {
    let source = |error: &SourceError| matches!(error, SourceError::Layout { .. });
    error.downcast_ref::<SourceError>().is_some_and(source)
        || error.downcast_ref::<TransferError>().is_some_and(|error| match error {
            TransferError::Source(error) => source(error),
            TransferError::NoFormat { .. } | TransferError::Layout { .. } => true,
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_and_without_numbers() {
        let missing = || io::Error::from_raw_os_error(2);
        let twice = anyhow::Error::new(missing()).context(format!("x.zip cannot be read: {}", missing()));
        assert_eq!(in_words(&twice), "x.zip cannot be read: there is no such file or folder");
        let once = anyhow::Error::new(missing()).context("x.zip gives no policy");
        assert_eq!(in_words(&once), "x.zip gives no policy: there is no such file or folder");
    }

    #[test]
    fn wrong_usage_is_told_apart_from_failure_even_with_context() {
        assert_eq!(code_of(&anyhow::Error::new(Usage("no".into())).context("while reading")), USAGE);
        assert_eq!(code_of(&anyhow::Error::new(ConfigError::SetForm("x".into()))), USAGE);
        let layout = SourceError::Layout { name: "x.csv".into(), reason: "no time column".into() };
        assert_eq!(code_of(&anyhow::Error::new(layout.clone())), USAGE);
        assert_eq!(code_of(&anyhow::Error::new(TransferError::Source(layout))), USAGE);
        assert_eq!(code_of(&anyhow::Error::new(TransferError::NoFormat { file: "x".into() })), USAGE);
        assert_eq!(code_of(&anyhow::Error::new(SourceError::Read { name: "x".into(), reason: "gone".into() })), FAILED);
        assert_eq!(code_of(&anyhow::anyhow!("broken")), FAILED);
    }
}
