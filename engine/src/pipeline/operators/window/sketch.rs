//! Percentiles in bounded memory: counts in buckets of equal relative width, mergeable.
//!
//! A `DDSketch` (Masson, Rim, Lee, VLDB 2019) whose buckets are taken from the bits of the number itself: each power of two is cut
//! into `2^bits` equal parts. The middle of a part is at most `2^-(bits+1)` of the value away from anything in it: 0.4 % with
//! the 7 bits used unless told otherwise. Values nearer to zero than [`SMALLEST`] count as zero. Adding is a shift and an
//! increment; merging adds counts; neither depends on order.
//!
//! A window of few values keeps each one's bucket in a list instead of counts: most buckets would be empty, and a thousand
//! vehicles' empty buckets lie outside every cache. What is told is the same either way.

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

/// More values than this are counted.
const FEW: usize = 512;

/// Counts of values by size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    zero: u64,
    total: u64,
    positive: Buckets,
    negative: Buckets,
}

/// Values by size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    bits: u8,
    /// The bucket of each value, as [`place`] tells it; empty once they are counted.
    few: Vec<i32>,
    counts: Option<Box<Counts>>,
}

/// Where a value goes: its bucket, negative for negative values, 0 for zero. In the order of values.
#[inline]
fn place(value: f64, bits: u8) -> i32 {
    let size = value.abs();
    if size < SMALLEST {
        return 0;
    }
    let bucket = (size.min(LARGEST).to_bits() >> (52 - bits)) as i32;
    if value > 0.0 { bucket } else { -bucket }
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

impl Counts {
    fn add(&mut self, place: i32) {
        self.total += 1;
        match place {
            0 => self.zero += 1,
            1.. => self.positive.add(place, 1),
            _ => self.negative.add(-place, 1),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.total += other.total;
        self.zero += other.zero;
        self.positive.merge(&other.positive);
        self.negative.merge(&other.negative);
    }

    /// The place of the value of this rank, counted from 1.
    fn at_rank(&self, rank: u64) -> Option<i32> {
        let mut left = rank;
        for (bucket, count) in self.negative.filled().rev() {
            if left <= u64::from(count) {
                return Some(-bucket);
            }
            left -= u64::from(count);
        }
        if left <= self.zero {
            return Some(0);
        }
        left -= self.zero;
        for (bucket, count) in self.positive.filled() {
            if left <= u64::from(count) {
                return Some(bucket);
            }
            left -= u64::from(count);
        }
        None
    }

    fn clear(&mut self) {
        (self.zero, self.total) = (0, 0);
        self.positive.counts.fill(0);
        self.negative.counts.fill(0);
    }
}

impl Sketch {
    /// An empty sketch with a relative error of at most `2^-(bits+1)`; `bits` from 4 to 10.
    pub fn new(bits: u8) -> Self {
        Self { bits: bits.clamp(4, 10), few: Vec::new(), counts: None }
    }

    /// The bound of the relative error.
    pub fn error(&self) -> f64 {
        0.5_f64.powi(i32::from(self.bits) + 1)
    }

    /// Counts a finite value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let place = place(value, self.bits);
        match &mut self.counts {
            None if self.few.len() < FEW => self.few.push(place),
            _ => self.counted().add(place),
        }
    }

    /// The counts, made of the few values there were where there are none yet.
    fn counted(&mut self) -> &mut Counts {
        let counts = self.counts.get_or_insert_with(Box::default);
        for place in std::mem::take(&mut self.few) {
            counts.add(place);
        }
        counts
    }

    /// Takes up the counts of another sketch of the same `bits`.
    pub fn merge(&mut self, other: &Self) {
        match &other.counts {
            None if self.counts.is_none() && self.few.len() + other.few.len() <= FEW => self.few.extend_from_slice(&other.few),
            None => {
                let counts = self.counted();
                other.few.iter().for_each(|place| counts.add(*place));
            }
            Some(theirs) => self.counted().merge(theirs),
        }
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.as_ref().map_or(self.few.len() as u64, |counts| counts.total)
    }

    /// The value at quantile `q` from 0 to 1 (nearest rank: the smallest value with at least `q` of all at or below it).
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as u64).clamp(1, total);
        let place = if let Some(counts) = &self.counts {
            counts.at_rank(rank)?
        } else {
            let mut sorting = [0; FEW];
            let places = &mut sorting[..self.few.len()];
            places.copy_from_slice(&self.few);
            *places.select_nth_unstable(rank as usize - 1).1
        };
        Some(match place {
            0 => 0.0,
            1.. => self.middle(place),
            _ => -self.middle(-place),
        })
    }

    fn middle(&self, bucket: i32) -> f64 {
        let edge = |b: i32| f64::from_bits((b as u64) << (52 - self.bits));
        f64::midpoint(edge(bucket), edge(bucket + 1))
    }

    /// Forgets all values, keeping the memory.
    pub fn clear(&mut self) {
        self.few.clear();
        if let Some(counts) = &mut self.counts {
            counts.clear();
        }
    }

    /// Memory held beside the sketch itself, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let counted = self.counts.as_ref().map_or(0, |counts| {
            size_of::<Counts>() + (counts.positive.counts.capacity() + counts.negative.counts.capacity()) * size_of::<u32>()
        });
        self.few.capacity() * size_of::<i32>() + counted
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
        fn merging_is_the_same_as_adding_all(a in prop::collection::vec(-1e3_f64..1e3, 0..700), b in prop::collection::vec(-1e-3_f64..1e3, 0..700)) {
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
            prop_assert_eq!(one.count(), all.count());
            for q in [0.0, 0.01, 0.5, 0.95, 1.0] {
                prop_assert_eq!(one.quantile(q), all.quantile(q));
            }
        }
    }

    #[test]
    fn a_list_and_counts_tell_the_same() {
        let values: Vec<f64> =
            (0..FEW).map(|n| (n as f64 * 0.37).sin() * 10_f64.powi(n as i32 % 7 - 3)).chain([0.0; 40]).take(FEW).collect();
        let (mut few, mut many) = (Sketch::new(7), Sketch::new(7));
        many.counted();
        for value in &values {
            few.add(*value);
            many.add(*value);
        }
        assert!(few.counts.is_none() && many.few.is_empty());
        for rank in 0..=100 {
            let q = f64::from(rank) / 100.0;
            assert_eq!(few.quantile(q), many.quantile(q), "{q}");
        }
        few.add(1.0);
        assert!(few.counts.is_some() && few.few.is_empty() && few.count() == FEW as u64 + 1);
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
