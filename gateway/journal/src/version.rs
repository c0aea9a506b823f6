//! The version of a journal's segments, from their heads.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{files, frame::HEAD};

/// The newest version of a segment that this build reads.
pub const SEGMENT_VERSION: u32 = 1;

const NAME: &[u8] = b"slipstream jnl";

/// Returns a segment in `dir` that a newer version has written, with its version. A head that is damaged is no version: the
/// records behind it are read nevertheless. Reads only; `None` where there is no such folder.
pub fn newer_segment(dir: &Path) -> io::Result<Option<(PathBuf, u32)>> {
    let firsts = match files::segments(dir) {
        Ok(firsts) => firsts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for first in firsts {
        let path = files::segment_path(dir, first);
        let mut head = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(2 * HEAD.len() as u64).read_to_end(&mut head)?,
            // A server that runs has removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Some(version) = version(&head).filter(|version| *version > SEGMENT_VERSION) {
            return Ok(Some((path, version)));
        }
    }
    Ok(None)
}

/// The number between the name and the end of the line.
fn version(head: &[u8]) -> Option<u32> {
    let rest = head.strip_prefix(NAME)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    std::str::from_utf8(&rest[..end]).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_its_version_and_a_damaged_one_tells_none() {
        assert_eq!(version(&HEAD), Some(SEGMENT_VERSION));
        for (head, told) in [
            (&b"slipstream jnl9\n\xf5"[..], Some(9)),
            (b"slipstream jnl12\n\xf5\xa7", Some(12)),
            (b"slipstream jnl+1\n", None),
            (b"slipstream jnlx\n", None),
            (b"slipstream jnl1", None),
            (b"slipstreax jnl9\n", None),
            (b"", None),
        ] {
            assert_eq!(version(head), told, "{head:?}");
        }
    }
}
