//! A file into a store.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use flate2::read::MultiGzDecoder;
use slipstream_engine::pipeline::fields::meant;
use slipstream_ports::{SeriesStore, WriteReport};
use slipstream_protocol::{Limits, ProtocolError, Sample, Timestamp, codec::check_past_time};

use super::{
    Format, OnProgress, Progress, TransferError, csv_rows, json_rows,
    parquet_table::{self, NotRead},
};
use crate::source::{self, Item, ReadOptions, Remark, Skipped, Source, Start, text};

/// Samples of one write.
const BATCH: usize = 5_000;

/// How often a store that is away is tried again, with growing pauses: about a minute.
const TRIES: u32 = 8;

/// How many problems a report spells out; the rest is counted.
const MAX_TOLD: usize = 100;

/// Signal names that are remembered to name what may be meant.
const MAX_REMEMBERED: usize = 1_000;

/// How a file is read.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What it holds; by its name, else by its first bytes, where absent.
    pub format: Option<Format>,
    /// How tables and telemetry files that this engine did not export are read, as by the relay
    /// agent; of exported files only `vehicle`, `session` and `signals` matter.
    pub read: ReadOptions,
}

impl ImportOptions {
    /// The defaults. Relative times (`t_s`) count from `start`, so a file imported twice with the
    /// same start overwrites itself.
    pub fn new(start: Timestamp) -> Self {
        Self { format: None, read: ReadOptions::new(Start::at(start)) }
    }
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportReport {
    /// Samples read.
    pub samples: u64,
    /// What the store did with their points.
    pub points: WriteReport,
    /// Rows, lines and cells that could not be used.
    pub skipped: u64,
    /// The first of them, with line (in Parquet row) and reason.
    pub problems: Vec<Skipped>,
    /// What is to know of the file as a whole; the first of it.
    pub remarks: Vec<Remark>,
    /// How many of all remarks tell that something is not as it should be.
    pub flaws: u64,
}

type Items = Box<dyn Iterator<Item = Result<Item, TransferError>> + Send>;

/// Reads `file` into `store`. What cannot be used is counted and told with its line, and costs the
/// rest nothing. A store that is away is tried again for about a minute. `now` is for telemetry
/// frames that carry no time.
pub async fn import(
    store: &dyn SeriesStore,
    file: &Path,
    options: &ImportOptions,
    now: Timestamp,
    on_progress: OnProgress<'_>,
) -> Result<ImportReport, TransferError> {
    let read = Arc::new(AtomicU64::new(0));
    let size = std::fs::metadata(file).map_err(|e| TransferError::file(file, e))?.len();
    let items = open(file, options, now, &read)?;
    let mut report = ImportReport::default();
    let mut batch = Vec::with_capacity(BATCH);
    let (mut told, limits) = (Instant::now(), Limits::default());
    let (mut found, mut others) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        match item? {
            Item::Sample(sample) => match check_past_time(sample.source_time, &limits) {
                Ok(()) => batch.extend(chosen(sample, &options.read, &mut found, &mut others)),
                Err(error) => refuse(&mut report, &error),
            },
            Item::Skipped(skipped) => {
                report.skipped += 1;
                if report.problems.len() < MAX_TOLD {
                    report.problems.push(skipped);
                }
            }
            Item::Remark(remark) => {
                report.flaws += u64::from(remark.partial);
                if report.remarks.len() < MAX_TOLD {
                    report.remarks.push(remark);
                }
            }
        }
        if batch.len() >= BATCH {
            flush(store, &mut batch, &mut report).await?;
            if told.elapsed() > Duration::from_millis(100) {
                told = Instant::now();
                let bytes = read.load(Ordering::Relaxed);
                let fraction = (bytes > 0 && size > 0).then(|| (bytes as f64 / size as f64).min(1.0));
                on_progress(Progress { points: report.points.written, fraction });
            }
        }
    }
    flush(store, &mut batch, &mut report).await?;
    // Of files of others their reader has said it.
    if report.flaws == 0 {
        for missing in options.read.signals.iter().filter(|name| !found.contains(*name)) {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            let text = format!("there is no signal '{}' in the file{}", text::shown(missing), meant(missing, &others));
            report.remarks.push(Remark::partial(0, &text));
            report.flaws += 1;
        }
    }
    on_progress(Progress { points: report.points.written, fraction: Some(1.0) });
    Ok(report)
}

