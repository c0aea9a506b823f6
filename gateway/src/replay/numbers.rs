//! Numbers of replays: each is given once in the life of a data folder, because what a replay's vehicles told outlives the process.

use std::{
    fs,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use slipstream_protocol::SessionId;

use super::ReplayError;
use crate::whole_file;

pub(super) struct ReplayNumbers {
    /// Holds the last number, in decimal.
    path: PathBuf,
    last: Mutex<u64>,
}

impl ReplayNumbers {
    pub(super) fn read(data_dir: &Path, known: &[SessionId]) -> Self {
        let path = data_dir.join("last-replay");
        let written = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        let of_session = |session: &SessionId| session.strip_prefix("replay-").and_then(|number| number.parse::<u64>().ok());
        let last = known.iter().filter_map(of_session).chain(written).max().unwrap_or(0);
        Self { path, last: Mutex::new(last) }
    }

    /// The next number. It is on the disk before it is used.
    pub(super) fn next(&self) -> Result<u64, ReplayError> {
        let mut last = self.last.lock();
        let next = last.saturating_add(1);
        whole_file::replace_in_folder(&self.path, &[format!("{next}\n").as_bytes()])
            .map_err(|error| ReplayError::Numbering(format!("{}: {error}", self.path.display())))?;
        *last = next;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_once_in_the_life_of_a_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let known = [SessionId::new("replay-4").unwrap(), SessionId::new("q1").unwrap(), SessionId::new("replay-x").unwrap()];
        let first = ReplayNumbers::read(folder.path(), &known);
        assert_eq!((first.next().unwrap(), first.next().unwrap()), (5, 6));
        drop(first);
        assert_eq!(ReplayNumbers::read(folder.path(), &[]).next().unwrap(), 7);
    }

    #[test]
    fn a_number_that_cannot_be_written_down_is_not_given() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("no-folder");
        fs::write(&file, "").unwrap();
        assert!(matches!(ReplayNumbers::read(&file, &[]).next(), Err(ReplayError::Numbering(_))));
    }
}
