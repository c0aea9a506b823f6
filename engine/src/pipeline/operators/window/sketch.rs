//! Percentiles in bounded memory: counts in buckets of equal relative width, mergeable.
//!
//! A `DDSketch` (Masson, Rim, Lee, VLDB 2019) whose buckets are taken from the bits of the number itself: each power of two is cut
//! into `2^bits` equal parts. The middle of a part is at most `2^-(bits+1)` of the value away from anything in it: 0.4 % with
//! the 7 bits used unless told otherwise. Values nearer to zero than [`SMALLEST`] count as zero. Adding is a shift and an
//! increment; merging adds counts; neither depends on order.

use serde::{Deserialize, Serialize};

/// What is nearer to zero counts as zero.
pub const SMALLEST: f64 = 1e-9;
/// What is farther from zero counts as this.
pub const LARGEST: f64 = 1e15;

/// Counts of consecutive buckets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Buckets {
    first: i32,
    counts: Vec<u32>,
}

/// Counts of values by size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    bits: u8,
    zero: u64,
    total: u64,
    positive: Buckets,
    negative: Buckets,
}

/// Buckets grow by as many at a time, so that growing is rare.
const STEP: i32 = 32;

impl Buckets {
    #[inline]
    fn add(&mut self, bucket: i32, count: u32) {
        match self.counts.get_mut((bucket - self.first) as usize) {
            Some(held) if bucket >= self.first => *held = held.saturating_add(count),
            _ => self.grow(bucket, count),
        }
    }

    #[cold]
    fn grow(&mut self, bucket: i32, count: u32) {
        let (mut low, mut high) = (bucket.div_euclid(STEP) * STEP, bucket.div_euclid(STEP) * STEP + STEP);
        if !self.counts.is_empty() {
            (low, high) = (low.min(self.first), high.max(self.first + self.counts.len() as i32));
        }
        let mut counts = vec![0; (high - low) as usize];
        let at = (self.first - low).max(0) as usize;
        counts[at..at + self.counts.len()].copy_from_slice(&self.counts);
        (self.first, self.counts) = (low, counts);
        self.counts[(bucket - low) as usize] = count;
    }

    fn merge(&mut self, other: &Self) {
        for (i, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(other.first + i as i32, *count);
        }
    }

    fn filled(&self) -> impl DoubleEndedIterator<Item = (i32, u32)> + '_ {
        self.counts.iter().enumerate().filter(|(_, c)| **c > 0).map(|(i, c)| (self.first + i as i32, *c))
    }
}

impl Sketch {
    /// An empty sketch with a relative error of at most `2^-(bits+1)`; `bits` from 4 to 10.
    pub fn new(bits: u8) -> Self {
        Self { bits: bits.clamp(4, 10), zero: 0, total: 0, positive: Buckets::default(), negative: Buckets::default() }
    }

    /// The bound of the relative error.
    pub fn error(&self) -> f64 {
        0.5_f64.powi(i32::from(self.bits) + 1)
    }

    /// Counts a finite value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.total += 1;
        let size = value.abs();
        if size < SMALLEST {
            self.zero += 1;
            return;
        }
        let bucket = (size.min(LARGEST).to_bits() >> (52 - self.bits)) as i32;
        if value > 0.0 { self.positive.add(bucket, 1) } else { self.negative.add(bucket, 1) }
    }

    /// Takes up the counts of another sketch of the same `bits`.
    pub fn merge(&mut self, other: &Self) {
        self.total += other.total;
        self.zero += other.zero;
        self.positive.merge(&other.positive);
        self.negative.merge(&other.negative);
    }

    /// How many values there are.
    pub const fn count(&self) -> u64 {
        self.total
    }

    /// The value at quantile `q` from 0 to 1 (nearest rank: the smallest value with at least `q` of all at or below it).
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let mut left = ((q.clamp(0.0, 1.0) * self.total as f64).ceil() as u64).clamp(1, self.total);
        for (bucket, count) in self.negative.filled().rev() {
            if left <= u64::from(count) {
                return Some(-self.middle(bucket));
            }
            left -= u64::from(count);
        }
        if left <= self.zero {
            return Some(0.0);
        }
        left -= self.zero;
        for (bucket, count) in self.positive.filled() {
            if left <= u64::from(count) {
                return Some(self.middle(bucket));
            }
            left -= u64::from(count);
        }
        None
    }

    fn middle(&self, bucket: i32) -> f64 {
        let edge = |b: i32| f64::from_bits((b as u64) << (52 - self.bits));
        f64::midpoint(edge(bucket), edge(bucket + 1))
    }

    /// Forgets all values, keeping the memory.
    pub fn clear(&mut self) {
        (self.zero, self.total) = (0, 0);
        self.positive.counts.fill(0);
        self.negative.counts.fill(0);
    }

    /// Memory held, in bytes.
    pub const fn heap_bytes(&self) -> usize {
        (self.positive.counts.capacity() + self.negative.counts.capacity()) * 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(values: &[f64], q: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[((q * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1]
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_stated_error(values in prop::collection::vec(prop_oneof![-1e6_f64..1e6, -1.0_f64..1.0, Just(0.0)], 1..300), q in 0.0_f64..=1.0, bits in 4_u8..=10) {
            let mut sketch = Sketch::new(bits);
            for v in &values {
                sketch.add(*v);
            }
            let (told, truth) = (sketch.quantile(q).unwrap(), exact(&values, q));
            prop_assert!((told - truth).abs() <= truth.abs() * sketch.error() * 1.000_001 + SMALLEST, "{told} {truth}");
        }

        #[test]
        fn merging_is_the_same_as_adding_all(a in prop::collection::vec(-1e3_f64..1e3, 0..60), b in prop::collection::vec(-1e-3_f64..1e3, 0..60)) {
            let (mut one, mut two, mut all) = (Sketch::new(7), Sketch::new(7), Sketch::new(7));
            for v in &a {
                one.add(*v);
                all.add(*v);
            }
            for v in &b {
                two.add(*v);
                all.add(*v);
            }
            one.merge(&two);
            for q in [0.0, 0.01, 0.5, 0.95, 1.0] {
                prop_assert_eq!(one.quantile(q), all.quantile(q));
            }
        }
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut sketch = Sketch::new(7);
        for exponent in -300..300 {
            sketch.add(10_f64.powi(exponent));
            sketch.add(-(10_f64.powi(exponent)));
        }
        assert!(sketch.heap_bytes() < 100_000, "{}", sketch.heap_bytes());
    }
}
