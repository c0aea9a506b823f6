//! Where replayed samples come from.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use slipstream_ports::SeriesError;
use slipstream_protocol::{Sample, Timestamp, VehicleId};

use crate::{
    journal::Walk,
    relay::source::{Item, ReadOptions, Remark, Source, SourceError, Start, Stop},
};

/// Memory in which a file is sorted; several replays may run.
const SORT_BYTES: usize = 128 << 20;
/// Problems of a file that are kept and logged; the rest is counted.
const MAX_PROBLEMS: usize = 20;

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recording {
    /// What the journal still keeps, in the order it came.
    Journal,
    /// What the time series keep, in the order of time.
    Series,
    /// A file in the folder for recordings, as the relay agent reads it; sorted by time.
    File(String),
}

/// Which samples of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Not before this source time.
    pub from: Option<Timestamp>,
    /// Before this source time.
    pub to: Option<Timestamp>,
    /// Of vehicles that one of these patterns fits (`*` and `?`); all where empty.
    pub vehicles: Vec<String>,
}

impl Period {
    pub(super) fn has(&self, sample: &Sample) -> bool {
        let time = sample.source_time;
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to) && self.has_vehicle(&sample.vehicle)
    }

    pub(super) fn has_vehicle(&self, vehicle: &VehicleId) -> bool {
        self.vehicles.is_empty() || self.vehicles.iter().any(|p| slipstream_engine::pipeline::source::matches(p, vehicle.as_str()))
    }
}

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The name leaves the folder for recordings, or is none of a plain file there.
    #[error("'{0}' is no name of a file in the folder 'recordings' under DATA_DIR; links are not followed")]
    Name(String),
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] std::io::Error),
    /// The time series cannot be read.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// The file cannot be read. Why is in the log alone: it may quote what the file holds, and whoever asks for a replay may
    /// not be let to read files.
    #[error("the file is no recording that can be read; the server's log says why, as `slipstream relay` on the file would")]
    File,
}

impl RecordingError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Journal(_) => true,
            Self::Series(error) => error.is_retryable(),
            Self::Name(_) | Self::File => false,
        }
    }
}

impl From<SourceError> for RecordingError {
    fn from(error: SourceError) -> Self {
        tracing::warn!(%error, "a recording cannot be read");
        Self::File
    }
}

/// Where files to be replayed lie.
pub fn recordings_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("recordings")
}

/// What of a recording could not be read. Reasons quote what the file holds, so they are in the log alone.
#[derive(Debug, Default)]
pub(super) struct Problems {
    skipped: AtomicU64,
    examples: Mutex<Vec<String>>,
}

impl Problems {
    fn skip(&self, recording: &str, line: u64, reason: &str) {
        let number = self.skipped.fetch_add(1, Ordering::Relaxed);
        if number < MAX_PROBLEMS as u64 {
            tracing::warn!(recording, line, reason, "a row of a recording is skipped");
        } else if number == MAX_PROBLEMS as u64 {
            tracing::warn!(recording, "more rows are skipped; they are counted in the replay's status");
        }
        self.keep(&format!("line {line} was skipped; the server's log says why"));
    }

    fn remark(&self, recording: &str, remark: &Remark) {
        let Remark { line, text, .. } = remark;
        tracing::warn!(recording, line, remark = text, "a recording is not as it should be");
        self.keep(&format!("from line {line} on not all is as it should be; the server's log says what"));
    }

    fn keep(&self, text: &str) {
        let mut examples = self.examples.lock();
        if examples.len() < MAX_PROBLEMS {
            examples.push(text.to_owned());
        }
    }

    /// Rows, lines and cells that made no sample.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Where the first of them are, and remarks on the file as a whole.
    pub(super) fn examples(&self) -> Vec<String> {
        self.examples.lock().clone()
    }
}

type Samples = Box<dyn Iterator<Item = Result<Sample, RecordingError>> + Send>;

