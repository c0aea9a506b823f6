//! Files that are replaced as a whole.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Makes `path` hold `parts`, one behind the other: after a crash, a power cut too, it has the old or the new
/// content, never a mixture. Its folder must exist.
pub fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let mut fresh = OsString::from(name);
    fresh.push(".new");
    let fresh = path.with_file_name(fresh);
    let mut file = File::create(&fresh)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_dir(folder_of(path))
}

/// [`replace`], in a folder that is made where it is missing.
pub fn replace_in_folder(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    replace(path, parts)
}

/// The folder a file is in.
fn folder_of(path: &Path) -> &Path {
    // A name alone is in the present folder, whose name is empty here.
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes names created or removed in `dir` survive a power cut.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_new_content_alone_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("states").join("state.bin");
        assert!(replace(&path, &[b""]).is_err(), "its folder is missing");
        replace_in_folder(&path, &[b"a longer first content"]).unwrap();
        replace(&path, &[b"new", b" one"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new one");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(replace(Path::new("/"), &[b""]).is_err());
    }
}
