//! Finds the delimiter and the header line of a table, below whatever a logger writes above it.

use super::{
    ReadOptions,
    charset::windows_1252,
    columns::{self, Layout},
    numbers::{self, Style},
    records::{Outcome, Record, Records},
    text::trimmed,
    time,
};

/// Records looked at for the header.
const MAX_PREAMBLE: usize = 250;
/// Rows below a header that are looked at for a time: rows of units and sources are among them.
const ROWS_BELOW: usize = 6;
/// So many rows below a header say that it is one.
const ENOUGH_ROWS: usize = 3;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Delimiters that are used where they are told.
const OTHER_DELIMITERS: [u8; 6] = [b':', b' ', b'~', b'^', b'!', b'/'];

/// Where a table begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) delimiter: u8,
    /// Line of the header, from 1.
    pub(super) line: u64,
}

/// Looks for the heading in the first lines of a file. Fails with what is missing, and how to give it.
pub(super) fn find(head: &[u8], options: &ReadOptions) -> Result<Heading, String> {
    let told = options.delimiter.or_else(|| excel_delimiter(head));
    let mut candidates: Vec<Candidate> = Vec::new();
    for delimiter in told.map_or_else(|| DELIMITERS.to_vec(), |d| vec![d]) {
        candidates.push(Candidate::of(head, delimiter, options));
    }
    if candidates.iter().all(|c| c.records.is_empty()) {
        return Err("it holds no rows".to_owned());
    }
    if let Some(line) = options.header_row {
        let columns = |c: &&Candidate| c.records.iter().find(|r| r.line() == line).map_or(0, Record::len);
        let best = candidates.iter().rev().max_by_key(columns).filter(|c| columns(c) > 0);
        let best = best.ok_or_else(|| format!("it has no row in line {line}, where --header-row has the header"))?;
        return Ok(Heading { delimiter: best.delimiter, line });
    }
    // Of equal headers the one of the delimiter named first.
    let best =
        candidates.iter().rev().filter_map(|c| c.header(options).map(|(rank, record)| (rank, record.len(), c.delimiter, record.line())));
    if let Some((_, _, delimiter, line)) = best.max_by_key(|(rank, columns, _, _)| (*rank, *columns)) {
        return Ok(Heading { delimiter, line });
    }
    // What lacks a vehicle alone is told of before what lacks both; else a row of names, and then of most columns, is the header.
    let rank = |record: &Record| (columns::has_time(&names(record), &options.map), are_names(record), record.len());
    let rows = candidates.iter().flat_map(|c| c.records.iter()).rev();
    let Some(meant) = rows.max_by_key(|record| rank(record)) else { return Err("it holds no rows".to_owned()) };
    let reason = Layout::of(&names(meant), &options.map, options.vehicle.is_some()).err().unwrap_or_default();
    let hint = other_delimiter(head, meant, options).unwrap_or_default();
    Err(format!("{reason}{hint}; where another line is the header, give --header-row"))
}

/// Whether no cell is a number or a time, as those of measurements are.
fn are_names(record: &Record) -> bool {
    let is_name = |name: &String| !numbers::is_numeric(name) && time::parse(name, None, time::TimeForm::Text).is_err();
    names(record).iter().filter(|name| !name.is_empty()).all(is_name)
}

