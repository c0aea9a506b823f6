//! A strict reader of zip archives whose entries are stored as they are: what PyTorch and
//! Stable-Baselines3 write. It hands out parts of the archive and copies nothing.

use std::collections::BTreeMap;

use super::{LoadError, bounds};

const END: &[u8; 4] = b"PK\x05\x06";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";
/// Bytes of the end record without its comment.
const END_LEN: usize = 22;
const CENTRAL_LEN: usize = 46;
const LOCAL_LEN: usize = 30;

/// Whether the bytes begin like an archive.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL)
}

/// An archive's entries by name.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    entries: BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    content: Result<&'a [u8], LoadError>,
    crc: u32,
}

impl<'a> Archive<'a> {
    /// Reads the directory. An entry that is compressed is refused when it is asked for.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let end = find_end(bytes).ok_or(LoadError::Archive("it has no end record"))?;
        let record = Record(&bytes[end..]);
        let (count, size, start) = (record.u16(10)?, record.u32(12)?, record.u32(16)?);
        if record.u16(4)? != 0 || record.u16(6)? != 0 || record.u16(8)? != count {
            return Err(LoadError::Archive("it is one of several parts"));
        }
        let count = usize::from(count);
        if count > bounds::MAX_ENTRIES {
            return Err(LoadError::Bound { what: "entries in the archive", limit: bounds::MAX_ENTRIES });
        }
        let mut directory = bytes
            .get(start..start.saturating_add(size))
            .filter(|_| start + size <= end)
            .ok_or(LoadError::Archive("its directory lies outside"))?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let (name, entry, rest) = read_entry(bytes, directory)?;
            // Two entries of one name: two readers would read two different files.
            if entries.insert(name, entry).is_some() {
                return Err(LoadError::Archive("two entries have the same name"));
            }
            directory = rest;
        }
        if directory.is_empty() { Ok(Self { entries }) } else { Err(LoadError::Archive("its directory has more than it says")) }
    }

    /// An entry's bytes, their checksum verified.
    pub(super) fn entry(&self, name: &str) -> Result<&'a [u8], LoadError> {
        let entry = self.entries.get(name).ok_or_else(|| LoadError::MissingEntry(name.to_owned()))?;
        let content = entry.content.clone()?;
        // A fuzzer finds no checksums; what is behind them is to be tried nevertheless.
        if crc32fast::hash(content) == entry.crc || cfg!(fuzzing) {
            Ok(content)
        } else {
            Err(LoadError::Archive("an entry's checksum does not fit"))
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The entries' names in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().copied()
    }
}

/// Where the end record stands: at the very end, or before a comment.
fn find_end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_LEN)?;
    (last.saturating_sub(usize::from(u16::MAX))..=last).rev().find(|&at| {
        let comment = || Record(&bytes[at..]).u16(20).map_or(usize::MAX, usize::from);
        bytes[at..].starts_with(END) && at + END_LEN + comment() == bytes.len()
    })
}

/// The first entry of `directory`, and the directory behind it.
fn read_entry<'a>(bytes: &'a [u8], directory: &'a [u8]) -> Result<(&'a str, Entry<'a>, &'a [u8]), LoadError> {
    const SHORT: LoadError = LoadError::Archive("its directory is cut short");
    if !directory.starts_with(CENTRAL) {
        return Err(SHORT);
    }
    let record = Record(directory);
    let (flags, method, crc) = (record.u16(8)?, record.u16(10)?, record.u32(16)?);
    let (packed, size, local) = (record.u32(20)?, record.u32(24)?, record.u32(42)?);
    let name_len = usize::from(record.u16(28)?);
    let more = usize::from(record.u16(30)?) + usize::from(record.u16(32)?);
    let name = directory.get(CENTRAL_LEN..CENTRAL_LEN + name_len).ok_or(SHORT)?;
    let rest = directory.get(CENTRAL_LEN + name_len + more..).ok_or(SHORT)?;
    let name = std::str::from_utf8(name).map_err(|_| LoadError::Archive("an entry's name is not UTF-8"))?;
    // Bit 0: encrypted.
    let content = if method != 0 || flags & 1 != 0 || packed != size {
        Err(LoadError::NotStored(name.to_owned()))
    } else {
        Ok(content(bytes, local, size, name)?)
    };
    Ok((name, Entry { content, crc: crc as u32 }, rest))
}

/// The bytes behind an entry's own header, which has to carry the same name.
fn content<'a>(bytes: &'a [u8], local: usize, size: usize, name: &str) -> Result<&'a [u8], LoadError> {
    const OUTSIDE: LoadError = LoadError::Archive("an entry lies outside");
    let header = bytes.get(local..).filter(|h| h.starts_with(LOCAL)).ok_or(OUTSIDE)?;
    let record = Record(header);
    let (name_len, extra_len) = (usize::from(record.u16(26)?), usize::from(record.u16(28)?));
    if header.get(LOCAL_LEN..LOCAL_LEN + name_len) != Some(name.as_bytes()) {
        return Err(LoadError::Archive("an entry has two names"));
    }
    let start = LOCAL_LEN + name_len + extra_len;
    header.get(start..start.saturating_add(size)).ok_or(OUTSIDE)
}

/// Little-endian fields at places of a record.
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn u16(&self, at: usize) -> Result<u16, LoadError> {
        let bytes = self.0.get(at..at + 2).ok_or(LoadError::Archive("a record is cut short"))?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&self, at: usize) -> Result<usize, LoadError> {
        let bytes = self.0.get(at..at + 4).ok_or(LoadError::Archive("a record is cut short"))?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }
}
