//! Ending the reading of a file from outside.

use std::{
    fmt,
    io::{self, BufRead, Read},
    sync::Arc,
};

/// Asked between reads whether to go on; never stops by default.
#[derive(Clone, Default)]
pub struct Stop(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Stop {
    /// Stops once `is_over`.
    pub fn when(is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_over)))
    }

    fn check(&self) -> io::Result<()> {
        if self.0.as_ref().is_some_and(|is_over| is_over()) { Err(io::Error::other("reading was stopped")) } else { Ok(()) }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.0.is_some()).finish()
    }
}

/// An input that ends with an error when it is to stop, in the midst of a line that never ends, too.
pub(super) struct Stoppable<R> {
    pub(super) input: R,
    pub(super) stop: Stop,
}

impl<R: BufRead> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.input.read(buffer)
    }
}

impl<R: BufRead> BufRead for Stoppable<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stop.check()?;
        self.input.fill_buf()
    }

    fn consume(&mut self, read: usize) {
        self.input.consume(read);
    }
}