/// What to give where another delimiter makes a header of this line.
fn other_delimiter(head: &[u8], meant: &Record, options: &ReadOptions) -> Option<String> {
    let cut = |delimiter: u8| {
        let (mut reader, mut record) = (Records::new(head, delimiter), Record::default());
        loop {
            match reader.read(&mut record) {
                Ok(Outcome::Record) if record.line() == meant.line() => return Some(names(&record)),
                Ok(Outcome::Record | Outcome::Skipped(..)) if record.line() <= meant.line() => {}
                _ => return None,
            }
        }
    };
    let others = DELIMITERS.into_iter().chain(OTHER_DELIMITERS).filter(|d| options.delimiter != Some(*d));
    let cuts: Vec<(u8, Vec<String>)> = others.filter_map(|d| Some((d, cut(d)?))).filter(|(_, names)| names.len() > 1).collect();
    let is_whole = |names: &Vec<String>| Layout::of(names, &options.map, options.vehicle.is_some()).is_ok();
    let whole = cuts.iter().find(|(_, names)| is_whole(names));
    // A header that has its time as it is lacks something else.
    let timed =
        || cuts.iter().filter(|_| !columns::has_time(&names(meant), &options.map)).find(|(_, n)| columns::has_time(n, &options.map));
    let (delimiter, found) = whole.or_else(timed)?;
    let mark = if *delimiter == b'\t' { "tab".to_owned() } else { format!("'{}'", char::from(*delimiter)) };
    let way = if options.delimiter.is_some() && DELIMITERS.contains(delimiter) { "leave --delimiter out, or give" } else { "give" };
    Some(format!("; parted by {mark} it has {} columns: {way} --delimiter {mark}", found.len()))
}

/// Excel's first line `sep=;`.
fn excel_delimiter(head: &[u8]) -> Option<u8> {
    let line = head.split(|b| matches!(b, b'\n' | b'\r')).next()?.trim_ascii_start();
    let line = line.strip_prefix(b"\"").map_or(line, |l| l.strip_suffix(b"\"").unwrap_or(l));
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter, ..] if delimiter.is_ascii() && line.len() <= 6 => Some(*delimiter),
        _ => None,
    }
}

/// The names of a header.
pub(super) fn names(record: &Record) -> Vec<String> {
    let name = |(place, cell): (usize, &[u8])| {
        let text = String::from_utf8(cell.to_vec()).ok().or_else(|| windows_1252(cell));
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(cell).into_owned());
        let text = trimmed(&text);
        // numpy and gnuplot write their header as a comment.
        if place == 0 { text.trim_start_matches('#').trim_start().to_owned() } else { text.to_owned() }
    };
    record.iter().enumerate().map(name).collect()
}

/// The first records as one delimiter cuts them.
struct Candidate {
    delimiter: u8,
    records: Vec<Record>,
}

impl Candidate {
    fn of(head: &[u8], delimiter: u8, options: &ReadOptions) -> Self {
        let mut reader = Records::new(head, delimiter);
        let mut records = Vec::new();
        let most = options.header_row.map_or(MAX_PREAMBLE, |row| usize::try_from(row).unwrap_or(usize::MAX).min(100_000));
        let mut record = Record::default();
        while records.len() < most.max(MAX_PREAMBLE) + ROWS_BELOW {
            match reader.read(&mut record) {
                Ok(Outcome::Record) if record.is_blank() => {}
                Ok(Outcome::Record) => records.push(std::mem::take(&mut record)),
                Ok(Outcome::Skipped(..)) => {}
                Ok(Outcome::End) | Err(_) => break,
            }
        }
        Self { delimiter, records }
    }

    /// The header, with its rank: the record that reads like one, unless its names are free words and another one has more rows. The
    /// names and values of a preamble look like a header and a row.
    fn header(&self, options: &ReadOptions) -> Option<(u8, &Record)> {
        let (rank, first) = self.first_header(options)?;
        let place = self.records.iter().position(|record| record.line() == first.line())?;
        let Some(mut best) = Table::below(&self.records, place, options) else { return Some((rank, first)) };
        if !best.is_usual {
            for place in place + 1..self.records.len() {
                if best.rows >= ENOUGH_ROWS {
                    break;
                }
                let other = Table::below(&self.records, place, options).filter(|other| best.is_followed_by(other));
                best = other.filter(|other| other.rows > best.rows).unwrap_or(best);
            }
        }
        Some((rank, &self.records[best.place]))
    }

