//! A store into a file.

use std::{
    ffi::OsString,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use slipstream_ports::{Aggregate, SeriesQuery, SeriesStore};
use slipstream_protocol::{SessionId, Timestamp, VehicleId};

use super::{Format, OnProgress, Progress, TransferError, csv_rows::CsvWriter, json_rows, parquet_rows::ParquetWriter, row::Row};

/// Points asked for at a time.
const PAGE: usize = 50_000;

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// How the file is written; by its name where absent.
    pub format: Option<Format>,
    /// Whose series; all vehicles' where empty.
    pub vehicles: Vec<VehicleId>,
    /// Only of this session.
    pub session: Option<SessionId>,
    /// Only these signals; all where empty.
    pub signals: Vec<String>,
    /// From this moment, inclusive.
    pub from: Timestamp,
    /// To this moment, exclusive.
    pub to: Timestamp,
    /// Length of the aggregation windows; the points as stored where absent.
    pub window: Option<Duration>,
    /// What each window yields.
    pub aggregate: Aggregate,
    /// Whether cells of a CSV file that a spreadsheet would take for a formula are written with `'` in front.
    pub escape_formulas: bool,
}

impl Default for ExportOptions {
    /// Everything, as stored.
    fn default() -> Self {
        Self {
            format: None,
            vehicles: Vec::new(),
            session: None,
            signals: Vec::new(),
            from: Timestamp::from_micros(i64::MIN),
            to: Timestamp::from_micros(i64::MAX),
            window: None,
            aggregate: Aggregate::default(),
            escape_formulas: false,
        }
    }
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Vehicles that had points.
    pub vehicles: u64,
    /// Points written.
    pub points: u64,
    /// Cells of a CSV file that a spreadsheet takes for a formula, unless they were escaped.
    pub formulas: u64,
}

/// Writes what `store` has into `file`: vehicle by vehicle, each in order of time. The file appears
/// when it is whole.
pub async fn export(
    store: &dyn SeriesStore,
    file: &Path,
    options: &ExportOptions,
    on_progress: OnProgress<'_>,
) -> Result<ExportReport, TransferError> {
    let no_format = || TransferError::NoFormat { file: file.to_owned() };
    let format = options.format.or_else(|| Format::of(file)).ok_or_else(no_format)?;
    let vehicles = if options.vehicles.is_empty() { store.vehicles().await? } else { options.vehicles.clone() };
    let part = Part::new(file);
    let mut writer = RowWriter::create(&part.0, file, format, options.escape_formulas)?;
    let mut report = ExportReport::default();
    for (index, vehicle) in vehicles.iter().enumerate() {
        let before = report.points;
        let mut pages = Pages::of(vehicle, options);
        while let Some(rows) = pages.next(store).await? {
            writer.write(&rows).map_err(|e| TransferError::file(file, e))?;
            report.points += rows.len() as u64;
            on_progress(Progress { points: report.points, fraction: Some(index as f64 / vehicles.len() as f64) });
        }
        report.vehicles += u64::from(report.points > before);
    }
    report.formulas = writer.formulas();
    writer.finish().map_err(|e| TransferError::file(file, e))?;
    std::fs::rename(&part.0, file).map_err(|e| TransferError::file(file, e))?;
    on_progress(Progress { points: report.points, fraction: Some(1.0) });
    Ok(report)
}

/// One vehicle's rows, a page at a time.
struct Pages {
    query: SeriesQuery,
    done: bool,
}

impl Pages {
    fn of(vehicle: &VehicleId, options: &ExportOptions) -> Self {
        let query = SeriesQuery {
            vehicle: vehicle.clone(),
            session: options.session.clone(),
            from: options.from,
            to: options.to,
            signals: options.signals.clone(),
            window: options.window,
            aggregate: options.aggregate,
            limit: PAGE,
        };
        Self { query, done: false }
    }

    async fn next(&mut self, store: &dyn SeriesStore) -> Result<Option<Vec<Row>>, TransferError> {
        while !self.done {
            let answer = store.query(&self.query).await?;
            let mut rows: Vec<Row> = Vec::new();
            for series in answer.series {
                rows.extend(series.points.into_iter().map(|point| Row::of(&self.query.vehicle, &series.signal, point)));
            }
            rows.sort_by_key(|row| row.time);
            self.done = !answer.truncated;
            if answer.truncated {
                // The last moment may have more points than came: it begins the next page.
                let last = rows.last().map_or(self.query.to, |row| row.time);
                rows.retain(|row| row.time < last);
                if rows.is_empty() {
                    self.query.limit = self.query.limit.saturating_mul(2);
                    continue;
                }
                self.query.from = last;
                self.query.limit = PAGE;
            }
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}

/// The file while it is written; removed unless it is renamed.
struct Part(PathBuf);

impl Part {
    fn new(file: &Path) -> Self {
        let mut name = OsString::from(".");
        name.push(file.file_name().unwrap_or_default());
        name.push(".part");
        Self(file.with_file_name(name))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already where the export succeeded.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A plain or gzip file.
enum Out {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
        }
    }
}

impl Out {
    fn finish(self) -> std::io::Result<()> {
        let file = match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out.finish()?,
        };
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
    }
}

enum RowWriter {
    Csv(CsvWriter<Out>),
    JsonLines(Out),
    Parquet(ParquetWriter<Out>),
}

impl RowWriter {
    fn create(part: &Path, file: &Path, format: Format, escape_formulas: bool) -> Result<Self, TransferError> {
        let failed = |e| TransferError::file(file, e);
        let out = BufWriter::with_capacity(1 << 16, File::create(part).map_err(failed)?);
        let gzip = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) && format != Format::Parquet;
        let out = if gzip { Out::Gzip(GzEncoder::new(out, Compression::default())) } else { Out::Plain(out) };
        Ok(match format {
            Format::Csv => Self::Csv(CsvWriter::new(out, escape_formulas).map_err(failed)?),
            Format::JsonLines => Self::JsonLines(out),
            Format::Parquet => Self::Parquet(ParquetWriter::new(out).map_err(|e| TransferError::format(file, &e))?),
        })
    }

    fn write(&mut self, rows: &[Row]) -> std::io::Result<()> {
        match self {
            Self::Csv(writer) => writer.write(rows),
            Self::JsonLines(out) => json_rows::write(out, rows),
            Self::Parquet(writer) => writer.write(rows).map_err(std::io::Error::other),
        }
    }

    fn formulas(&self) -> u64 {
        match self {
            Self::Csv(writer) => writer.formulas(),
            Self::JsonLines(_) | Self::Parquet(_) => 0,
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Csv(writer) => writer.finish()?.finish(),
            Self::JsonLines(out) => out.finish(),
            Self::Parquet(writer) => writer.finish().map_err(std::io::Error::other)?.finish(),
        }
    }
}
