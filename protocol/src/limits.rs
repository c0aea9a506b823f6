//! Bounds on what one client may send.

use std::time::Duration;

/// The default of how far a source's clock may be ahead of the server's before its samples decide nothing any more
/// (see [`crate::Sample::is_ahead`]).
pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Bounds checked while decoding. Every refusal names the bound it met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame or body, in bytes.
    pub max_frame_bytes: usize,
    /// Most samples in one batch.
    pub max_batch: usize,
    /// Deepest nesting of `data`; the object itself is level 1.
    pub max_depth: usize,
    /// Most signals of one sample, after flattening.
    pub max_signals: usize,
    /// Longest flattened signal name, in bytes.
    pub max_name_bytes: usize,
    /// Longest text value, in bytes.
    pub max_text_bytes: usize,
    /// How far ahead of the server's clock a source time may be.
    pub max_future: Duration,
    /// Earliest source time, in microseconds since the Unix epoch. Default: the GPS epoch, 1980-01-06.
    pub min_source_micros: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_bytes: 8 << 20,
            max_batch: 4_096,
            max_depth: 8,
            max_signals: 512,
            max_name_bytes: 256,
            max_text_bytes: 4_096,
            max_future: Duration::from_secs(600),
            min_source_micros: 315_964_800_000_000,
        }
    }
}
