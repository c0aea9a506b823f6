//! What every benchmark needs: the binary it measures, the servers beside it, and what the kernel counts of them.

pub mod binary;
pub mod cpu;
pub mod server;

/// The middle value; NaN for none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The [`median`] of what `value` tells of each run.
pub fn median_of<T>(runs: &[T], value: impl FnMut(&T) -> f64) -> f64 {
    median(&runs.iter().map(value).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!((super::median(&[3.0, 1.0, 2.0]), super::median(&[4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
        assert!(super::median(&[]).is_nan());
    }
}
