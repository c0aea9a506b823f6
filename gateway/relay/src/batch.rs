//! Groups samples into frames, by size and by time.

use std::time::Duration;

use slipstream_protocol::Sample;
use tokio::time::Instant;

/// Collects samples until there are enough or the first has waited long enough.
#[derive(Debug)]
pub struct Batcher {
    size: usize,
    delay: Duration,
    samples: Vec<Sample>,
    oldest: Option<Instant>,
}

impl Batcher {
    /// Batches of at most `size` samples, none held longer than `delay`.
    pub fn new(size: usize, delay: Duration) -> Self {
        Self { size: size.max(1), delay, samples: Vec::new(), oldest: None }
    }

    /// Adds a sample; true when the batch is full and must go.
    pub fn push(&mut self, sample: Sample, now: Instant) -> bool {
        self.oldest.get_or_insert(now);
        self.samples.push(sample);
        self.samples.len() >= self.size
    }

    /// When the waiting samples must go at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.oldest.map(|oldest| oldest + self.delay)
    }

    /// The waiting samples, if any.
    pub fn take(&mut self) -> Option<Vec<Sample>> {
        self.oldest = None;
        (!self.samples.is_empty()).then(|| std::mem::take(&mut self.samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::sample;

    #[test]
    fn a_batch_goes_when_full_or_when_its_first_sample_has_waited() {
        let now = Instant::now();
        let mut batcher = Batcher::new(2, Duration::from_millis(5));
        assert_eq!(batcher.deadline(), None);
        assert!(!batcher.push(sample("a", 0), now));
        assert!(batcher.push(sample("a", 1), now + Duration::from_millis(3)));
        assert_eq!(batcher.deadline(), Some(now + Duration::from_millis(5)));
        assert_eq!(batcher.take().unwrap().len(), 2);
        assert!(batcher.take().is_none() && batcher.deadline().is_none());
    }
}
