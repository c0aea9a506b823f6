//! Names and safe replacement of the journal's files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::whole_file;

/// Subfolder for what could not be read.
pub(super) const QUARANTINE: &str = "quarantine";

/// The segment file whose first record has position `first`.
pub(super) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

/// First positions of the segment files in `dir`, ascending.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some(first) = name.to_str().and_then(|n| n.strip_suffix(".seg")).and_then(|n| n.parse().ok()) {
            firsts.push(first);
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Replaces `dir/name` as a whole: after a crash it has the old or the new content. A checksum goes first.
pub fn replace(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    whole_file::replace(&dir.join(name), &[format!("{:08x}\n", crc32fast::hash(content)).as_bytes(), content])
}

/// Reads what [`replace`] wrote; `None` where there is nothing or it is damaged.
pub fn read_replaced(dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let bytes = match fs::read(dir.join(name)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let sum = bytes.get(..8).and_then(|s| std::str::from_utf8(s).ok()).and_then(|s| u32::from_str_radix(s, 16).ok());
    let content = bytes.get(9..).unwrap_or_default();
    if sum == Some(crc32fast::hash(content)) {
        return Ok(Some(content.to_vec()));
    }
    tracing::warn!(file = %dir.join(name).display(), "the file is damaged and is rebuilt");
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_reads_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_replaced(dir.path(), "x").unwrap(), None);
        replace(dir.path(), "x", b"content").unwrap();
        assert_eq!(read_replaced(dir.path(), "x").unwrap().unwrap(), b"content");
        let mut bytes = fs::read(dir.path().join("x")).unwrap();
        bytes[12] ^= 4;
        fs::write(dir.path().join("x"), bytes).unwrap();
        assert_eq!(read_replaced(dir.path(), "x").unwrap(), None);
    }
}