impl Recording {
    /// Opens it under `data_dir`; the time series are read by [`super::history`], here they are empty. Blocks on the disk.
    /// Relative times of a file count from `start`. What cannot be read is put into `problems`; reading ends with `stop`.
    pub(super) fn open(&self, data_dir: &Path, start: Timestamp, problems: &Arc<Problems>, stop: Stop) -> Result<Samples, RecordingError> {
        match self {
            Self::Series => Ok(Box::new(std::iter::empty())),
            Self::Journal => {
                let walk = Walk::open(&data_dir.join("journal"))?;
                Ok(Box::new(walk.flat_map(|record| match record {
                    Ok(batch) => batch.samples.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(RecordingError::from(error))],
                })))
            }
            Self::File(name) => {
                let path = Self::file(name, data_dir)?;
                let options = ReadOptions { sort: true, sort_bytes: SORT_BYTES, stop, ..ReadOptions::new(Start::at(start)) };
                let source = Source::open(&path, &options, move || start)?;
                let (problems, name) = (problems.clone(), name.clone());
                Ok(Box::new(source.filter_map(move |item| match item {
                    Ok(Item::Sample(sample)) => Some(Ok(sample)),
                    Ok(Item::Skipped(skipped)) => {
                        problems.skip(&name, skipped.line, &skipped.reason);
                        None
                    }
                    Ok(Item::Remark(remark)) => {
                        if remark.partial {
                            problems.remark(&name, &remark);
                        }
                        None
                    }
                    Err(error) => Some(Err(RecordingError::from(error))),
                })))
            }
        }
    }

    /// Whether it can be there, told before it is played.
    pub fn check(&self, data_dir: &Path) -> Result<(), RecordingError> {
        match self {
            Self::Journal | Self::Series => Ok(()),
            Self::File(name) => Self::file(name, data_dir).map(|_| ()),
        }
    }

    /// The plain file of that name. A link could lead to any file the server may read.
    fn file(name: &str, data_dir: &Path) -> Result<PathBuf, RecordingError> {
        let path = Self::path(name, data_dir)?;
        let is_file = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        if is_file { Ok(path) } else { Err(RecordingError::Name(name.to_owned())) }
    }

    fn path(name: &str, data_dir: &Path) -> Result<PathBuf, RecordingError> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        if plain { Ok(recordings_dir(data_dir).join(name)) } else { Err(RecordingError::Name(name.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_has_no_sample_for_is_counted_and_kept_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(recordings_dir(dir.path())).unwrap();
        let rows = "0,a,1\nx,a,2\n1,a,fast\n2,a,3\n3,a,4,5\n";
        std::fs::write(recordings_dir(dir.path()).join("race.csv"), format!("t_s,vehicle_id,v\n{rows}")).unwrap();
        let problems = Arc::new(Problems::default());
        let start = Timestamp::from_secs_f64(1e9);
        let samples = Recording::File("race.csv".into()).open(dir.path(), start, &problems, Stop::default()).unwrap();
        assert_eq!((samples.count(), problems.skipped()), (3, 2));
        let examples = problems.examples().join("\n");
        assert!(["line 3 ", "line 4 ", "line 6 "].iter().all(|line| examples.contains(line)), "{examples}");
        assert!(!examples.contains("fast") && !examples.contains('x'), "nothing of the file is quoted: {examples}");
    }

    #[test]
    fn a_file_outside_of_the_folder_is_no_recording() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        for name in ["../secret", "/etc/passwd", "", ".hidden", "missing.csv"] {
            assert!(Recording::File(name.into()).check(dir.path()).is_err(), "{name}");
        }
    }

    #[test]
    fn links_are_not_followed_and_errors_quote_nothing_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = recordings_dir(dir.path());
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(dir.path().join("secret"), "root:x:0:0:secret,words\n").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), folder.join("link.csv")).unwrap();
        std::fs::copy(dir.path().join("secret"), folder.join("copy.csv")).unwrap();
        let link = Recording::File("link.csv".into());
        assert!(matches!(link.check(dir.path()), Err(RecordingError::Name(_))));
        let open = |recording: Recording| recording.open(dir.path(), Timestamp::default(), &Arc::default(), Stop::default()).err();
        assert!(matches!(open(link), Some(RecordingError::Name(_))));
        let error = open(Recording::File("copy.csv".into())).unwrap().to_string();
        assert!(!error.contains("root") && !error.contains("secret"), "{error}");
    }
}
