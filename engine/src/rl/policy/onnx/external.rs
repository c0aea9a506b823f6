//! Weights that lie in a file beside the model: what `torch.onnx.export` writes since PyTorch 2.9.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    super::{LoadError, MAX_FILE_BYTES, bounds},
    wire::{Field, Fields, bytes, text},
};

/// Gives the bytes of a file beside the model, or says why not.
pub(super) type Beside<'b> = &'b mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// The files beside a model, each read once.
pub(super) struct External<'b> {
    beside: Beside<'b>,
    files: BTreeMap<String, Rc<[u8]>>,
    /// Bytes of all of them.
    held: usize,
}

/// Where the numbers of a tensor lie.
#[derive(Debug, Default)]
pub(super) struct Place {
    location: String,
    offset: usize,
    length: Option<usize>,
}

impl Place {
    /// Takes an entry of `TensorProto.external_data`.
    pub(super) fn take(&mut self, message: &[u8]) -> Result<(), LoadError> {
        let (mut key, mut value) = ("", "");
        let mut fields = Fields(message);
        while let Some((number, field)) = fields.next()? {
            // StringStringEntryProto: key = 1, value = 2
            match (number, field) {
                (1, field @ Field::Bytes(_)) => key = text(field)?,
                (2, field) => value = text(Field::Bytes(bytes(field)?))?,
                _ => {}
            }
        }
        let number = || value.parse::<usize>().map_err(|_| LoadError::Onnx("a place of weights is no number"));
        match key {
            "location" if value.len() <= bounds::MAX_NAME => value.clone_into(&mut self.location),
            "location" => return Err(LoadError::Bound { what: "bytes in a name", limit: bounds::MAX_NAME }),
            "offset" => self.offset = number()?,
            "length" => self.length = Some(number()?),
            // A checksum, or what later versions note.
            _ => {}
        }
        Ok(())
    }
}

impl<'b> External<'b> {
    pub(super) fn new(beside: Beside<'b>) -> Self {
        Self { beside, files: BTreeMap::new(), held: 0 }
    }

    /// The bytes at a place.
    pub(super) fn at(&mut self, place: &Place) -> Result<(Rc<[u8]>, std::ops::Range<usize>), LoadError> {
        let file = self.file(&place.location)?;
        let length = place.length.unwrap_or_else(|| file.len().saturating_sub(place.offset));
        let end = place.offset.checked_add(length).filter(|end| *end <= file.len());
        let Some(end) = end else {
            let reason = format!("it has {} bytes, and weights are said to lie behind them", file.len());
            return Err(LoadError::Beside { file: place.location.clone(), reason });
        };
        Ok((file, place.offset..end))
    }

    fn file(&mut self, name: &str) -> Result<Rc<[u8]>, LoadError> {
        if let Some(file) = self.files.get(name) {
            return Ok(file.clone());
        }
        let refused = |reason: String| LoadError::Beside { file: name.to_owned(), reason };
        // Nothing but a file in the folder of the model: no other folder, no other drive, nothing hidden.
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0']);
        if !plain {
            return Err(refused("a plain name is expected, of a file in the folder of the model".to_owned()));
        }
        let bytes = (self.beside)(name).map_err(refused)?;
        self.held = self.held.saturating_add(bytes.len());
        if self.held > MAX_FILE_BYTES {
            return Err(LoadError::TooLarge { bytes: self.held, limit: MAX_FILE_BYTES });
        }
        let file: Rc<[u8]> = bytes.into();
        self.files.insert(name.to_owned(), file.clone());
        Ok(file)
    }
}
