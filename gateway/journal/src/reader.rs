//! Reads a segment file frame by frame, past damage.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _, path::Path};

use super::frame::{self, HEAD, Parsed};

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// One step through a segment.
#[derive(Debug)]
pub(super) enum Step {
    /// A record; its payload is [`SegmentReader::bytes`] of the range until the next step.
    Record {
        /// Its position.
        position: u64,
        /// Where the payload lies.
        payload: Range<usize>,
    },
    /// Bytes that hold no valid frame, and valid frames after them.
    Damaged {
        /// Where in the file.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// No valid frame from here to the end.
    End {
        /// Where in the file the last valid frame ends.
        offset: u64,
        /// What lies there, without trailing zeros (space set aside for writing).
        rest: Vec<u8>,
    },
}

/// A place in a segment file.
#[derive(Debug)]
pub(super) struct SegmentReader {
    file: File,
    /// Nothing at or beyond this offset is read.
    limit: u64,
    /// Offset in the file of `buffer[0]`.
    base: u64,
    buffer: Vec<u8>,
    at: usize,
    /// Position of the last record met; frames that go back are no frames.
    last: u64,
}

impl SegmentReader {
    /// Opens `path` and reads no further than `limit` bytes into it.
    pub(super) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let limit = limit.min(file.metadata()?.len());
        Ok(Self { file, limit, base: HEAD.len() as u64, buffer: Vec::new(), at: 0, last: 0 })
    }

    /// Reads up to `limit` from now on; the file has grown.
    pub(super) fn extend(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// The payload of the last [`Step::Record`].
    pub(super) fn bytes(&self, payload: Range<usize>) -> &[u8] {
        &self.buffer[payload]
    }

    /// Where in the file the next frame starts.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The next step. After [`Step::End`] the same place is tried again.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        loop {
            match frame::parse(&self.buffer[self.at..]) {
                Parsed::Frame { position, payload } if position > self.last => {
                    let payload = payload.start + self.at..payload.end + self.at;
                    self.at = payload.end;
                    self.last = position;
                    return Ok(Step::Record { position, payload });
                }
                Parsed::Short(need) if self.fill(need)? => {}
                Parsed::Frame { .. } | Parsed::Short(_) | Parsed::Bad => return self.resync(),
            }
        }
    }

    /// Makes `need` bytes from `at` on available, if the file has them.
    fn fill(&mut self, need: usize) -> io::Result<bool> {
        if self.offset() + need as u64 > self.limit {
            return Ok(false);
        }
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        self.read_more(need.max(CHUNK))?;
        Ok(self.buffer.len() >= need)
    }

    fn read_more(&mut self, until: usize) -> io::Result<()> {
        let start = self.buffer.len();
        let left = self.limit.saturating_sub(self.base + start as u64);
        let more = (until.saturating_sub(start) as u64).min(left) as usize;
        self.buffer.resize(start + more, 0);
        let mut filled = start;
        while filled < self.buffer.len() {
            match self.file.read_at(&mut self.buffer[filled..], self.base + filled as u64) {
                // The writer has given back space it had set aside: the file is shorter than when it was opened.
                Ok(0) => {
                    self.buffer.truncate(filled);
                    self.limit = self.base + filled as u64;
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(filled);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Looks for the next valid frame behind the damage at `at`.
    fn resync(&mut self) -> io::Result<Step> {
        let offset = self.offset();
        // Damage is rare and a segment bounded: all of it may be held at once.
        self.read_more(usize::MAX)?;
        let mut from = self.at + 1;
        while let Some(candidate) = frame::find_marker(&self.buffer, from) {
            if matches!(frame::parse(&self.buffer[candidate..]), Parsed::Frame { position, .. } if position > self.last) {
                let bytes = self.buffer[self.at..candidate].to_vec();
                self.at = candidate;
                return Ok(Step::Damaged { offset, bytes });
            }
            from = candidate + 1;
        }
        let rest = &self.buffer[self.at..];
        let used = rest.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        Ok(Step::End { offset, rest: rest[..used].to_vec() })
    }
}
