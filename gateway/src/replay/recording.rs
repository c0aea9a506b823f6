//! Where replayed samples come from.

use std::path::{Path, PathBuf};

use slipstream_actors::ports::SeriesError;
use slipstream_protocol::{Sample, Timestamp, VehicleId};

use crate::{
    journal::Walk,
    relay::source::{Item, ReadOptions, Source, SourceError, Start},
};

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
    /// The name leaves the folder for recordings.
    #[error("'{0}' is no name of a file in the folder 'recordings' under DATA_DIR")]
    Name(String),
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] std::io::Error),
    /// The time series cannot be read.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] SourceError),
}

impl RecordingError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Journal(_) => true,
            Self::Series(error) => error.is_retryable(),
            Self::Name(_) | Self::File(_) => false,
        }
    }
}

/// Where files to be replayed lie.
pub fn recordings_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("recordings")
}

type Samples = Box<dyn Iterator<Item = Result<Sample, RecordingError>> + Send>;

impl Recording {
    /// Opens it under `data_dir`; the time series are read by [`super::history`], here they are empty. Blocks on the disk. Relative times of a file count from `start`.
    pub(super) fn open(&self, data_dir: &Path, start: Timestamp) -> Result<Samples, RecordingError> {
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
                let path = Self::path(name, data_dir)?;
                let options = ReadOptions { sort: true, ..ReadOptions::new(Start::Relative(start)) };
                let source = Source::open(&path, &options, move || start)?;
                Ok(Box::new(source.filter_map(|item| match item {
                    Ok(Item::Sample(sample)) => Some(Ok(sample)),
                    Ok(Item::Skipped(_)) => None,
                    Err(error) => Some(Err(RecordingError::from(error))),
                })))
            }
        }
    }

    /// Whether it can be there, told before it is played.
    pub fn check(&self, data_dir: &Path) -> Result<(), RecordingError> {
        match self {
            Self::Journal | Self::Series => Ok(()),
            Self::File(name) => {
                let path = Self::path(name, data_dir)?;
                if path.is_file() { Ok(()) } else { Err(RecordingError::Name(name.clone())) }
            }
        }
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
    fn a_file_outside_of_the_folder_is_no_recording() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        for name in ["../secret", "/etc/passwd", "", ".hidden", "missing.csv"] {
            assert!(Recording::File(name.into()).check(dir.path()).is_err(), "{name}");
        }
    }
}
