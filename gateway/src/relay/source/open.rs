//! Opening files and standard input, plain or gzip.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;
use slipstream_protocol::{SessionId, Timestamp, VehicleId};

use super::{
    ColumnMap, Items, Progress, Source, SourceError, Start,
    csv::CsvRows,
    json_lines::JsonLines,
    order::{Repeated, sorted},
};

/// Tells the time to sources that need it for samples without one.
pub(super) type Now = Box<dyn Fn() -> Timestamp + Send>;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

impl Format {
    /// The format a file's name tells; `.gz` is looked through.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" | "tsv" | "txt" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// How a file is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// What it holds; by its name, else by its first byte, where absent.
    pub format: Option<Format>,
    /// Which columns mean what, where the header does not say so by convention.
    pub map: ColumnMap,
    /// The delimiter of a table; found in its first line where absent.
    pub delimiter: Option<u8>,
    /// All samples are this vehicle's.
    pub vehicle: Option<VehicleId>,
    /// All samples are of this session.
    pub session: Option<SessionId>,
    /// Only these signals; all where empty.
    pub signals: Vec<String>,
    /// Where the stream begins.
    pub start: Start,
    /// Consecutive rows of a long table with the same vehicle and time make one sample.
    pub merge: bool,
    /// By source time instead of in file order; holds the file in memory.
    pub sort: bool,
    /// Over and over, each round later than the one before.
    pub repeat: bool,
}

impl ReadOptions {
    /// The defaults, with a start.
    pub fn new(start: Start) -> Self {
        Self {
            format: None,
            map: ColumnMap::default(),
            delimiter: None,
            vehicle: None,
            session: None,
            signals: Vec::new(),
            start,
            merge: true,
            sort: false,
            repeat: false,
        }
    }
}

impl Source {
    /// A file; `now` tells the time to samples that carry none.
    pub fn open(path: &Path, options: &ReadOptions, now: impl Fn() -> Timestamp + Send + Clone + 'static) -> Result<Self, SourceError> {
        let read = Arc::new(AtomicU64::new(0));
        let total = std::fs::metadata(path).map_or(0, |m| m.len());
        let (path, options) = (PathBuf::from(path), options.clone());
        let repeat = options.repeat;
        let counter = Arc::clone(&read);
        let open = move || {
            let items = open_file(&path, &options, &counter, Box::new(now.clone()))?;
            Ok(if options.sort { sorted(items) } else { items })
        };
        let items: Items = if repeat { Box::new(Repeated::new(open)?) } else { open()? };
        let progress = (!repeat).then_some(Progress { read, total });
        Ok(Self { items, chunk: 64, progress })
    }

    /// Standard input, passed on line by line.
    pub fn stdin(options: &ReadOptions, now: impl Fn() -> Timestamp + Send + 'static) -> Result<Self, SourceError> {
        let items = read_items(Box::new(BufReader::new(io::stdin())), "standard input", options.format, options, Box::new(now))?;
        Ok(Self { items: if options.sort { sorted(items) } else { items }, chunk: 1, progress: None })
    }
}

fn open_file(path: &Path, options: &ReadOptions, read: &Arc<AtomicU64>, now: Now) -> Result<Items, SourceError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| SourceError::Read { name: name.clone(), reason: e.to_string() })?;
    let counted = Counted { inner: file, read: Arc::clone(read) };
    read_items(Box::new(BufReader::with_capacity(1 << 16, counted)), &name, options.format.or_else(|| Format::of(path)), options, now)
}

pub(super) type Input = Box<dyn BufRead + Send>;

pub(super) fn read_items(input: Input, name: &str, format: Option<Format>, options: &ReadOptions, now: Now) -> Result<Items, SourceError> {
    let failed = |e: io::Error| SourceError::Read { name: name.to_owned(), reason: e.to_string() };
    let mut input = unpacked(input).map_err(failed)?;
    let format = match format {
        Some(format) => format,
        None => match input.fill_buf().map_err(failed)?.trim_ascii_start().first() {
            Some(b'{') => Format::JsonLines,
            _ => Format::Csv,
        },
    };
    Ok(match format {
        Format::Csv => Box::new(CsvRows::new(input, name, options)?),
        Format::JsonLines => Box::new(JsonLines::new(input, name, options, now)),
    })
}

/// gzip is told by its first two bytes, whatever the file is called.
fn unpacked(mut input: Input) -> io::Result<Input> {
    if input.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(input))));
    }
    Ok(input)
}

struct Counted {
    inner: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::drain;
    use super::*;
    use std::io::Write;

    fn options() -> ReadOptions {
        ReadOptions::new(Start::Relative(Timestamp::from_secs_f64(1e9)))
    }

    #[test]
    fn gzip_is_unpacked_and_progress_reaches_the_end() {
        let file = tempfile::Builder::new().suffix(".csv.gz").tempfile().unwrap();
        let mut gz = flate2::write::GzEncoder::new(file.as_file(), flate2::Compression::fast());
        gz.write_all(b"t_s,vehicle_id,v\n0,a,1\n1,a,2\n").unwrap();
        gz.finish().unwrap();
        let source = Source::open(file.path(), &options(), Timestamp::default).unwrap();
        let progress = source.progress().unwrap();
        assert_eq!(drain(source).0.len(), 2);
        assert_eq!(progress.fraction(), Some(1.0));
    }

    #[test]
    fn a_truncated_gzip_yields_what_it_has_and_then_says_so() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"t_s,vehicle_id,v\n").unwrap();
        for n in 0..20_000 {
            writeln!(gz, "{n},a,{}", n * 7919 % 1000).unwrap();
        }
        let mut whole = gz.finish().unwrap();
        whole.truncate(whole.len() / 2);
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(&whole).unwrap();
        let items: Vec<_> = Source::open(file.path(), &options(), Timestamp::default).unwrap().collect();
        assert!(items.len() > 1_000);
        assert!(items.last().unwrap().is_err());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Source::open(Path::new("/no/such.csv"), &options(), Timestamp::default).unwrap_err();
        assert!(error.to_string().contains("/no/such.csv"), "{error}");
    }
}
