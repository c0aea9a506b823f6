//! Where samples come from: CSV files, JSON lines, standard input, the simulator.

mod charset;
mod codes;
mod columns;
pub(crate) mod csv;
mod day_clock;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod heading;
mod input;
mod json_lines;
mod json_map;
mod json_names;
mod json_values;
mod likeness;
mod numbers;
mod open;
mod order;
pub(crate) mod records;
pub(crate) mod row;
mod simulated;
pub(crate) mod steps;
mod stop;
mod tally;
pub(crate) mod text;
pub(crate) mod time;
mod time_doubts;
mod time_format;
mod timeline;
pub(crate) mod two_way_date;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use slipstream_protocol::Sample;

pub use columns::ColumnMap;
pub(crate) use columns::unique;
pub(crate) use open::ending;
pub use open::{Format, ReadOptions};
pub use simulated::Simulation;
pub use stop::Stop;
pub use time::Start;
pub(crate) use time::{Parsed, TimeForm};
pub use time_format::TimeFormat;

/// One thing a source yields.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A sample; `seq` and `received_at` are not its own yet.
    Sample(Sample),
    /// Something that made no sample.
    Skipped(Skipped),
    /// Something to know of the file as a whole.
    Remark(Remark),
}

/// A row, a line or a cell that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where: line of the file, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

impl Skipped {
    /// With a reason that steers no terminal, whatever the file holds.
    pub fn new(line: u64, reason: &str) -> Self {
        Self { line, reason: text::clean(reason) }
    }
}

/// Something to know of a file as a whole: how it was read, or what of a column is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Where it shows first: line of the file, from 1; 0 where it is nowhere in particular.
    pub line: u64,
    /// What.
    pub text: String,
    /// Whether something is not as its writer meant it, so that the work is done in part only.
    pub partial: bool,
}

impl Remark {
    /// How the file was read.
    pub fn new(line: u64, text: &str) -> Self {
        Self { line, text: text::clean(text), partial: false }
    }

    /// What is not as it should be.
    pub fn partial(line: u64, text: &str) -> Self {
        Self { partial: true, ..Self::new(line, text) }
    }
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 { write!(f, "line {}: {}", self.line, self.text) } else { f.write_str(&self.text) }
    }
}

/// Why a source could not be opened, or broke off.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("cannot read {name}: {reason}")]
    Read {
        /// Which source.
        name: String,
        /// Why.
        reason: String,
    },
    /// It does not say what is needed to make samples of it.
    #[error("{name}: {reason}")]
    Layout {
        /// Which source.
        name: String,
        /// What is missing and how to give it.
        reason: String,
    },
}

impl SourceError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// How far a file is read.
#[derive(Clone, Debug)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: u64,
}

impl Progress {
    /// Share read, 0 to 1; `None` where the length is not known.
    pub fn fraction(&self) -> Option<f64> {
        (self.total > 0).then(|| (self.read.load(Ordering::Relaxed) as f64 / self.total as f64).min(1.0))
    }
}

type Items = Box<dyn Iterator<Item = Result<Item, SourceError>> + Send>;

/// A stream of samples, read on demand.
pub struct Source {
    items: Items,
    chunk: usize,
    progress: Option<Progress>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Source {
    /// Samples from any iterator: for tests, benches and programs that make their own.
    pub fn from_samples(samples: impl IntoIterator<Item = Sample, IntoIter: Send + 'static>) -> Self {
        Self { items: Box::new(samples.into_iter().map(|s| Ok(Item::Sample(s)))), chunk: 64, progress: None }
    }

    /// The same without its first `count` samples, which an earlier run has taken.
    #[must_use]
    pub fn without_first(mut self, count: u64) -> Self {
        let mut left = count;
        self.items = Box::new(self.items.filter(move |item| {
            let taken = left > 0 && matches!(item, Ok(Item::Sample(_)));
            left -= u64::from(taken);
            !taken
        }));
        self
    }

    /// How many items are passed on together; 1 where they come live.
    pub(super) const fn chunk(&self) -> usize {
        self.chunk
    }

    /// How far it is read, for files.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.progress.clone()
    }
}

impl Iterator for Source {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.items.next()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use slipstream_protocol::{Quality, Signal, SignalValue, Timestamp, VehicleId};

    /// A sample of one signal.
    pub(crate) fn sample(vehicle: &str, micros: i64) -> Sample {
        Sample {
            vehicle: VehicleId::new(vehicle).unwrap(),
            session: None,
            fleet: None,
            seq: None,
            source_time: Timestamp::from_micros(micros),
            received_at: Timestamp::default(),
            quality: Quality::Good,
            signals: vec![Signal { name: "n".into(), value: SignalValue::Number(micros as f64) }],
            raw: None,
        }
    }

    /// Samples and skipped items of a source that must not break off.
    pub(crate) fn drain(source: impl Iterator<Item = Result<Item, SourceError>>) -> (Vec<Sample>, Vec<Skipped>) {
        let (samples, skipped, _) = drain_all(source);
        (samples, skipped)
    }

    /// The same with remarks.
    pub(crate) fn drain_all(source: impl Iterator<Item = Result<Item, SourceError>>) -> (Vec<Sample>, Vec<Skipped>, Vec<Remark>) {
        let (mut samples, mut skipped, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
        for item in source {
            match item.unwrap() {
                Item::Sample(sample) => samples.push(sample),
                Item::Skipped(skip) => skipped.push(skip),
                Item::Remark(remark) => remarks.push(remark),
            }
        }
        (samples, skipped, remarks)
    }
}
