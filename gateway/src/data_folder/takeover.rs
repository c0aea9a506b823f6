//! Taking over a folder of an older version.
//!
//! What this version rewrites in a form that the older one cannot read is copied first. Segments of the journal and the time
//! series are not: their formats have not changed, and they may be large. Copies are whole or not there at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{DataFolderError, FORMAT, Stamp, check, stamp_of, write_stamp};
use crate::{journal, series, whole_file};

/// What is copied, where it exists: files, and folders with all that is in them.
const COPIED: [&str; 7] =
    ["snapshot.bin", "slipstream.db", "slipstream.db-wal", "journal/consumers", "journal/publishers", "pipelines", "trainings"];

/// What a folder in which a server has worked has at least one of.
const WORKED: [&str; 4] = ["snapshot.bin", "slipstream.db", series::SQLITE_FILE, "journal"];

/// Makes the folder ready for this version: refuses what a newer one wrote, copies what an older one wrote and this one
/// rewrites, and stamps it. Called once at the start of a server, before anything in the folder is opened.
pub(crate) fn take_over(data_dir: &Path) -> Result<(), DataFolderError> {
    check(data_dir)?;
    let from = match stamp_of(data_dir)? {
        Stamp::Of(FORMAT) => return Ok(()),
        Stamp::Of(older) => Some(older),
        Stamp::Absent => WORKED.iter().any(|name| data_dir.join(name).exists()).then_some(0),
    };
    if let Some(from) = from {
        if journal::is_in_use(&data_dir.join("journal")) {
            return Err(DataFolderError::InUse { path: data_dir.to_owned() });
        }
        let copy = data_dir.join(format!("before-format-{FORMAT}"));
        copy_aside(data_dir, &copy).map_err(|source| DataFolderError::Copy { path: copy.clone(), source })?;
        tracing::warn!(
            from,
            to = FORMAT,
            copy = %copy.display(),
            "the data folder is of an older version and is taken over; the copy leads back to it and may be removed later"
        );
    }
    write_stamp(data_dir)
}

/// Copies into `copy`. One that exists is of an attempt that was interrupted after it was whole, and is kept: it has the state
/// before the first attempt.
fn copy_aside(data_dir: &Path, copy: &Path) -> io::Result<()> {
    if copy.exists() {
        return Ok(());
    }
    let draft = copy.with_extension("draft");
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    fs::create_dir(&draft)?;
    for name in COPIED {
        copy_whole(&data_dir.join(name), &draft.join(name))?;
    }
    whole_file::sync_dir(&draft)?;
    fs::rename(&draft, copy)?;
    whole_file::sync_dir(data_dir)
}

/// Copies a file, or a folder with its files and folders; nothing where there is none. Links are not followed.
fn copy_whole(from: &Path, to: &Path) -> io::Result<()> {
    let mut waiting: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        let kind = match fs::symlink_metadata(&from) {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if kind.is_dir() {
            fs::create_dir_all(&to)?;
            for entry in fs::read_dir(&from)? {
                let entry = entry?;
                waiting.push((entry.path(), to.join(entry.file_name())));
            }
        } else if kind.is_file() {
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::copy(&from, &to)?;
            fs::File::open(&to)?.sync_all()?;
        }
    }
    Ok(())
}
