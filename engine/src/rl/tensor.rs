//! Numbers on their way into a safetensors file.

use std::borrow::Cow;

use safetensors::{Dtype, View};

/// A tensor to be written: numbers of one kind as bytes, little end first.
pub(super) struct Numbers {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Numbers {
    /// A row of numbers.
    pub(super) fn f32(numbers: &[f32]) -> Self {
        Self::shaped(vec![numbers.len()], numbers)
    }

    /// Numbers of a shape, row by row; the shape has as many places as there are numbers.
    pub(super) fn shaped(shape: Vec<usize>, numbers: &[f32]) -> Self {
        Self { dtype: Dtype::F32, shape, bytes: numbers.iter().flat_map(|number| number.to_le_bytes()).collect() }
    }

    /// A row of whole numbers.
    pub(super) fn u64(numbers: impl Iterator<Item = u64>) -> Self {
        let bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
        Self { dtype: Dtype::U64, shape: vec![bytes.len() / 8], bytes }
    }

    /// A row of bytes.
    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self { dtype: Dtype::U8, shape: vec![bytes.len()], bytes }
    }
}

impl View for Numbers {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
