//! The next segment's file, written with zeros ahead of its turn.
//!
//! A sync of bytes the file had before has nothing but those bytes to write. One that makes a file longer, or
//! fills a hole in it, has to commit the file system's own journal as well, and whatever else waits there: it
//! takes two to four times as long.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::frame::HEAD;

const NAME: &str = "spare";

/// Zeros written at once.
const CHUNK: usize = 1 << 20;

/// After a failure, how long until it is tried again: a full disk needs its room for others.
const RETRY: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Spare {
    path: PathBuf,
    /// Its size; nothing is prepared where this is 0.
    bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nobody has asked for one yet.
    Unwanted,
    Wanted,
    Ready(File),
    /// Not before this moment.
    Failed(Instant),
}

impl Spare {
    /// Removes what an earlier run left.
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        let path = dir.join(NAME);
        remove(&path);
        Self { path, bytes, state: Mutex::new(State::Unwanted) }
    }

    /// Asks for one. True where it is to be made, by [`Spare::prepare`] on another thread.
    pub(super) fn want(&self) -> bool {
        let mut state = self.state.lock();
        let unwanted = matches!(*state, State::Unwanted) && self.bytes > 0;
        if unwanted {
            *state = State::Wanted;
        }
        unwanted
    }

    /// Whether one lies ready.
    pub(super) fn is_ready(&self) -> bool {
        matches!(*self.state.lock(), State::Ready(_))
    }

    /// Makes the file, where one is wanted, unless `stop` says not to.
    pub(super) fn prepare(&self, stop: impl Fn() -> bool) {
        match *self.state.lock() {
            State::Wanted => {}
            State::Failed(until) if Instant::now() >= until => {}
            _ => return,
        }
        let made = self.make(stop);
        let mut state = self.state.lock();
        *state = match made {
            Ok(Some(file)) => State::Ready(file),
            Ok(None) => State::Unwanted,
            Err(error) => {
                tracing::debug!(%error, "no journal segment could be prepared; the next one grows as it is written");
                remove(&self.path);
                State::Failed(Instant::now() + RETRY)
            }
        };
    }

    fn make(&self, stop: impl Fn() -> bool) -> io::Result<Option<File>> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.path)?;
        file.write_all(&HEAD)?;
        let zeros = vec![0; CHUNK];
        let mut left = self.bytes.saturating_sub(HEAD.len() as u64);
        while left > 0 {
            if stop() {
                remove(&self.path);
                return Ok(None);
            }
            let count = left.min(CHUNK as u64) as usize;
            file.write_all(&zeros[..count])?;
            // A little at a time: the commits of the segment in use share the disk.
            file.sync_data()?;
            left -= count as u64;
        }
        file.sync_all()?;
        Ok(Some(file))
    }

    /// Hands over the file under its new name, with its size, where one lies ready.
    pub(super) fn take(&self, path: &Path) -> io::Result<Option<(File, u64)>> {
        let mut state = self.state.lock();
        let State::Ready(_) = *state else { return Ok(None) };
        let State::Ready(file) = std::mem::replace(&mut *state, State::Unwanted) else { return Ok(None) };
        fs::rename(&self.path, path)?;
        Ok(Some((file, self.bytes)))
    }

    /// Gives its room back: the disk is full, or the journal closes.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock();
        if matches!(*state, State::Ready(_)) {
            remove(&self.path);
        }
        *state = State::Failed(Instant::now() + RETRY);
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(%error, file = %path.display(), "not removed");
    }
}

/// Whether `dir` holds a prepared file.
#[cfg(test)]
fn exists(dir: &Path) -> bool {
    dir.join(NAME).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        files,
        reader::{SegmentReader, Step},
    };

    #[test]
    fn a_prepared_file_is_an_empty_segment_of_its_full_size() {
        let dir = tempfile::tempdir().unwrap();
        let spare = Spare::new(dir.path(), 3 << 20);
        spare.prepare(|| false);
        assert!(!spare.is_ready(), "nobody wants one");
        assert!(spare.want() && !spare.want());
        spare.prepare(|| false);
        assert!(spare.is_ready());
        let path = files::segment_path(dir.path(), 7);
        let (_, bytes) = spare.take(&path).unwrap().unwrap();
        assert_eq!((bytes, path.metadata().unwrap().len()), (3 << 20, 3 << 20));
        let step = SegmentReader::open(&path, u64::MAX).unwrap().step().unwrap();
        assert!(matches!(&step, Step::End { offset, rest } if *offset == HEAD.len() as u64 && rest.is_empty()), "{step:?}");
        assert!(spare.take(&path).unwrap().is_none());
    }

    #[test]
    fn it_goes_where_the_disk_needs_room_or_the_journal_stops_and_what_a_crash_left_goes_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let spare = Spare::new(dir.path(), 2 << 20);
        spare.want();
        spare.prepare(|| true);
        assert!(!exists(dir.path()));
        spare.want();
        spare.prepare(|| false);
        assert!(exists(dir.path()));
        spare.give_up();
        assert!(!exists(dir.path()) && !spare.is_ready() && !spare.want());
        fs::write(dir.path().join(NAME), b"left").unwrap();
        drop(Spare::new(dir.path(), 2 << 20));
        assert!(!exists(dir.path()));
    }
}
