//! A value beside the median of those before it.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The newest values of one signal, with their median and the median of the distances from it (MAD): a few wild values move
/// neither, unlike mean and standard deviation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RobustWindow {
    order: VecDeque<f64>,
    sorted: Vec<f64>,
}

/// The MAD of a normal distribution is this share of its standard deviation.
const NORMAL: f64 = 0.674_489_750_196_081_7;

impl RobustWindow {
    /// How many standard deviations `value` is from the median of the window, were the window normal; then takes the value in.
    /// The window holds `len` values; with fewer than `warm` the answer is `None`. Where all are nearly the same, `floor` (in the
    /// signal's unit) stands in for the MAD, so that noise of the last digit is no anomaly. What is no number is left out.
    pub fn score(&mut self, value: f64, len: usize, warm: usize, floor: f64) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        let score = if self.order.len() < warm.max(1) { None } else { self.distance(value, floor) };
        while self.order.len() >= len.max(1) {
            if let Some(oldest) = self.order.pop_front() {
                let at = self.sorted.partition_point(|v| *v < oldest);
                self.sorted.remove(at);
            }
        }
        self.order.push_back(value);
        let at = self.sorted.partition_point(|v| *v < value);
        self.sorted.insert(at, value);
        score
    }

    fn distance(&self, value: f64, floor: f64) -> Option<f64> {
        let median = self.median()?;
        let mad = self.mad(median)?.max(floor * NORMAL);
        let off = value - median;
        if mad > 0.0 {
            return Some(NORMAL * off / mad);
        }
        Some(if off == 0.0 { 0.0 } else { f64::INFINITY.copysign(off) })
    }

    /// The median of the window.
    pub fn median(&self) -> Option<f64> {
        let n = self.sorted.len();
        let upper = *self.sorted.get(n / 2)?;
        Some(if n % 2 == 1 { upper } else { f64::midpoint(self.sorted[n / 2 - 1], upper) })
    }

    /// The median distance from `median`: the distances fall and rise along the sorted values, so the two sides are merged from
    /// the middle outwards until half are seen.
    fn mad(&self, median: f64) -> Option<f64> {
        let n = self.sorted.len();
        if n == 0 {
            return None;
        }
        let middle = self.sorted.partition_point(|v| *v < median);
        let (mut left, mut right) = (middle, middle);
        let (mut before, mut last) = (0.0, 0.0);
        for _ in 0..=n / 2 {
            before = last;
            let low = left.checked_sub(1).map(|i| median - self.sorted[i]);
            let high = self.sorted.get(right).map(|v| v - median);
            last = match (low, high) {
                (Some(low), Some(high)) if low <= high => {
                    left -= 1;
                    low
                }
                (_, Some(high)) => {
                    right += 1;
                    high
                }
                (Some(low), None) => {
                    left -= 1;
                    low
                }
                (None, None) => break,
            };
        }
        Some(if n % 2 == 1 { last } else { f64::midpoint(before, last) })
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        (self.order.capacity() + self.sorted.capacity()) * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slow_median(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        if n % 2 == 1 { sorted[n / 2] } else { f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]) }
    }

    proptest! {
        #[test]
        fn scores_are_those_of_sorting_the_window_each_time(
            values in prop::collection::vec(prop_oneof![-100.0..100.0_f64, (-3..3_i32).prop_map(f64::from)], 1..200), len in 1..40_usize, warm in 1..10_usize
        ) {
            let mut window = RobustWindow::default();
            for (i, value) in values.iter().enumerate() {
                let told = window.score(*value, len, warm, 0.01);
                let past = &values[i.saturating_sub(len)..i];
                if past.len() < warm {
                    prop_assert_eq!(told, None);
                    continue;
                }
                let median = slow_median(past);
                let mad = slow_median(&past.iter().map(|v| (v - median).abs()).collect::<Vec<_>>()).max(0.01 * NORMAL);
                let expected = NORMAL * (value - median) / mad;
                prop_assert!((told.unwrap() - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{:?} {}", told, expected);
            }
        }
    }

    #[test]
    fn a_spike_stands_out_and_does_not_hide_the_next() {
        let mut window = RobustWindow::default();
        for i in 0..100 {
            let noise = f64::from(i * 7919 % 101) / 101.0;
            assert!(window.score(50.0 + noise, 60, 20, 0.0).is_none_or(|z| z.abs() < 3.0));
        }
        for _ in 0..10 {
            assert!(window.score(60.0, 60, 20, 0.0).unwrap() > 8.0, "ten of sixty move no median far");
        }
        assert_eq!(window.score(f64::NAN, 60, 20, 0.0), None);
        assert_eq!(window.len(), 60);
    }
}
