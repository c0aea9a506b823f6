//! Tensors by name, as a file holds them.

use std::collections::BTreeMap;

use super::{LoadError, bounds};

/// Numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Vec<f32>,
}

/// All tensors of a file: within bounds, and every number finite.
#[derive(Clone, Debug, Default)]
pub(super) struct Tensors {
    by_name: BTreeMap<String, Tensor>,
    /// The names in the order in which the file has them.
    order: Vec<String>,
    numbers: usize,
}

impl Tensors {
    /// Takes in a tensor.
    pub(super) fn insert(&mut self, name: &str, shape: Vec<usize>, numbers: Vec<f32>) -> Result<(), LoadError> {
        if name.len() > bounds::MAX_NAME {
            return Err(LoadError::Bound { what: "bytes in a tensor's name", limit: bounds::MAX_NAME });
        }
        if self.by_name.len() == bounds::MAX_TENSORS {
            return Err(LoadError::Bound { what: "tensors", limit: bounds::MAX_TENSORS });
        }
        self.numbers = self.numbers.saturating_add(numbers.len());
        if self.numbers > bounds::MAX_NUMBERS {
            return Err(LoadError::Bound { what: "weights", limit: bounds::MAX_NUMBERS });
        }
        if !numbers.iter().all(|n| n.is_finite()) {
            return Err(LoadError::NotFinite(name.to_owned()));
        }
        if volume(&shape) != Some(numbers.len()) {
            let expected = format!("it has {} numbers", numbers.len());
            return Err(LoadError::WrongShape { name: name.to_owned(), found: shape, expected });
        }
        if self.by_name.insert(name.to_owned(), Tensor { shape, numbers }).is_none() {
            self.order.push(name.to_owned());
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Result<&Tensor, LoadError> {
        self.by_name.get(name).ok_or_else(|| LoadError::MissingTensor(name.to_owned()))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The names in the order in which the file has them.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// The numbers `n` of the layers `<prefix>.<n>.weight`, ascending.
    pub(super) fn layers(&self, prefix: &str) -> Vec<u32> {
        let number = |name: &str| {
            let digits = name.strip_prefix(prefix)?.strip_prefix('.')?.strip_suffix(".weight")?;
            // Only as it is written: no sign, no leading zero.
            digits.parse::<u32>().ok().filter(|n| n.to_string() == digits)
        };
        let mut layers: Vec<u32> = self.names().filter_map(number).collect();
        layers.sort_unstable();
        layers
    }
}

/// How many numbers a shape has; `None` where that is more than any file may have.
pub(super) fn volume(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |volume, n| volume.checked_mul(*n)).filter(|v| *v <= bounds::MAX_NUMBERS)
}
