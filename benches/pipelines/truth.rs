//! What every side is to tell: a slow calculation over all values, sorted.

use std::collections::HashMap;

use anyhow::{Result, ensure};

use crate::{
    fleet::{self, Fleet, SIGNALS},
    told::{Told, WindowKey},
};

/// Length of the windows, ms.
const WINDOW_MS: i64 = 10_000;
/// What sums in another order may differ by.
const ROUNDING: f64 = 1e-9;

/// What a side means by the 95th percentile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Percentile {
    /// The value at rank `ceil(0.95 n)`, at most this part of it off.
    Sketch(f64),
    /// The same, exactly.
    NearestRank,
    /// A straight line between the values at both sides of `0.95 (n - 1)`, exactly.
    Interpolated,
}

impl Percentile {
    /// For the table.
    pub(crate) fn told(self) -> String {
        match self {
            Self::Sketch(bound) => format!("sketch, at most {:.2} % off", bound * 100.0),
            Self::NearestRank => "exact".to_owned(),
            Self::Interpolated => "exact, between ranks".to_owned(),
        }
    }
}

/// Sorted values of each signal.
type Columns = [Vec<f64>; SIGNALS.len()];

/// Every window.
pub(crate) struct Truth(HashMap<WindowKey, Columns>);

/// How well a side agreed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreement {
    pub(crate) windows: usize,
    /// The farthest percentile, as a part of the true value.
    pub(crate) farthest: f64,
}

impl Truth {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let mut windows: HashMap<WindowKey, Columns> = HashMap::new();
        for sample in fleet.samples() {
            let start = sample.unix_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
            let columns = windows.entry((fleet::name(sample.vehicle), start)).or_default();
            for (column, value) in columns.iter_mut().zip(sample.values) {
                column.push(value);
            }
        }
        for column in windows.values_mut().flatten() {
            column.sort_by(f64::total_cmp);
        }
        Self(windows)
    }

    /// Fails where a window is missing, is told twice, is too many, or has a number that is not what it should be.
    pub(crate) fn compare(&self, told: &Told, percentile: Percentile) -> Result<Agreement> {
        ensure!(told.len() == self.0.len(), "{} windows told, {} expected", told.len(), self.0.len());
        let mut farthest = 0.0_f64;
        for (key, columns) in &self.0 {
            let numbers = told.get(key);
            ensure!(numbers.is_some(), "{key:?} is missing");
            for (at, (column, told)) in columns.iter().zip(numbers.into_iter().flatten()).enumerate() {
                let place = || format!("{key:?} {}: {told:?}", SIGNALS[at]);
                let mean = column.iter().sum::<f64>() / column.len() as f64;
                let scale = column.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
                ensure!((told.mean - mean).abs() <= ROUNDING * scale, "{}: the mean is {mean}", place());
                ensure!(Some(&told.max) == column.last(), "{}: the maximum is {:?}", place(), column.last());
                let (p95, bound) = expected(column, percentile);
                let off = (told.p95 - p95).abs();
                ensure!(off <= bound * p95.abs() + ROUNDING * scale, "{}: the 95th percentile is {p95}", place());
                farthest = farthest.max(if p95 == 0.0 { 0.0 } else { off / p95.abs() });
            }
        }
        Ok(Agreement { windows: told.len(), farthest })
    }
}

fn expected(sorted: &[f64], percentile: Percentile) -> (f64, f64) {
    let nearest = sorted[(sorted.len() * 95).div_ceil(100).max(1) - 1];
    match percentile {
        Percentile::Sketch(bound) => (nearest, bound),
        Percentile::NearestRank => (nearest, 0.0),
        Percentile::Interpolated => {
            let place = 0.95 * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            (low + (high - low) * place.fract(), 0.0)
        }
    }
}
