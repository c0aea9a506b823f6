//! The wire format of protocol buffers, as far as ONNX needs it.

use super::super::LoadError;

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    Varint(u64),
    /// A message, a text, bytes or packed numbers.
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
}

/// The fields of a message in the order they stand, with their numbers.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, LoadError> {
        const SHORT: LoadError = LoadError::Onnx("a field is cut short");
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(*self.take(8)?.first_chunk().ok_or(SHORT)?),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| SHORT)?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Fixed32(*self.take(4)?.first_chunk().ok_or(SHORT)?),
            _ => return Err(LoadError::Onnx("a field has no known type")),
        };
        Ok(Some((key >> 3, field)))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], LoadError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(LoadError::Onnx("a field is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, LoadError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(LoadError::Onnx("a number has more than 64 bits"))
    }
}

/// Repeated whole numbers, packed or one by one.
pub(super) fn push_varints(field: Field<'_>, into: &mut Vec<i64>) -> Result<(), LoadError> {
    match field {
        Field::Varint(n) => into.push(n as i64),
        Field::Bytes(bytes) => {
            let mut packed = Fields(bytes);
            while !packed.0.is_empty() {
                into.push(packed.varint()? as i64);
            }
        }
        _ => return Err(LoadError::Onnx("a list of numbers has another type")),
    }
    Ok(())
}

pub(super) fn bytes(field: Field<'_>) -> Result<&[u8], LoadError> {
    match field {
        Field::Bytes(bytes) => Ok(bytes),
        _ => Err(LoadError::Onnx("a message is missing")),
    }
}

pub(super) fn text(field: Field<'_>) -> Result<&str, LoadError> {
    std::str::from_utf8(bytes(field)?).map_err(|_| LoadError::Onnx("a name is not UTF-8"))
}
