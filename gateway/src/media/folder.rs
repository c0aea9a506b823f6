//! A folder of files named by our own ids, written whole or not at all.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use slipstream_protocol::Id;

/// Files by id. Ids are checked (`A-Z a-z 0-9 . _ -`, and here not beginning with a dot), so no name
/// leads out of the folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Keeps files under `root`, made on first use.
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Writes a file and syncs it; it is there whole or not at all.
    pub async fn write(&self, id: &Id, content: Bytes) -> io::Result<()> {
        let path = self.path(id)?;
        blocking(move || write_whole(&path, &content)).await
    }

    /// Reads a file.
    pub async fn read(&self, id: &Id) -> io::Result<Bytes> {
        let path = self.path(id)?;
        blocking(move || std::fs::read(path).map(Bytes::from)).await
    }

    /// Removes a file.
    pub async fn remove(&self, id: &Id) -> io::Result<()> {
        let path = self.path(id)?;
        blocking(move || std::fs::remove_file(path)).await
    }

    /// Subfolders by the id's beginning keep each one short: a time-ordered UUID's first six digits
    /// change every four and a half hours.
    fn path(&self, id: &Id) -> io::Result<PathBuf> {
        let name = id.as_str();
        if name.starts_with('.') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file's name must not begin with a dot"));
        }
        let shard = &name[..name.len().min(6)];
        Ok(self.root.join(shard).join(name))
    }
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("a file of the folder has a parent: its subfolder");
    std::fs::create_dir_all(folder)?;
    // A name of its own, so that two writers of one file never mix.
    let unfinished = folder.join(format!(".{}", uuid::Uuid::new_v4()));
    let written = (|| {
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(content)?;
        file.sync_data()?;
        std::fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    #[tokio::test]
    async fn what_was_written_is_read_until_removed() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("video"));
        folder.write(&id("abcdef-1"), Bytes::from_static(b"one")).await.unwrap();
        folder.write(&id("abcdef-1"), Bytes::from_static(b"two")).await.unwrap();
        assert_eq!(folder.read(&id("abcdef-1")).await.unwrap(), "two");
        assert_eq!(std::fs::read_dir(root.path().join("video/abcdef")).unwrap().count(), 1, "nothing unfinished is left");
        folder.remove(&id("abcdef-1")).await.unwrap();
        assert_eq!(folder.read(&id("abcdef-1")).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn no_id_leads_out_of_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("video"));
        for outside in ["..", ".", "...", ".hidden"] {
            assert!(folder.write(&id(outside), Bytes::new()).await.is_err(), "{outside}");
        }
        folder.write(&id("a"), Bytes::new()).await.unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