    /// The first record that names a time and a vehicle, with its rank: in the first line, or above times, before others.
    fn first_header(&self, options: &ReadOptions) -> Option<(u8, &Record)> {
        let mut fitting = None;
        let mut last: Option<(usize, &Record, usize, (bool, usize))> = None;
        for (place, record) in self.records.iter().enumerate().take(MAX_PREAMBLE + ROWS_BELOW) {
            let names = names(record);
            let Ok(layout) = Layout::of(&names, &options.map, options.vehicle.is_some()) else {
                if let Some((above, header, time, _)) = last
                    && place <= above + ROWS_BELOW
                    && is_time(record, time, options)
                {
                    return Some((2, header));
                }
                continue;
            };
            // A line of a preamble may read like a header; below one there are times.
            let is_above_a_time = self.records.get(place + 1).is_none_or(|next| is_time(next, layout.time.0, options));
            if record.line() == 1 && is_above_a_time {
                return Some((2, record));
            }
            fitting.get_or_insert((1, record));
            // A row of units has `unix time` among them, and a preamble may have a line `Time`.
            let time = layout.time.0;
            let rank = (time::is_usual(&names[time]), names.iter().filter(|n| !n.is_empty()).count());
            if last.is_none_or(|(above, _, _, best)| rank >= best || place > above + ROWS_BELOW) {
                last = Some((place, record, time, rank));
            }
        }
        fitting
    }
}

/// A record that reads like a header, and its rows.
struct Table {
    /// Which of the records it is.
    place: usize,
    columns: usize,
    /// Whether the name of its time is one that only tables have.
    is_usual: bool,
    /// Rows of measurements below it, up to enough: they have its width, and a time where it says.
    rows: usize,
}

impl Table {
    fn below(records: &[Record], place: usize, options: &ReadOptions) -> Option<Self> {
        let header = &records[place];
        let called = names(header);
        let layout = Layout::of(&called, &options.map, options.vehicle.is_some()).ok().filter(|_| are_names(header))?;
        let (mut rows, columns) = (0, header.len());
        for row in records[place + 1..].iter().take(ROWS_BELOW + ENOUGH_ROWS) {
            if rows >= ENOUGH_ROWS {
                break;
            }
            if row.len() == columns && is_time(row, layout.time.0, options) {
                rows += 1;
            } else if rows > 0 && are_names(row) && columns::has_time(&names(row), &options.map) && names(row) != called {
                // Another table begins.
                break;
            }
        }
        Some(Self { place, columns, is_usual: time::is_usual(&called[layout.time.0]), rows })
    }

    /// Whether `other` is another table: rows of units below a header may read like one.
    const fn is_followed_by(&self, other: &Self) -> bool {
        self.rows > 0 || self.columns != other.columns
    }
}

