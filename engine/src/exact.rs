//! Sums without rounding: the same numbers give the same bits in any order, and in any grouping.
//!
//! A sum is kept as parts that do not overlap (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997). Adding a number
//! is exact; only [`ExactSum::value`] rounds, once, to the nearest number. So what a window says of its values does not
//! depend on how they arrived. Numbers of a similar size need two or three parts; no numbers need more than about forty.

use serde::{Deserialize, Serialize};

/// A sum that has lost nothing. Beyond the largest number it is not finite any more, whatever comes then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExactSum {
    /// Parts that do not overlap, the smallest first; none is zero.
    parts: Vec<f64>,
}

/// `a + b` rounded, and what rounding lost.
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let (large, small) = if a.abs() < b.abs() { (b, a) } else { (a, b) };
    let sum = large + small;
    (sum, small - (sum - large))
}

/// `a * b` rounded, and what rounding lost.
#[inline]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

impl ExactSum {
    /// Adds a number.
    #[inline]
    pub fn add(&mut self, number: f64) {
        let mut rest = number;
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let (sum, lost) = two_sum(rest, self.parts[at]);
            if lost != 0.0 {
                self.parts[kept] = lost;
                kept += 1;
            }
            rest = sum;
        }
        self.parts.truncate(kept);
        if rest != 0.0 {
            self.parts.push(rest);
        }
    }

    /// Adds `a * b` without rounding it.
    #[inline]
    pub fn add_product(&mut self, a: f64, b: f64) {
        let (product, lost) = two_product(a, b);
        self.add(product);
        if lost != 0.0 {
            self.add(lost);
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        for part in &other.parts {
            self.add(*part);
        }
    }

    /// The number nearest to the sum.
    pub fn value(&self) -> f64 {
        let mut parts = self.parts.iter().rev();
        let Some(mut sum) = parts.next().copied() else { return 0.0 };
        let mut lost = 0.0;
        for part in parts.by_ref() {
            (sum, lost) = two_sum(sum, *part);
            if lost != 0.0 {
                break;
            }
        }
        // Halfway between two numbers, the parts below say to which side.
        if let Some(next) = parts.next()
            && (lost < 0.0) == (*next < 0.0)
            && lost != 0.0
        {
            let twice = lost * 2.0;
            let up = sum + twice;
            if twice == up - sum {
                sum = up;
            }
        }
        sum
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.parts.clear();
    }

    /// Memory held beside the value itself, bytes.
    pub const fn heap_bytes(&self) -> usize {
        self.parts.capacity() * size_of::<f64>()
    }

    /// The same sum in the only parts it has when each is the nearest number to what is left.
    fn canonical(&self) -> Vec<f64> {
        let (mut left, mut parts) = (self.clone(), Vec::new());
        loop {
            let part = left.value();
            if part == 0.0 || !part.is_finite() {
                return parts;
            }
            parts.push(part);
            left.add(-part);
        }
    }
}

/// Count, sum and sum of squares of numbers, without rounding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExactMoments {
    sum: ExactSum,
    squares: ExactSum,
}

impl ExactMoments {
    /// Adds a number.
    #[inline]
    pub fn add(&mut self, number: f64) {
        self.sum.add(number);
        self.squares.add_product(number, number);
    }

    /// Adds those of other numbers.
    pub fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    /// The standard deviation of a sample of `count` numbers (n - 1); `None` below two.
    ///
    /// `n * sum(x²) - sum(x)²` is taken without rounding, so nothing cancels, however far the numbers lie from zero.
    pub fn standard_deviation(&self, count: u64) -> Option<f64> {
        if count < 2 {
            return None;
        }
        let n = count as f64;
        let mut spread = ExactSum::default();
        for part in self.squares.canonical() {
            spread.add_product(n, part);
        }
        let sums = self.sum.canonical();
        for (i, a) in sums.iter().enumerate() {
            spread.add_product(-a, *a);
            for b in &sums[i + 1..] {
                spread.add_product(-2.0 * a, *b);
            }
        }
        Some((spread.value().max(0.0) / (n * (n - 1.0))).sqrt())
    }

    /// Memory held beside the value itself, bytes.
    pub const fn heap_bytes(&self) -> usize {
        self.sum.heap_bytes() + self.squares.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(numbers: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        for number in numbers {
            sum.add(*number);
        }
        sum
    }

    fn deviation(numbers: &[f64]) -> Option<f64> {
        let mut moments = ExactMoments::default();
        for number in numbers {
            moments.add(*number);
        }
        moments.standard_deviation(numbers.len() as u64)
    }

    #[test]
    fn nothing_is_lost_beside_large_numbers() {
        assert_eq!(sum(&[1e100, 1.0, -1e100]).value(), 1.0);
        assert_eq!(sum(&[0.1; 10]).value(), 1.0);
        // Halfway between two numbers, decided by the smallest part.
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 1e-30]).value(), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[]).value(), 0.0);
    }

    #[test]
    fn the_deviation_is_right_far_from_zero() {
        assert_eq!(deviation(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]), Some(30.0_f64.sqrt()));
        assert_eq!(deviation(&[5.0; 7]), Some(0.0));
        assert_eq!((deviation(&[5.0]), deviation(&[])), (None, None));
    }

    /// Numbers from the smallest to large ones, many of them near one another.
    fn numbers() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(prop_oneof![-1e3..1e3_f64, (-60.0..60.0_f64).prop_map(f64::exp2), Just(0.1), Just(1e9)], 1..60)
    }

    proptest! {
        #[test]
        fn any_order_and_any_grouping_give_the_same_bits(numbers in numbers(), order in prop::collection::vec(any::<u32>(), 60), cut in 0.0..1.0_f64) {
            let mut shuffled: Vec<(u32, f64)> = order.iter().copied().zip(numbers.iter().copied()).collect();
            shuffled.sort_by_key(|s| s.0);
            let shuffled: Vec<f64> = shuffled.into_iter().map(|s| s.1).collect();
            prop_assert_eq!(sum(&numbers).value().to_bits(), sum(&shuffled).value().to_bits());
            prop_assert_eq!(deviation(&numbers).map(f64::to_bits), deviation(&shuffled).map(f64::to_bits));

            let (left, right) = shuffled.split_at((cut * shuffled.len() as f64) as usize);
            let (mut a, mut b) = (ExactMoments::default(), ExactMoments::default());
            for number in left {
                a.add(*number);
            }
            for number in right {
                b.add(*number);
            }
            b.merge(&a);
            prop_assert_eq!(b.standard_deviation(numbers.len() as u64).map(f64::to_bits), deviation(&numbers).map(f64::to_bits));
        }

        #[test]
        fn the_deviation_is_that_of_two_passes(numbers in prop::collection::vec(-1e3..1e3_f64, 2..60)) {
            let mean = sum(&numbers).value() / numbers.len() as f64;
            let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
            let expected = (squares / (numbers.len() - 1) as f64).sqrt();
            prop_assert!((deviation(&numbers).unwrap() - expected).abs() <= expected * 1e-12 + 1e-12);
        }
    }
}
