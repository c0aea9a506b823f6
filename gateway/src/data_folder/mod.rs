//! The version of `DATA_DIR`: one stamp for everything a server keeps there.
//!
//! The stamp is the file `format`: a number, and who wrote it. It covers the snapshot, the journal, `series.db`,
//! `slipstream.db`, pipelines and trainings. A folder of a newer version is refused before anything in it is opened
//! ([`check`] only reads); one of an older version, and one from before there was a stamp, is taken over with a copy of what
//! the new version rewrites ([`take_over`]). The parts tell their own versions as well ([`parts`]), because a part may have
//! been copied in from elsewhere, and because a stamp may be missing.

mod parts;
mod takeover;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, AtFlags},
    io::Errno,
};

pub(crate) use parts::{SNAPSHOT_MAGIC, snapshot_version};
pub(crate) use takeover::take_over;

use crate::whole_file;

/// The version of the folder that this build writes. A change of any file's format that an older build cannot read raises it,
/// and adds to [`takeover`] what has to be copied before.
const FORMAT: u32 = 1;

/// The stamp's name.
const STAMP: &str = "format";

/// The largest stamp that is read.
const MAX_STAMP: u64 = 4_096;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataFolderError {
    /// A newer version wrote there.
    #[error(
        "{} was written by a newer slipstream ({found}; this one, {}, knows {known}): start the newer version, or restore a backup \
         from before the upgrade; nothing was touched", path.display(), env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The file, or the folder.
        path: PathBuf,
        /// What it says.
        found: String,
        /// The newest that this build reads.
        known: String,
    },
    /// The stamp is there and says nothing.
    #[error("{} does not say which version wrote the folder: restore the file from a backup of the folder, or start the version that wrote it; where the log of the last start says that this version wrote it, write {FORMAT} into the file; nothing was touched", path.display())]
    Stamp {
        /// The stamp.
        path: PathBuf,
    },
    /// Another process works in a folder that would have to be taken over.
    #[error("{} is in use by another process: stop that server before this version takes the folder over", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// What has to be copied before an upgrade could not be.
    #[error("the folder is of an older version, and the copy at {} that would lead back to it cannot be made: {source}; nothing was changed", path.display())]
    Copy {
        /// Where to.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `DATA_DIR` is no folder.
    #[error("DATA_DIR {} is a file: a folder is expected; name another one with --data-dir", path.display())]
    NotAFolder {
        /// What it names.
        path: PathBuf,
    },
    /// This user may not read or make files there.
    #[error(
        "DATA_DIR {} is closed to this user (uid {uid}), which has to read and write there: give it to the user (chown), or name another \
         folder with --data-dir",
        path.display()
    )]
    Closed {
        /// The folder, or the one it would be made in.
        path: PathBuf,
        /// Who asked.
        uid: u32,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DataFolderError {
    /// Whether the same start may succeed later without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Copy { .. } | Self::Io { .. })
    }
}

/// What the stamp of a folder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    /// There is none: the folder is new, or from before there were stamps.
    Absent,
    /// The folder's version.
    Of(u32),
}

/// Refuses a folder that a newer version has written. Reads only; whoever opens anything under `DATA_DIR` asks first. A folder
/// that does not exist is fine.
pub fn check(data_dir: &Path) -> Result<(), DataFolderError> {
    if data_dir.exists() && !data_dir.is_dir() {
        return Err(DataFolderError::NotAFolder { path: data_dir.to_owned() });
    }
    let stamp = data_dir.join(STAMP);
    if let Some(text) = read_stamp(&stamp)? {
        let Some((found, writer)) = parse(&text) else { return Err(DataFolderError::Stamp { path: stamp }) };
        if found > FORMAT {
            let found = format!("format {found}{}", writer.map(|w| format!(", {w}")).unwrap_or_default());
            return Err(DataFolderError::Newer { path: data_dir.to_owned(), found, known: format!("up to format {FORMAT}") });
        }
    }
    parts::check(data_dir)
}

/// Refuses a folder that this user cannot write to, or make. Makes nothing.
pub fn check_writable(data_dir: &Path) -> Result<(), DataFolderError> {
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    // Where it is to be made, the nearest folder that is there decides.
    let Some(there) = absolute.ancestors().find(|folder| folder.exists()) else { return Ok(()) };
    if !there.is_dir() {
        return Err(DataFolderError::NotAFolder { path: there.to_owned() });
    }
    match rustix::fs::accessat(rustix::fs::CWD, there, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Err(closed(there)),
        _ => Ok(()),
    }
}

fn stamp_of(data_dir: &Path) -> Result<Stamp, DataFolderError> {
    let text = read_stamp(&data_dir.join(STAMP))?;
    Ok(text.and_then(|text| parse(&text)).map_or(Stamp::Absent, |(format, _)| Stamp::Of(format)))
}

fn write_stamp(data_dir: &Path) -> Result<(), DataFolderError> {
    let text = format!("{FORMAT}\nwritten by slipstream {}\n", env!("CARGO_PKG_VERSION"));
    let path = data_dir.join(STAMP);
    whole_file::replace(&path, &[text.as_bytes()]).map_err(|source| DataFolderError::Io { path, source })
}

fn read_stamp(path: &Path) -> Result<Option<Vec<u8>>, DataFolderError> {
    let read = || -> io::Result<Option<Vec<u8>>> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            // Not read: it is none of ours, and says nothing.
            Ok(found) if !found.is_file() || found.len() > MAX_STAMP => return Ok(Some(Vec::new())),
            Ok(_) => {}
        }
        fs::read(path).map(Some)
    };
    read().map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => closed(path.parent().unwrap_or(path)),
        _ => DataFolderError::Io { path: path.to_owned(), source },
    })
}

/// The folder is closed to whoever runs this.
fn closed(folder: &Path) -> DataFolderError {
    DataFolderError::Closed { path: folder.to_owned(), uid: rustix::process::geteuid().as_raw() }
}

/// The number in the first line, and the second line where there is one.
fn parse(stamp: &[u8]) -> Option<(u32, Option<String>)> {
    let text = std::str::from_utf8(stamp).ok()?;
    let mut lines = text.lines();
    let format = match lines.next()?.trim() {
        // More than the type holds is newer than anything this build knows.
        digits if digits.len() > 9 && digits.bytes().all(|b| b.is_ascii_digit()) => u32::MAX,
        digits => digits.parse().ok()?,
    };
    Some((format, lines.next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())))
}

#[cfg(test)]
mod tests;
