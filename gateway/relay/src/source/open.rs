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
    ColumnMap, Items, Progress, Source, SourceError, Start, Stop, TimeFormat,
    csv::CsvRows,
    input::{Input, Now},
    json_lines::JsonLines,
    order::{Repeated, sorted},
    stop::Stoppable,
    text,
};

/// Memory in which a file is sorted, unless told otherwise.
const SORT_BYTES: usize = 1 << 30;

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
        match &*ending(path)? {
            "csv" | "tsv" | "txt" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// What a file's name ends with behind its last dot, in small letters; `.gz` is looked through.
pub(crate) fn ending(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map(|(_, ending)| ending.to_owned())
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
    /// The decimal mark of a table's numbers, `.` or `,`; decided column by column where absent.
    pub decimal: Option<char>,
    /// The mark between thousands, the same.
    pub thousands: Option<char>,
    /// How a table's times are written; found out where absent.
    pub time_format: Option<TimeFormat>,
    /// Line of a table's header, from 1; found where absent.
    pub header_row: Option<u64>,
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
    /// By source time instead of in file order; holds samples of up to `sort_bytes` in memory.
    pub sort: bool,
    /// See `sort`.
    pub sort_bytes: usize,
    /// Over and over, each round later than the one before.
    pub repeat: bool,
    /// When to stop reading.
    pub stop: Stop,
}

impl ReadOptions {
    /// The defaults, with a start.
    pub fn new(start: Start) -> Self {
        Self {
            format: None,
            map: ColumnMap::default(),
            delimiter: None,
            decimal: None,
            thousands: None,
            time_format: None,
            header_row: None,
            vehicle: None,
            session: None,
            signals: Vec::new(),
            start,
            merge: true,
            sort: false,
            sort_bytes: SORT_BYTES,
            repeat: false,
            stop: Stop::default(),
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
            Ok(if options.sort { sorted(items, options.sort_bytes) } else { items })
        };
        let items: Items = if repeat { Box::new(Repeated::new(open)?) } else { open()? };
        let progress = (!repeat).then_some(Progress { read, total });
        Ok(Self { items, chunk: 64, progress })
    }

    /// Standard input, passed on line by line.
    pub fn stdin(options: &ReadOptions, now: impl Fn() -> Timestamp + Send + 'static) -> Result<Self, SourceError> {
        let input = Box::new(BufReader::new(io::stdin()));
        let items = read_items(input, "standard input", options.format, options, Box::new(now), true)?;
        Ok(Self { items: if options.sort { sorted(items, options.sort_bytes) } else { items }, chunk: 1, progress: None })
    }
}

fn open_file(path: &Path, options: &ReadOptions, read: &Arc<AtomicU64>, now: Now) -> Result<Items, SourceError> {
    let name = text::clean(&path.display().to_string());
    let failed = |e: io::Error| SourceError::Read { name: name.clone(), reason: e.to_string() };
    let file = File::open(path).map_err(failed)?;
    // What comes through a pipe may come as it happens.
    let live = !file.metadata().is_ok_and(|m| m.is_file());
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(SourceError::Read { name, reason: "it is a folder".to_owned() });
    }
    let counted = Counted { inner: file, read: Arc::clone(read) };
    let format = options.format.or_else(|| Format::of(path));
    read_items(Box::new(BufReader::with_capacity(1 << 16, counted)), &name, format, options, now, live)
}

