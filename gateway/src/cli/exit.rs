//! Exit codes.

use std::process::ExitCode;

use crate::config::ConfigError;

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
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Partial) => ExitCode::from(PARTIAL),
        Err(error) => {
            eprintln!("slipstream: {error:#}");
            ExitCode::from(code_of(&error))
        }
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    let usage = error.chain().any(|e| e.is::<Usage>() || e.is::<ConfigError>());
    if usage { USAGE } else { FAILED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_is_told_apart_from_failure_even_with_context() {
        assert_eq!(code_of(&anyhow::Error::new(Usage("no".into())).context("while reading")), USAGE);
        assert_eq!(code_of(&anyhow::Error::new(ConfigError::SetForm("x".into()))), USAGE);
        assert_eq!(code_of(&anyhow::anyhow!("broken")), FAILED);
    }
}
