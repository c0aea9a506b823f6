//! Decoders to borrow, so that requests reuse their scratch space and the names they have seen.

use crossbeam::queue::ArrayQueue;
use slipstream_protocol::{Limits, codec::Decoder};

/// Most decoders kept while nobody uses them.
const KEPT: usize = 32;

/// A pool of decoders with the same limits.
pub struct DecoderPool {
    limits: Limits,
    idle: ArrayQueue<Decoder>,
}

impl DecoderPool {
    /// An empty pool; decoders are made on demand.
    pub fn new(limits: Limits) -> Self {
        Self { limits, idle: ArrayQueue::new(KEPT) }
    }

    /// Runs `work` with a decoder.
    pub fn with<T>(&self, work: impl FnOnce(&mut Decoder) -> T) -> T {
        let mut decoder = self.idle.pop().unwrap_or_else(|| Decoder::new(self.limits.clone()));
        let outcome = work(&mut decoder);
        // A full pool means more decoders than ever work at once: this one may go.
        let _ = self.idle.push(decoder);
        outcome
    }

    /// The bounds.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}
