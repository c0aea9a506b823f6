//! Which source it is, so that a restart goes on where it was and not with another one.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

/// So much of a file's beginning is compared.
const HEAD: usize = 4_096;

/// A file and how it is read. A file that has grown is still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    name: String,
    reading: String,
    /// How the file begins.
    #[serde(skip)]
    head: Vec<u8>,
    head_len: usize,
    head_crc: u32,
}

impl Origin {
    /// The file at `path`; `reading` tells everything that decides which samples it makes.
    pub fn file(path: &Path, reading: impl Into<String>) -> io::Result<Self> {
        let name = path.canonicalize()?.display().to_string();
        let mut head = Vec::with_capacity(HEAD);
        File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Self { name, reading: reading.into(), head_len: head.len(), head_crc: crc32fast::hash(&head), head })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `now` is what this was before.
    pub(super) fn is(&self, now: &Self) -> bool {
        let head = now.head.get(..self.head_len).map(crc32fast::hash);
        self.name == now.name && self.reading == now.reading && head == Some(self.head_crc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_grown_is_the_same_and_one_that_begins_otherwise_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.csv");
        let origin = |content: &str, reading: &str| {
            std::fs::write(&path, content).unwrap();
            Origin::file(&path, reading).unwrap()
        };
        let kept = serde_json::to_vec(&origin("t_s,n\n1,1\n", "sorted")).unwrap();
        let before: Origin = serde_json::from_slice(&kept).unwrap();
        assert!(before.is(&origin("t_s,n\n1,1\n2,2\n", "sorted")));
        assert!(!before.is(&origin("t_s,n\n7,1\n2,2\n", "sorted")));
        assert!(!before.is(&origin("t_s", "sorted")), "a file cut short is another one");
        assert!(!before.is(&origin("t_s,n\n1,1\n", "as it is")));
    }
}
