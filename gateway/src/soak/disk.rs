//! A small disk that can be filled, and a journal whose newest file ends in a torn write.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};
use rand::{Rng as _, RngCore as _, rngs::StdRng};
use tokio::process::Command;

use crate::journal;

/// A disk in memory with the data folder on it; unmounted on drop.
#[derive(Debug)]
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of `bytes` at `folder`; an error says why that cannot be done here.
    pub(super) async fn mount(folder: &Path, bytes: u64) -> Result<Self> {
        let size = format!("size={}k", bytes.div_ceil(1_024));
        let mounting = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).stdin(Stdio::null()).output().await;
        let told = mounting.context("'mount' is missing")?;
        if !told.status.success() {
            bail!("{}", String::from_utf8_lossy(&told.stderr).trim());
        }
        Ok(Self(folder.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all the space there is.
    pub(super) fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler())?;
        for piece in [1 << 20, 4_096] {
            let zeros = vec![0_u8; piece];
            while file.write_all(&zeros).is_ok() {}
        }
        Ok(())
    }

    /// Takes what has become free since.
    pub(super) fn fill_up(&self) -> Result<()> {
        let mut file = File::options().append(true).create(true).open(self.filler())?;
        let zeros = [0_u8; 4_096];
        while file.write_all(&zeros).is_ok() {}
        Ok(())
    }

    /// Gives the space back.
    pub(super) fn free(&self) -> Result<()> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there keeps it until it is done.
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

/// Makes the newest file of a journal nobody has open end as a write cut short ends: at the last
/// record, in random bytes, or in a part of a record. What was synced stays. Tells what was done.
pub(super) fn tear(journal: &Path, rng: &mut StdRng) -> Result<String> {
    let report = journal::verify(journal)?;
    let Some(newest) = report.segments.last() else { return Ok("no record yet".to_owned()) };
    let path = journal.join(format!("{:020}.seg", newest.first));
    let mut bytes = fs::read(&path)?;
    let end = usize::try_from(newest.end)?.min(bytes.len());
    let records = &bytes[..end];
    let (what, tail) = match rng.random_range(0..3) {
        0 => ("ends at its last record", Vec::new()),
        1 => {
            let mut garbage = vec![0; rng.random_range(1..300)];
            rng.fill_bytes(&mut garbage);
            ("ends in random bytes", garbage)
        }
        _ => {
            // As written as a record is, as far as it goes: the first bytes of the file's first record.
            let head = 16.min(records.len());
            let part = rng.random_range(1..64).min(records.len() - head);
            ("ends in a part of a record", records[head..head + part].to_vec())
        }
    };
    let told = format!("{}: {what} ({} bytes)", path.file_name().unwrap_or_default().display(), tail.len());
    bytes.truncate(end);
    bytes.extend_from_slice(&tail);
    fs::write(&path, bytes)?;
    Ok(told)
}
