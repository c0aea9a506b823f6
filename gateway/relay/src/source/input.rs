//! What recordings are read from, and the clock they are read by.

use std::io::BufRead;

use slipstream_protocol::Timestamp;

/// A recording's bytes.
pub(crate) type Input = Box<dyn BufRead + Send>;

/// The time now, asked of whoever opened the recording.
pub(super) type Now = Box<dyn Fn() -> Timestamp + Send>;
