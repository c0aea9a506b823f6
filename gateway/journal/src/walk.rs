//! Reads a journal's records one after the other from outside, also while a server runs on it.

use std::{
    io,
    path::{Path, PathBuf},
};

use slipstream_protocol::{SampleBatch, codec::RecordDecoder};

use super::{
    files,
    reader::{SegmentReader, Step},
};

/// The records of a journal, oldest first. Damage, and segments removed meanwhile, are passed over; it ends at what was written
/// when it got there.
pub struct Walk {
    dir: PathBuf,
    firsts: std::vec::IntoIter<u64>,
    segment: Option<SegmentReader>,
    decoder: RecordDecoder,
}

impl Walk {
    /// Begins at the oldest record in `dir`.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let firsts = files::segments(dir)?.into_iter();
        Ok(Self { dir: dir.to_owned(), firsts, segment: None, decoder: RecordDecoder::default() })
    }

    fn next_segment(&mut self) -> io::Result<bool> {
        for first in self.firsts.by_ref() {
            match SegmentReader::open(&files::segment_path(&self.dir, first), u64::MAX) {
                Ok(reader) => {
                    self.segment = Some(reader);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

impl Iterator for Walk {
    type Item = io::Result<SampleBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(reader) = &mut self.segment else {
                match self.next_segment() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => return Some(Err(error)),
                }
            };
            match reader.step() {
                Ok(Step::Record { payload, .. }) => {
                    if let Ok(batch) = self.decoder.decode(reader.bytes(payload)) {
                        return Some(Ok(batch));
                    }
                }
                Ok(Step::Damaged { .. }) => {}
                Ok(Step::End { .. }) => self.segment = None,
                Err(error) => {
                    self.segment = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
