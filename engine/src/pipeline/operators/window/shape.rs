//! Which windows a row belongs to.

use crate::pipeline::SignalId;

/// The kinds of window. Times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// `[offset + n * every, + size)`: tumbling where `every` is `size`, hopping where it is less.
    Time { size: i64, every: i64, offset: i64 },
    /// Rows less than `gap` apart.
    Session { gap: i64 },
    /// So many rows.
    Count { rows: u64 },
    /// As long as `signal / step` has the same whole part: laps (`step` 1), stretches of distance.
    Stretch { signal: SignalId, step: f64 },
}

impl Shape {
    /// Starts of the time windows that hold `micros`, oldest first.
    #[inline]
    pub(super) fn starts(size: i64, every: i64, offset: i64, micros: i64) -> impl Iterator<Item = i64> {
        let newest = (micros - offset).div_euclid(every) * every + offset;
        let count = (size - 1 - (micros - newest)).div_euclid(every) + 1;
        (0..count.max(0)).rev().map(move |back| newest - back * every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_in_every_window_that_holds_it_and_no_other() {
        for (size, every, offset) in [(10, 10, 0), (10, 5, 0), (10, 3, 1), (10, 4, -7), (3, 10, 0), (1, 1, 0)] {
            for t in -25..25 {
                let expected: Vec<i64> = (-60..60).map(|n| n * every + offset).filter(|s| (*s..s + size).contains(&t)).collect();
                assert_eq!(Shape::starts(size, every, offset, t).collect::<Vec<_>>(), expected, "{size} {every} {offset} at {t}");
            }
        }
    }
}
