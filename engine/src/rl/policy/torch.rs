//! What `torch.save` writes: an archive of a pickled state dict and of the numbers it refers to.

use super::{
    LoadError, bounds,
    pickle::{self, Dtype, TensorView},
    tensors::{Tensors, volume},
    zip::Archive,
};

/// The first bytes of what PyTorch wrote before 1.6: a pickle of its magic number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Whether the bytes begin like a file of PyTorch before 1.6.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(LEGACY)
}

/// Dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;

/// Whether an archive is one of PyTorch's.
pub(super) fn is_torch(archive: &Archive<'_>) -> bool {
    root(archive).is_some()
}

/// The tensors of a state dict.
pub(super) fn read(archive: &Archive<'_>) -> Result<Tensors, LoadError> {
    let root = root(archive).ok_or_else(|| LoadError::MissingEntry("data.pkl".to_owned()))?;
    let order = format!("{root}/byteorder");
    if archive.contains(&order) && archive.entry(&order)? != b"little" {
        return Err(LoadError::Unsupported("big-endian numbers".to_owned()));
    }
    let mut tensors = Tensors::default();
    // A counter of a normalisation is no weight; the normalisation is told by its own.
    for (name, view) in pickle::state_dict(archive.entry(&format!("{root}/data.pkl"))?)? {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        // The state dict of a single layer names it by nothing.
        let name = if matches!(name.as_str(), "weight" | "bias") { format!("layer.{name}") } else { name };
        let numbers = numbers(archive, root, &name, &view)?;
        tensors.insert(&name, view.shape, numbers)?;
    }
    Ok(tensors)
}

/// The one folder with a `data.pkl`.
fn root<'a>(archive: &Archive<'a>) -> Option<&'a str> {
    let mut roots = archive.names().filter_map(|n| n.strip_suffix("/data.pkl"));
    roots.next().filter(|_| roots.next().is_none())
}

/// The numbers that a view shows, in row-major order.
fn numbers(archive: &Archive<'_>, root: &str, name: &str, view: &TensorView) -> Result<Vec<f32>, LoadError> {
    let storage = &view.storage;
    let bytes = archive.entry(&format!("{root}/data/{}", storage.key))?;
    let wrong = |expected: String| LoadError::WrongShape { name: name.to_owned(), found: view.shape.clone(), expected };
    if let Dtype::Whole(_) = storage.dtype {
        return Err(LoadError::Unsupported(format!("whole numbers in tensor {name:?}")));
    }
    let width = storage.dtype.bytes();
    if storage.len.checked_mul(width) != Some(bytes.len()) {
        return Err(wrong(format!("its storage has {} bytes, not {} numbers", bytes.len(), storage.len)));
    }
    if view.shape.len() > MAX_DIMENSIONS {
        return Err(wrong(format!("at most {MAX_DIMENSIONS} dimensions")));
    }
    let count = volume(&view.shape).ok_or(LoadError::Bound { what: "weights", limit: bounds::MAX_NUMBERS })?;
    if count == 0 {
        return Ok(Vec::new());
    }
    // The farthest number of the view lies within the storage, and so do all others.
    let reach = view
        .shape
        .iter()
        .zip(&view.strides)
        .try_fold(view.offset, |reach, (len, stride)| reach.checked_add((len - 1).checked_mul(*stride)?));
    if reach.is_none_or(|reach| reach >= storage.len) {
        return Err(wrong(format!("its storage has {} numbers", storage.len)));
    }
    let mut index = vec![0; view.shape.len()];
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        let at = view.offset + index.iter().zip(&view.strides).map(|(i, stride)| i * stride).sum::<usize>();
        numbers.push(number(storage.dtype, &bytes[at * width..(at + 1) * width]));
        for (i, len) in index.iter_mut().zip(&view.shape).rev() {
            *i += 1;
            if *i < *len {
                break;
            }
            *i = 0;
        }
    }
    Ok(numbers)
}

/// One little-endian number in single precision.
fn number(dtype: Dtype, bytes: &[u8]) -> f32 {
    let number = match dtype {
        Dtype::F32 => bytes.first_chunk().map(|b| f32::from_le_bytes(*b)),
        Dtype::F64 => bytes.first_chunk().map(|b| f64::from_le_bytes(*b) as f32),
        Dtype::Bf16 => bytes.first_chunk().map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16)),
        Dtype::F16 => bytes.first_chunk().map(|b| half(u16::from_le_bytes(*b))),
        Dtype::Whole(_) => None,
    };
    // The caller cuts as many bytes as the format has.
    number.unwrap_or(f32::NAN)
}

/// IEEE 754 half precision.
pub(super) fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 => {
            if fraction == 0.0 {
                sign * f32::INFINITY
            } else {
                f32::NAN
            }
        }
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read_exactly() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 5.960_464_5e-8), (0x3555, 0.333_251_95)] {
            assert_eq!(half(bits), value, "{bits:04x}");
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }
}