pub(super) fn read_items(
    input: Input,
    name: &str,
    format: Option<Format>,
    options: &ReadOptions,
    now: Now,
    live: bool,
) -> Result<Items, SourceError> {
    let failed = |e: io::Error| SourceError::Read { name: name.to_owned(), reason: e.to_string() };
    let wrong = |reason: String| SourceError::Layout { name: name.to_owned(), reason };
    let input = Stoppable { input: unpacked(input).map_err(failed)?, stop: options.stop.clone() };
    let mut input = text::decoded(Box::new(input)).map_err(failed)?;
    let first = input.fill_buf().map_err(failed)?;
    if first.is_empty() {
        // Nothing may have happened yet where things come as they happen.
        return if live { Ok(Box::new(std::iter::empty())) } else { Err(wrong("the file is empty".to_owned())) };
    }
    if let Some(reason) = text::foreign(first) {
        return Err(wrong(reason.to_owned()));
    }
    let is_binary = text::is_binary(first);
    // What begins as JSON is no table, whatever the file is called.
    let start = first.trim_ascii_start();
    let element = start.strip_prefix(b"[").and_then(|rest| rest.trim_ascii_start().first());
    let is_json = start.starts_with(b"{") || matches!(element, Some(b'{' | b']'));
    let format = options.format.unwrap_or_else(|| if is_json { Format::JsonLines } else { format.unwrap_or(Format::Csv) });
    Ok(match format {
        Format::Csv => Box::new(CsvRows::open(input, name, options, live).map_err(|error| match error {
            SourceError::Layout { .. } if is_binary => wrong("the file is no CSV and no JSON: it holds binary data".to_owned()),
            error => error,
        })?),
        Format::JsonLines => Box::new(JsonLines::open(input, name, options, now, live).map_err(failed)?),
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
        ReadOptions::new(Start::at(Timestamp::from_secs_f64(1e9)))
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
    fn recordings_without_dates_have_the_same_times_whether_they_are_relayed_or_imported() {
        let at: Timestamp = "2026-02-18T09:00:00Z".parse().unwrap();
        for (text, first) in [
            ("time,vehicle_id,v\n09:00:05,a,1\n09:00:06,a,1\n", "2026-02-18T09:00:05.000Z"),
            ("time,vehicle_id,v\n23:59:59,a,1\n00:00:01,a,1\n", "2026-02-18T23:59:59.000Z"),
            ("tod_s,vehicle_id,v\n32405,a,1\n", "2026-02-18T09:00:05.000Z"),
            ("t_s,vehicle_id,v\n5,a,1\n6,a,1\n", "2026-02-18T09:00:05.000Z"),
            ("{\"driverId\":\"a\",\"timestamp\":\"09:00:05\",\"data\":{\"v\":1}}\n", "2026-02-18T09:00:05.000Z"),
            ("{\"driverId\":\"a\",\"timestamp\":5,\"data\":{\"v\":1}}\n", "2026-02-18T09:00:05.000Z"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().write_all(text.as_bytes()).unwrap();
            let read = |start| {
                let source = Source::open(file.path(), &ReadOptions::new(start), || Timestamp::from_secs_f64(1.8e9)).unwrap();
                drain(source).0.iter().map(|sample| sample.source_time.to_string()).collect::<Vec<_>>()
            };
            let (imported, relayed) = (read(Start::at(at)), read(Start::shifted(at)));
            assert_eq!((imported[0].as_str(), &imported), (first, &relayed), "{text}");
        }
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

    fn read(bytes: &[u8], suffix: &str) -> Result<Source, SourceError> {
        let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
        file.as_file().write_all(bytes).unwrap();
        Source::open(file.path(), &options(), Timestamp::default)
    }

    #[test]
    fn what_is_no_table_is_named_and_none_of_its_bytes_are_shown() {
        for (bytes, named) in [
            (&b""[..], "is empty"),
            (b"\xEF\xBB\xBF", "is empty"),
            (b"\n\n", "no rows"),
            (b"a\x1b[31mRED\x01\x02,b\n1,2\n", ""),
            (b"\x7fELF\x02\x01\x01\0\0\0", "is no CSV"),
            (b"PAR1\x15", "Parquet"),
        ] {
            let error = read(bytes, ".csv").err().unwrap().to_string();
            assert!(error.contains(named) && !error.contains(|c: char| c.is_control()), "{error}");
        }
    }

    #[test]
    fn utf_16_is_read_as_a_table_and_as_json_lines_and_a_mark_costs_nothing() {
        let table = "t_s,vehicle_id,v\r\n0,a,1\r\n";
        let utf16: Vec<u8> = std::iter::once(0xFEFF).chain(table.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(drain(read(&utf16, ".csv").unwrap()).0.len(), 1);
        let line = "{\"driverId\":\"a\",\"data\":{\"v\":1}}\n";
        let utf16: Vec<u8> = std::iter::once(0xFEFF).chain(line.repeat(2).encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!(drain(read(&utf16, ".jsonl").unwrap()).0.len(), 2);
        let marked = [b"\xEF\xBB\xBF".as_slice(), line.as_bytes(), line.as_bytes()].concat();
        let (samples, skipped) = drain(read(&marked, ".jsonl").unwrap());
        assert_eq!((samples.len(), skipped.len()), (2, 0));
    }

    #[test]
    fn json_is_known_by_its_first_bytes_whatever_the_file_is_called() {
        assert_eq!(drain(read(b"[\n {\"driverId\":\"a\",\"data\":{\"v\":1}}]", ".txt").unwrap()).0.len(), 1);
    }

    #[test]
    fn reading_stops_in_the_midst_of_an_endless_cell() {
        let stopped = Arc::new(AtomicU64::new(0));
        let counter = stopped.clone();
        let stop = Stop::when(move || counter.fetch_add(1, Ordering::Relaxed) > 20);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"t_s,vehicle_id,v\n0,a,1\n1,a,\"").unwrap();
        for _ in 0..1_024 {
            gz.write_all(&[b'a'; 1 << 12]).unwrap();
        }
        let file = tempfile::Builder::new().suffix(".csv.gz").tempfile().unwrap();
        file.as_file().write_all(&gz.finish().unwrap()).unwrap();
        let read = Source::open(file.path(), &ReadOptions { stop, ..options() }, Timestamp::default);
        let error = read.map_or_else(Some, |mut source| source.find_map(Result::err));
        assert!(error.unwrap().to_string().contains("stopped"));
        assert!(stopped.load(Ordering::Relaxed) < 40, "it was not read to its end");
    }
}
