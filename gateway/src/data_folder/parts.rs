//! The versions that the files under `DATA_DIR` tell by themselves. Only heads are read.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::DataFolderError;
use crate::{journal, series};

/// The first bytes of `snapshot.bin`: its name and, last, its version.
pub(crate) const SNAPSHOT_MAGIC: &[u8; 8] = b"SLIPSNP5";

/// Refuses a folder with a part whose version is newer than this build's.
pub(super) fn check(data_dir: &Path) -> Result<(), DataFolderError> {
    let snapshot = data_dir.join("snapshot.bin");
    let known = snapshot_version(SNAPSHOT_MAGIC).unwrap_or_default();
    refuse_newer(&snapshot, "snapshot", head::<8>(&snapshot)?.and_then(|head| snapshot_version(&head)), known)?;
    let database = data_dir.join(series::SQLITE_FILE);
    refuse_newer(&database, "schema", sqlite_version(&database)?, series::SQLITE_VERSION)?;
    let journal = data_dir.join("journal");
    let newer = journal::newer_segment(&journal).map_err(|source| DataFolderError::Io { path: journal, source })?;
    newer.map_or(Ok(()), |(path, version)| refuse_newer(&path, "journal", Some(version), journal::SEGMENT_VERSION))
}

fn refuse_newer(path: &Path, what: &str, found: Option<u32>, known: u32) -> Result<(), DataFolderError> {
    match found {
        Some(version) if version > known => Err(DataFolderError::Newer {
            path: path.to_owned(),
            found: format!("{what} version {version}"),
            known: format!("up to version {known}"),
        }),
        _ => Ok(()),
    }
}

/// `SLIPSNP` and the version, which takes another place from 10 on.
pub(crate) fn snapshot_version(head: &[u8]) -> Option<u32> {
    let rest = head.get(..8)?.strip_prefix(b"SLIPSN")?;
    let digits = rest.strip_prefix(b"P").unwrap_or(rest);
    std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// The schema's version, which lies in the head of an SQLite file. 0 where none was ever set.
fn sqlite_version(path: &Path) -> Result<Option<u32>, DataFolderError> {
    let Some(head) = head::<64>(path)? else { return Ok(None) };
    if !head.starts_with(b"SQLite format 3\0") {
        return Ok(None);
    }
    Ok(Some(u32::from_be_bytes([head[60], head[61], head[62], head[63]])))
}

/// The first bytes of a file, zeros where it ends sooner; `None` where there is no file.
fn head<const N: usize>(path: &Path) -> Result<Option<[u8; N]>, DataFolderError> {
    let read = || -> io::Result<Option<[u8; N]>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::with_capacity(N);
        file.take(N as u64).read_to_end(&mut bytes)?;
        bytes.resize(N, 0);
        Ok(bytes.first_chunk().copied())
    };
    read().map_err(|source| DataFolderError::Io { path: path.to_owned(), source })
}