/// Counts a sample that no door takes. All of a file are refused for the same reason, mostly: the first is told.
fn refuse(report: &mut ImportReport, error: &ProtocolError) {
    report.skipped += 1;
    let is_told = report.problems.iter().any(|problem| problem.line == 0);
    if !is_told && report.problems.len() < MAX_TOLD {
        report.problems.push(Skipped::new(0, &error.message));
    }
}

fn chosen(mut sample: Sample, options: &ReadOptions, found: &mut BTreeSet<String>, others: &mut BTreeSet<String>) -> Option<Sample> {
    if let Some(vehicle) = &options.vehicle {
        sample.vehicle = vehicle.clone();
    }
    if let Some(session) = &options.session {
        sample.session = Some(session.clone());
    }
    if !options.signals.is_empty() {
        sample.signals.retain(|signal| {
            let wanted = options.signals.iter().any(|name| **name == *signal.name);
            let seen = if wanted { &mut *found } else { &mut *others };
            if seen.len() < MAX_REMEMBERED && !seen.contains(&*signal.name) {
                seen.insert(signal.name.to_string());
            }
            wanted
        });
    }
    (!sample.signals.is_empty()).then_some(sample)
}

async fn flush(store: &dyn SeriesStore, batch: &mut Vec<Sample>, report: &mut ImportReport) -> Result<(), TransferError> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut tries = 0;
    let written = loop {
        match store.write(batch).await {
            Ok(written) => break written,
            Err(error) if error.is_retryable() && tries + 1 < TRIES => {
                tracing::warn!(store = store.name(), %error, "the store is away; trying again");
                tokio::time::sleep(error.retry_after().unwrap_or(Duration::from_millis(250 << tries))).await;
                tries += 1;
            }
            Err(error) => return Err(error.into()),
        }
    };
    report.samples += batch.len() as u64;
    report.points.written += written.written;
    report.points.rejected += written.rejected;
    let room = MAX_TOLD.saturating_sub(report.points.rejections.len());
    report.points.rejections.extend(written.rejections.into_iter().take(room));
    batch.clear();
    Ok(())
}

/// Opens files of our own making here, and leaves all others to the relay agent's reader.
fn open(file: &Path, options: &ImportOptions, now: Timestamp, read: &Arc<AtomicU64>) -> Result<Items, TransferError> {
    let failed = |e| TransferError::file(file, e);
    let mut magic = [0_u8; 4];
    let is_parquet = File::open(file).and_then(|mut f| f.read_exact(&mut magic)).is_ok() && &magic == b"PAR1";
    let format = options.format.or_else(|| if is_parquet { Some(Format::Parquet) } else { Format::of(file) });
    let name = file.to_owned();
    if format == Some(Format::Parquet) {
        let rows = parquet_table::read(File::open(file).map_err(failed)?, &options.read).map_err(|e| match e {
            NotRead::Damaged(reason) => TransferError::format(file, &reason),
            NotRead::Layout(reason) => TransferError::Layout { file: file.to_owned(), reason },
        })?;
        return Ok(Box::new(rows.map(move |item| item.map_err(|e| TransferError::format(&name, &e)))));
    }
    let mut input = text::decoded(unpacked(file, read).map_err(failed)?).map_err(failed)?;
    let first = input.fill_buf().map_err(failed)?;
    let line = first.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii();
    if csv_rows::is_header(line) {
        return Ok(Box::new(csv_rows::read(input).map(move |item| item.map_err(|e| TransferError::file(&name, e)))));
    }
    if json_rows::is_row(line) {
        return Ok(Box::new(json_rows::read(input).map(move |item| item.map_err(|e| TransferError::file(&name, e)))));
    }
    let format = match format {
        Some(Format::Csv) => Some(source::Format::Csv),
        Some(Format::JsonLines) => Some(source::Format::JsonLines),
        _ => None,
    };
    let source = Source::open(file, &ReadOptions { format, repeat: false, ..options.read.clone() }, move || now)?;
    Ok(Box::new(source.map(|item| item.map_err(TransferError::from))))
}

/// A file's text; gzip is told by its first two bytes, whatever the file is called.
fn unpacked(file: &Path, read: &Arc<AtomicU64>) -> std::io::Result<Box<dyn BufRead + Send>> {
    let counted = Counted { inner: File::open(file)?, read: Arc::clone(read) };
    let mut input = BufReader::with_capacity(1 << 16, counted);
    if input.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(input))));
    }
    Ok(Box::new(input))
}

struct Counted {
    inner: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