fn is_time(row: &Record, column: usize, options: &ReadOptions) -> bool {
    let Some(text) = row.get(column).and_then(|cell| std::str::from_utf8(cell).ok()).map(trimmed) else { return false };
    let number = || Style::told(Some(','), None).and_then(|style| numbers::parse(text, style));
    match &options.time_format {
        Some(format) => format.parse(text).is_some(),
        None => time::parse(text, text.parse().ok().or_else(number), time::TimeForm::Text).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Start;
    use slipstream_protocol::Timestamp;

    fn options() -> ReadOptions {
        ReadOptions::new(Start::at(Timestamp::default()))
    }

    fn found(text: &str, vehicle: bool) -> (char, u64) {
        let vehicle = vehicle.then(|| slipstream_protocol::VehicleId::new("gt3").unwrap());
        let heading = find(text.as_bytes(), &ReadOptions { vehicle, ..options() }).unwrap();
        (char::from(heading.delimiter), heading.line)
    }

    #[test]
    fn delimiters_in_quotes_do_not_count_and_excels_line_does() {
        assert_eq!(found("\"t_s\";\"vehicle_id\";\"Torque, Request (a, b, c)\"\n0;gt3;10\n", false), (';', 1));
        assert_eq!(found("sep=;\nt_s;vehicle_id;a,b,c\n0;gt3;6500\n", false), (';', 2));
        assert_eq!(found("t_s\tvehicle_id\trpm, 1/min\n", false), ('\t', 1));
        assert_eq!(found("t_s|vehicle_id|rpm\n", false), ('|', 1));
        assert_eq!(found("# t_s,vehicle_id,rpm\n0,a,1\n", false), (',', 1));
    }

    #[test]
    fn a_header_is_found_below_a_preamble() {
        assert_eq!(found("# a logger\n# 2026\n\nt_s,vehicle_id,rpm\n0,a,1\n", false), (',', 4));
        let aim = "\"Format\",\"AiM CSV File\"\n\"Time\",\"10:30 AM\"\n\"Sample Rate\",\"20\"\n\n\"Time\",\"Speed\"\n\"s\",\"km/h\"\n\n\"0.000\",\"12.5\"\n";
        assert_eq!(found(aim, true), (',', 5), "a line 'Time' of the preamble is no header");
        let note = "Note,\"two\nlines\"\nDriver name,x\n\ntimestamp;driver;speed\n1760000000,5;a;1,5\n";
        assert_eq!(found(note, false), (';', 5));
    }

    #[test]
    fn a_preamble_with_values_below_its_names_is_none_of_the_table() {
        let table = "time,vehicle_id,v,w\n2026-02-18T10:00:00Z,A,1,2\n2026-02-18T10:00:01Z,A,1,2\n";
        for preamble in [
            "Time,Vehicle,Session\n10:00:00,Car 7,Race\n",
            "Time,Vehicle,Session,Place\n2026-02-18,Car 7,Race,Spa\n",
            "Time,Vehicle,Session,Place\n2026-02-18,Car 7,Race,Spa\n\n",
            "Vehicle,Car 7\nTime,2026-02-18 10:00\n",
            "Logger,X\nDate,Vehicle\n2026-02-18,Car 7\n",
        ] {
            let line = preamble.lines().count() as u64 + 1;
            assert_eq!(found(&format!("{preamble}{table}"), false), (',', line), "{preamble}");
        }
        // A table's rows count more than another table's behind it, and its header may be there again.
        let rows = "2026-02-18T10:00:00Z,A,1\n".repeat(3);
        assert_eq!(found(&format!("time,vehicle_id,v\n{rows}{table}{table}"), false), (',', 1));
        assert_eq!(found("Time,Vehicle,v\n0,a,1\nTime,Vehicle,v\n1,a,1\n2,a,1\n", false), (',', 1));
        assert_eq!(found(&format!("t_s,vehicle_id,v\n0,a,1\n{table}"), false), (',', 1), "a name that only tables have");
        assert_eq!(found("Time,Vehicle,0.5,1.0\n0,a,1,1\n", false), (',', 1), "columns that are called by a number");
        assert_eq!(found("time,signal,value\n0.1,t,5\n0.1,speed,6\n", true), (',', 1), "a signal that is called as times are");
    }

    #[test]
    fn what_is_missing_is_named_by_the_likeliest_header() {
        let error = find(b"made by a logger\nt_s,speed,rpm\n0,1,2\n", &options()).unwrap_err();
        assert!(error.contains("no vehicle column among t_s, speed, rpm"), "{error}");
        let error = find(b"time:vehicle_id:v\n0,5:a:1,5\n1,5:a:2,5\n", &options()).unwrap_err();
        assert!(error.contains("among time:vehicle_id:v;") && error.contains("give --delimiter ':'"), "{error}");
        let told = ReadOptions { delimiter: Some(b';'), ..options() };
        let error = find(b"t_s,vehicle_id,v\n0,a,1\n", &told).unwrap_err();
        assert!(error.contains("among t_s,vehicle_id,v;") && error.contains("leave --delimiter out"), "{error}");
        assert!(find(b"\n\n", &options()).unwrap_err().contains("no rows"));
        let error = find(b"a,b\n1,2\n", &ReadOptions { header_row: Some(9), ..options() }).unwrap_err();
        assert!(error.contains("line 9"), "{error}");
    }
}
