//! Lines to standard output and standard error that outlive their readers.
//!
//! `println!` panics once the reader of a pipe has gone (`slipstream pipeline operators | head -1`). The macros
//! [`out!`] and [`err!`] write the same lines and never panic: a reader that has gone is no failure, and any other
//! failure of standard output (a full disk) is kept for the exit code, see [`failure`].

use std::{
    fmt,
    io::{self, Write},
    sync::OnceLock,
};

/// The first failure of standard output that is not a reader that has gone.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Writes one line to standard output; takes what `println!` takes.
macro_rules! out {
    ($($part:tt)*) => { $crate::cli::print::line(&mut ::std::io::stdout().lock(), format_args!($($part)*)) };
}

/// Writes one line to standard error; takes what `eprintln!` takes.
macro_rules! err {
    // A standard error that cannot be written leaves no place to say so.
    ($($part:tt)*) => { { use ::std::io::Write as _; let _ = writeln!(::std::io::stderr().lock(), $($part)*); } };
}

pub(crate) use err;
pub(crate) use out;

/// Writes one line; keeps the first failure for [`failure`].
pub(super) fn line(out: &mut impl Write, text: fmt::Arguments<'_>) {
    keep(out.write_fmt(format_args!("{text}\n")));
}

/// Writes bytes as they are; keeps the first failure for [`failure`].
pub(super) fn bytes(text: &[u8]) {
    keep(io::stdout().lock().write_all(text));
}

/// Flushes standard output; returns why not all of it was written, where anybody still read it.
pub(super) fn failure() -> Option<&'static str> {
    keep(io::stdout().lock().flush());
    FAILURE.get().map(String::as_str)
}

fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // Later failures have the same cause.
        let _ = FAILURE.set(error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses every byte.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_neither_a_panic_nor_a_failure() {
        line(&mut Gone, format_args!("{}", 1));
        assert_eq!(failure(), None);
    }
}
