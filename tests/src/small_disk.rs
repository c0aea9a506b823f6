//! A small disk that can be filled.
#![expect(clippy::missing_panics_doc, reason = "in a test a panic is how the unexpected is told")]

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

/// A small file system in memory; gone when dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of 48 MiB at `at`, made where it is missing, or tells why not.
    pub fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder can be made");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "slipstream-test"]).arg(at).output();
        if mounted.is_ok_and(|o| o.status.success()) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("skipped: a small disk cannot be mounted here");
        None
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        let mut filler = File::create(self.0.join("filler")).expect("a file can be made");
        for size in [1 << 20, 4 << 10, 1] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process may still have a file open there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
