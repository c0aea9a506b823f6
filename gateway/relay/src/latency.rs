//! A small histogram of durations: constant memory, about 3 % resolution.

use std::time::Duration;

/// Steps within a power of two.
const STEPS: usize = 32;
/// Powers of two above [`STEPS`] microseconds; the last is over an hour.
const OCTAVES: usize = 28;

/// Durations, counted in buckets that grow with their value.
#[derive(Clone, Debug)]
pub struct Latency {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: vec![0; STEPS * (OCTAVES + 1)], count: 0, max: Duration::ZERO }
    }
}

impl Latency {
    /// Counts one.
    pub fn record(&mut self, value: Duration) {
        self.record_many(value, 1);
    }

    /// Counts `times` equal ones.
    pub fn record_many(&mut self, value: Duration, times: u64) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len() - 1;
        self.buckets[bucket(micros).min(last)] += times;
        self.count += times;
        self.max = self.max.max(value);
    }

    /// Counts in all that `other` has counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The value that a share `q` (0 to 1) of the counted ones does not exceed; `None` before the first.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let rank = ((self.count as f64 * q).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (index, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return Some(Duration::from_micros(upper(index)).min(self.max));
            }
        }
        Some(self.max)
    }

    /// The longest.
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// How many.
    pub const fn count(&self) -> u64 {
        self.count
    }
}

fn bucket(micros: u64) -> usize {
    let steps = STEPS as u64;
    if micros < steps {
        return micros as usize;
    }
    let octave = micros.ilog2() - steps.ilog2();
    let within = (micros >> octave) - steps;
    STEPS * (octave as usize + 1) + within as usize
}

/// Upper bound of a bucket, in microseconds.
fn upper(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let octave = index / STEPS - 1;
    (((index % STEPS + STEPS) as u64 + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_few_percent() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile(0.5), None);
        for ms in 1..=1000 {
            latency.record(Duration::from_millis(ms));
        }
        for (q, ms) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = latency.quantile(q).unwrap().as_secs_f64() * 1e3;
            assert!((got / ms - 1.0).abs() < 0.04, "{q}: {got}");
        }
        latency.record(Duration::from_secs(1 << 40));
        assert_eq!(latency.max(), Duration::from_secs(1 << 40));
    }

    #[test]
    fn every_bucket_ends_before_the_next_begins() {
        for micros in (0..100_000).chain([u64::from(u32::MAX)]) {
            let index = bucket(micros);
            assert!(upper(index) >= micros && (index == 0 || upper(index - 1) < micros), "{micros}");
        }
    }
}
