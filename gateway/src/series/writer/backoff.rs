//! How long to wait before trying again.

use std::time::Duration;

use rand::Rng;

/// Exponential, with full jitter over the upper half, so that many writers do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    /// The next wait: between half and the whole of a span that doubles up to the bound.
    pub(super) fn next(&mut self, random: &mut impl Rng) -> Duration {
        let span = self.next.min(self.most);
        self.next = span.saturating_mul(2).min(self.most);
        span.mul_f64(random.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_differ() {
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut waits = Vec::new();
        for span in [100, 200, 400, 800, 1_000, 1_000, 1_000] {
            let wait = backoff.next(&mut random);
            assert!(wait >= Duration::from_millis(span / 2) && wait <= Duration::from_millis(span), "{wait:?} of {span}");
            waits.push(wait);
        }
        assert_ne!(waits[5], waits[6]);
    }
}
