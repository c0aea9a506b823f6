//! The data folder is its owner's alone: folders 0700, files 0600.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::{fs::Mode, process};

/// Permissions of others and of the group.
const NOT_OWNER: u32 = 0o077;
/// The sticky bit: a folder shared by all, as /tmp.
const STICKY: u32 = 0o1000;

/// Makes the folder where it is missing, and has this process make no file that others can read: whatever it writes under
/// the folder, SQLite's files included, is its owner's alone. What earlier versions left readable there is closed.
///
/// Answers the mask there was before, for [`restore_mask`].
pub(crate) fn make_private(folder: &Path) -> io::Result<Mode> {
    let before = process::umask(Mode::from_bits_truncate(NOT_OWNER));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    close(folder, &fs::metadata(folder)?)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Of a link the link itself: what it leads to is not in the folder.
        let found = entry.metadata()?;
        if found.is_file() || found.is_dir() {
            close(&entry.path(), &found)?;
        }
    }
    Ok(before)
}

/// Puts the mask back that [`make_private`] found: for files that a user asks for elsewhere.
pub(crate) fn restore_mask(before: Mode) {
    process::umask(before);
}

/// Takes the permissions of others away from what this user owns. Within a closed folder nobody else reaches what is deeper.
fn close(path: &Path, found: &fs::Metadata) -> io::Result<()> {
    let mode = found.mode() & 0o7777;
    let is_ours = found.uid() == process::geteuid().as_raw();
    if !is_ours || mode & NOT_OWNER == 0 || mode & STICKY != 0 {
        return Ok(());
    }
    match fs::set_permissions(path, Permissions::from_mode(mode & !NOT_OWNER)) {
        // Gone meanwhile: a draft that was renamed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_is_made_and_what_was_there_is_its_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, outside) = (parent.path().join("a/b"), parent.path().join("outside"));
        fs::write(&outside, "x").unwrap();
        fs::set_permissions(&outside, Permissions::from_mode(0o644)).unwrap();
        make_private(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        for name in ["old.db", "old.db-wal"] {
            fs::write(folder.join(name), "x").unwrap();
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o644)).unwrap();
        }
        fs::create_dir(folder.join("journal")).unwrap();
        for name in ["journal", "."] {
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
        make_private(&folder).unwrap();
        assert_eq!((mode(&folder), mode(&folder.join("journal"))), (0o700, 0o700));
        assert_eq!((mode(&folder.join("old.db")), mode(&folder.join("old.db-wal"))), (0o600, 0o600));
        assert_eq!(mode(&outside), 0o644, "what a link leads to is left");
        fs::write(folder.join("new"), "x").unwrap();
        assert_eq!(mode(&folder.join("new")), 0o600);
    }
}
