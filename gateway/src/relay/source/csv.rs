//! CSV tables, wide (a column per signal) and long (a row per signal).

use std::{
    borrow::Cow,
    collections::VecDeque,
    io::{self, BufRead, Chain, Cursor, Read as _},
};

use slipstream_protocol::SignalValue;

use super::{
    Item, ReadOptions, Remark, Skipped, SourceError, TimeFormat, columns, heading,
    numbers::{Numbers, Style},
    records::{Outcome, Record, Records},
    row::{Cells, RowReader},
    text::shown,
    time::{self, Parsed, TimeForm},
};

/// What spreadsheets, loggers and data frames write where nothing was measured.
const EMPTY: [&str; 18] =
    ["", "NaN", "nan", "NAN", "NaT", "NA", "N/A", "n/a", "<NA>", "#N/A", "null", "NULL", "Null", "None", "none", "-", "--", "---"];

/// Bytes in which the header is looked for.
const MAX_HEAD: usize = 1 << 20;
/// Rows looked at before the styles of their numbers are decided, and the most bytes of them.
const AHEAD: usize = 1_000;
const MAX_AHEAD: usize = 4 << 20;
/// Rows below the header that may hold units and sources.
const MAX_BELOW: usize = 4;

/// The rows of one table as samples.
pub(super) struct CsvRows<R> {
    records: Records<Chain<Cursor<Vec<u8>>, R>>,
    name: String,
    record: Record,
    /// Rows that were looked at already.
    ahead: VecDeque<Result<Record, Skipped>>,
    rows: RowReader,
    numbers: Numbers,
    time_format: Option<TimeFormat>,
    /// Cells a row needs to be one.
    needed: usize,
    /// Rows right below the header that are no measurements.
    below: Vec<Skipped>,
    good: bool,
    ready: VecDeque<Item>,
    failed: Option<SourceError>,
    /// Why the input broke off while it was looked at ahead: told behind what was read before.
    broken: Option<io::Error>,
    ended: bool,
}

impl<R: BufRead> CsvRows<R> {
    /// Finds the header of `input`. Where rows come `live` none is waited for but the first.
    pub(super) fn new(mut input: R, name: &str, options: &ReadOptions, live: bool) -> Result<Self, SourceError> {
        let failed = |e: io::Error| SourceError::Read { name: name.to_owned(), reason: e.to_string() };
        let wrong = |reason: String| SourceError::Layout { name: name.to_owned(), reason };
        let mut broken = None;
        let (head, heading) = head(&mut input, options, live, &mut broken).map_err(failed)?;
        let heading = heading.map_err(wrong)?;
        let mut records = Records::new(Cursor::new(head).chain(input), heading.delimiter);
        let mut record = Record::default();
        while record.line() != heading.line {
            match records.read(&mut record).map_err(failed)? {
                Outcome::End => return Err(wrong("it holds no rows".to_owned())),
                Outcome::Record | Outcome::Skipped(..) => {}
            }
        }
        let mut names = heading::names(&record);
        let mut ready = VecDeque::new();
        if heading.line > 1 {
            let above = heading.line - 1;
            let lines = if above == 1 { "the line above it is".to_owned() } else { format!("the {above} lines above it are") };
            ready.push_back(Item::Remark(Remark::new(heading.line, &format!("this is the header; {lines} not read"))));
        }
        let repeated = columns::unique(&mut names);
        ready.extend(repeated.into_iter().map(|text| Item::Remark(Remark::new(heading.line, &text))));
        let columns = names.len();
        let rows = RowReader::new(names, options).map_err(wrong)?;
        let numbers = Numbers::new(columns, heading.delimiter, Style::told(options.decimal, options.thousands));
        let layout = &rows.layout;
        let needed = layout.vehicle.filter(|_| options.vehicle.is_none()).map_or(0, |v| v + 1).max(layout.time.0 + 1);
        let mut table = Self {
            records,
            name: name.to_owned(),
            record,
            ahead: VecDeque::new(),
            rows,
            numbers,
            time_format: options.time_format.clone(),
            needed,
            below: Vec::new(),
            good: false,
            ready,
            failed: None,
            broken,
            ended: false,
        };
        if !live {
            table.look_ahead();
        }
        Ok(table)
    }

    /// Reads the first rows to see how their numbers are written.
    fn look_ahead(&mut self) {
        let mut held = 0;
        while self.ahead.len() < AHEAD && held < MAX_AHEAD {
            let mut record = Record::default();
            match self.records.read(&mut record) {
                Ok(Outcome::Record) => {
                    held += record.size();
                    if self.ahead.len() >= MAX_BELOW || !self.is_below_header(&record) {
                        for (column, cell) in record.iter().enumerate() {
                            let Ok(text) = std::str::from_utf8(cell).map(str::trim) else { continue };
                            if !EMPTY.contains(&text) {
                                self.numbers.look(column, text, record.line());
                            }
                        }
                    }
                    self.ahead.push_back(Ok(record));
                }
                Ok(Outcome::Skipped(line, reason)) => self.ahead.push_back(Err(Skipped::new(line, &reason))),
                Ok(Outcome::End) => break,
                // The rows before it count.
                Err(error) => {
                    self.broken.get_or_insert(error);
                    break;
                }
            }
        }
        self.numbers.decide();
    }

    fn read_row(&mut self) -> Result<(), SourceError> {
        let outcome = match self.ahead.pop_front() {
            Some(Ok(record)) => {
                self.record = record;
                Ok(Outcome::Record)
            }
            Some(Err(skipped)) => {
                self.ready.push_back(Item::Skipped(skipped));
                return Ok(());
            }
            None => self.records.read(&mut self.record),
        };
        let outcome = match (outcome, self.broken.take()) {
            (Ok(Outcome::End), Some(error)) => Err(error),
            (outcome, broken) => {
                self.broken = broken;
                outcome
            }
        };
        match outcome {
            Ok(Outcome::Record) => self.use_row(),
            Ok(Outcome::Skipped(line, reason)) => self.ready.push_back(Item::Skipped(Skipped::new(line, &reason))),
            Ok(Outcome::End) => self.end(),
            Err(error) => {
                self.end();
                return Err(SourceError::Read { name: self.name.clone(), reason: error.to_string() });
            }
        }
        Ok(())
    }

    fn use_row(&mut self) {
        let (line, columns) = (self.record.line(), self.rows.columns.len());
        if self.record.is_blank() || self.is_comment() || self.is_header() {
            return;
        }
        if !self.good && self.below.len() < MAX_BELOW && self.is_below_header(&self.record) {
            self.below.push(Skipped::new(line, "it holds neither a time nor a number"));
            return;
        }
        let surplus = self.record.iter().skip(columns).any(|cell| !cell.trim_ascii().is_empty());
        if surplus || self.record.len() < self.needed {
            let reason = format!("{} cells, the header has {columns}", self.record.len());
            self.ready.push_back(Item::Skipped(Skipped::new(line, &reason)));
            return;
        }
        let mut cells = TextCells {
            record: &self.record,
            numbers: &mut self.numbers,
            format: self.time_format.as_ref(),
            date: self.rows.layout.date,
            time: self.rows.layout.time.0,
        };
        let good = self.rows.take(&mut cells, line, &mut self.ready);
        if good && !self.good {
            self.good = true;
            self.pass_over_below();
        }
    }

    /// Rows of units and sources below the header cost nothing where measurements follow.
    fn pass_over_below(&mut self) {
        if let Some(first) = self.below.first() {
            let lines: Vec<String> = self.below.iter().map(|row| row.line.to_string()).collect();
            let text = format!("below the header, units or sources are not read: line {}", lines.join(", "));
            self.ready.push_front(Item::Remark(Remark::new(first.line, &text)));
        }
        self.below.clear();
    }

    fn end(&mut self) {
        self.ended = true;
        self.ready.extend(self.below.drain(..).map(Item::Skipped));
        self.rows.end(&mut self.ready);
        for guess in self.numbers.take_guesses() {
            let used = guess.column == self.rows.layout.time.0
                || self.rows.layout.signals.iter().any(|(column, _)| *column == guess.column)
                || matches!(self.rows.layout.shape, columns::Shape::Long { value, .. } if value == guess.column);
            if used {
                let name = self.rows.columns.get(guess.column).map_or("", String::as_str);
                let text = format!("column {}: {}", shown(name), guess.text);
                let remark = if guess.doubtful { Remark::partial(guess.line, &text) } else { Remark::new(guess.line, &text) };
                self.ready.push_back(Item::Remark(remark));
            }
        }
    }

    fn is_comment(&self) -> bool {
        self.record.len() != self.rows.columns.len() && self.record.get(0).is_some_and(|cell| cell.trim_ascii_start().starts_with(b"#"))
    }

    /// Files that were put together have their header again and again.
    fn is_header(&self) -> bool {
        let cells = self.record.iter().zip(&self.rows.columns);
        self.record.len() == self.rows.columns.len() && cells.into_iter().all(|(cell, name)| cell.trim_ascii() == name.as_bytes())
    }

    /// Whether a row has neither a time nor a number in it.
    fn is_below_header(&self, record: &Record) -> bool {
        let number = |cell: &[u8]| std::str::from_utf8(cell).is_ok_and(|text| super::numbers::is_numeric(text.trim()));
        let time = record.get(self.rows.layout.time.0).and_then(|cell| std::str::from_utf8(cell).ok()).unwrap_or_default().trim();
        let is_time = match &self.time_format {
            Some(format) => format.parse(time).is_some(),
            None => time::parse(time, None, TimeForm::Text).is_ok(),
        };
        !is_time && !record.iter().any(number)
    }
}

/// Reads the bytes in which the header is, and finds it.
fn head<R: BufRead>(
    input: &mut R,
    options: &ReadOptions,
    live: bool,
    broken: &mut Option<io::Error>,
) -> io::Result<(Vec<u8>, Result<heading::Heading, String>)> {
    let mut head = Vec::new();
    loop {
        let part = match input.fill_buf() {
            Ok(part) => part,
            Err(error) if head.is_empty() => return Err(error),
            // The rows before it count.
            Err(error) => {
                *broken = Some(error);
                &[]
            }
        };
        let (read, ended) = (part.len(), part.is_empty());
        head.extend_from_slice(part);
        input.consume(read);
        if !(live || ended || head.len() >= MAX_HEAD) {
            continue;
        }
        // A line that has not come whole is no header yet.
        let whole = if ended { head.len() } else { head.iter().rposition(|b| matches!(b, b'\n' | b'\r')).map_or(0, |end| end + 1) };
        let found = if whole == 0 && !ended && head.len() < MAX_HEAD { continue } else { heading::find(&head[..whole], options) };
        if found.is_ok() || ended || head.len() >= MAX_HEAD {
            return Ok((head, found));
        }
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if self.ended {
                return self.failed.take().map(Err);
            }
            if let Err(error) = self.read_row() {
                // What was read before it broke off still counts.
                self.failed = Some(error);
            }
        }
    }
}

/// The cells of one record of text.
struct TextCells<'a> {
    record: &'a Record,
    numbers: &'a mut Numbers,
    format: Option<&'a TimeFormat>,
    date: Option<usize>,
    time: usize,
}

impl<'a> TextCells<'a> {
    /// A row may end before its last, empty cells.
    fn cell(&self, column: usize) -> Result<&'a str, String> {
        let bytes = self.record.get(column).unwrap_or_default();
        std::str::from_utf8(bytes).map(str::trim).map_err(|_| format!("cell {} is not UTF-8", column + 1))
    }
}

impl Cells for TextCells<'_> {
    fn text(&self, column: usize) -> Result<Cow<'_, str>, String> {
        self.cell(column).map(Cow::Borrowed)
    }

    fn time(&mut self, column: usize, form: TimeForm) -> Result<Parsed, String> {
        let text = self.cell(column)?;
        let dated = match self.date {
            Some(date) if is_clock(text) => format!("{} {text}", self.cell(date)?),
            _ => text.to_owned(),
        };
        if let Some(format) = self.format {
            let wrong = || format!("'{}' is not a time by --time-format", shown(&dated));
            return format.parse(&dated).or_else(|| format.parse(text)).map(Parsed::Absolute).ok_or_else(wrong);
        }
        let number = self.numbers.number(column, text, self.record.line());
        time::parse(&dated, number, form)
    }

    fn value(&mut self, column: usize) -> Result<Option<SignalValue>, String> {
        let text = self.cell(column)?;
        // A day that belongs to the time is no measurement.
        if EMPTY.contains(&text) || (self.date == Some(column) && self.cell(self.time).is_ok_and(is_clock)) {
            return Ok(None);
        }
        Ok(Some(match self.numbers.number(column, text, self.record.line()) {
            Some(n) if n.is_finite() => SignalValue::Number(n),
            Some(_) => return Err(format!("'{}' is not a finite number", shown(text))),
            None => match text {
                "true" | "True" | "TRUE" => SignalValue::Bool(true),
                "false" | "False" | "FALSE" => SignalValue::Bool(false),
                text => SignalValue::Text(text.into()),
            },
        }))
    }
}

/// `08:53:20.5`: a time that needs its day.
fn is_clock(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0'..=b'9', b'0'..=b'9', b':', _, _, b':', ..])
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b','))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{drain, drain_all};
    use super::*;
    use crate::relay::source::Start;
    use slipstream_protocol::{Sample, Timestamp};

    fn read_with(text: &str, options: &ReadOptions) -> (Vec<Sample>, Vec<Skipped>) {
        let (samples, skipped, _) = told_with(text, options);
        (samples, skipped)
    }

    fn told_with(text: &str, options: &ReadOptions) -> (Vec<Sample>, Vec<Skipped>, Vec<Remark>) {
        drain_all(CsvRows::new(text.as_bytes(), "test.csv", options, false).unwrap())
    }

    fn told(text: &str) -> (Vec<Sample>, Vec<Skipped>, Vec<Remark>) {
        told_with(text, &ReadOptions::new(Start::Relative(Timestamp::from_secs_f64(1e9))))
    }

    fn numbers(samples: &[Sample], signal: &str) -> Vec<f64> {
        samples.iter().filter_map(|s| s.number(signal)).collect()
    }

    fn read(text: &str) -> (Vec<Sample>, Vec<Skipped>) {
        read_with(text, &ReadOptions::new(Start::Relative(Timestamp::from_secs_f64(1e9))))
    }

    #[test]
    fn an_empty_cell_is_no_signal_and_relative_time_counts_from_the_start() {
        let (samples, skipped) = read("t_s,vehicle_id,lap,speed_mps,on\n0.5,ALB,,78.25,True\n");
        assert!(skipped.is_empty());
        assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5));
        assert_eq!(samples[0].signal("lap"), None);
        assert_eq!(samples[0].number("speed_mps"), Some(78.25));
        assert_eq!(samples[0].signal("on"), Some(&SignalValue::Bool(true)));
    }

    #[test]
    fn a_bad_row_costs_itself_only_and_is_told_with_its_line() {
        let (samples, skipped) = read("t_s,vehicle_id,v\n0,a,1\nx,a,2\n1,b\u{7}c,3\n2,a\n3,a,\n4,a,5\n");
        assert_eq!(samples.len(), 2);
        assert_eq!(skipped.iter().map(|s| s.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert!(skipped[0].reason.contains("t_s"), "{}", skipped[0].reason);
    }

    #[test]
    fn an_infinite_cell_is_left_out_and_its_row_stays() {
        let (samples, skipped) = read("t_s,vehicle_id,v,w\n0,a,inf,2\n");
        assert_eq!((samples.len(), samples[0].signals.len(), skipped.len()), (1, 1, 1));
    }

    #[test]
    fn rows_of_a_long_table_with_the_same_time_make_one_sample_and_repeats_another() {
        let text = "timestamp,vehicle_id,lap,telemetry_name,telemetry_value\n\
            2025-09-05T00:28:20.593Z,g,2,aps,100\n2025-09-05T00:28:20.593Z,g,2,gear,3\n\
            2025-09-05T00:28:20.593Z,g,2,gear,3\n2025-09-05T00:28:20.551Z,g,2,aps,99\n";
        let (samples, skipped) = read(text);
        assert!(skipped.is_empty());
        let counts: Vec<_> = samples.iter().map(|s| s.signals.len()).collect();
        assert_eq!(counts, [3, 2, 2], "aps+lap+gear, the repeated gear+lap, the earlier aps+lap");
        let apart = read_with(text, &ReadOptions { merge: false, ..ReadOptions::new(Start::Relative(Timestamp::default())) });
        assert_eq!(apart.0.len(), 4);
    }

    #[test]
    fn a_semicolon_table_in_an_unknown_encoding_keeps_its_readable_rows() {
        let (samples, skipped) = drain(
            CsvRows::new(
                &b"unix_s;vehicle_id;note\n1700000000;a;caf\xe9\n1700000001;a;ok\n"[..],
                "x",
                &ReadOptions::new(Start::Relative(Timestamp::default())),
                false,
            )
            .unwrap(),
        );
        assert_eq!((samples.len(), skipped.len()), (1, 2), "the row without a readable signal makes no sample");
    }

    #[test]
    fn decimal_commas_and_thousands_are_numbers() {
        let (samples, skipped, remarks) =
            told("timestamp;vehicle_id;speed_kph;rpm\n2025-10-09T08:53:20Z;gt3;123,5;6500\n2025-10-09T08:53:21Z;gt3;124,75;6600,5\n");
        assert_eq!((numbers(&samples, "speed_kph"), numbers(&samples, "rpm")), (vec![123.5, 124.75], vec![6500.0, 6600.5]));
        assert!(skipped.is_empty() && remarks.is_empty(), "{skipped:?} {remarks:?}");
        let (samples, _, remarks) = told("t_s,vehicle_id,rpm,odo_m\n0,gt3,\"6,500\",\"1,234,567.5\"\n1,gt3,\"6,600\",\"1,234,580.0\"\n");
        assert_eq!((numbers(&samples, "rpm"), numbers(&samples, "odo_m")), (vec![6500.0, 6600.0], vec![1_234_567.5, 1_234_580.0]));
        assert!(remarks.iter().all(|r| !r.partial), "{remarks:?}");
        let (samples, _, _) = told("t_s\tvehicle_id\tv\n0,5\ta\t1,25\n1,0\ta\t1\u{a0}234,5\n");
        assert_eq!(numbers(&samples, "v"), [1.25, 1234.5]);
        assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5), "the time has a comma, too");
    }

    #[test]
    fn a_number_that_becomes_text_is_never_silent() {
        let (samples, skipped, remarks) = told("t_s,vehicle_id,speed\n0,a,10\n1,a,fast\n2,a,12\n");
        assert_eq!((samples.len(), skipped.len(), remarks.len()), (3, 0, 1));
        assert!(remarks[0].partial && remarks[0].line == 3 && remarks[0].text.contains("speed: 1 of 3"), "{remarks:?}");
        let (samples, _, remarks) = told("t_s,vehicle_id,rpm\n0,a,\"6,500\"\n1,a,\"6,600\"\n");
        assert_eq!(numbers(&samples, "rpm").len(), 0, "nothing tells which number it is");
        assert!(remarks[0].partial && remarks[0].text.contains("--thousands"), "{remarks:?}");
        let long = "t_s,vehicle_id,signal,value\n0,a,rpm,1\n1,a,rpm,x\n2,a,rpm,3\n2,a,note,hi\n";
        let (_, _, remarks) = told(long);
        assert!(remarks.len() == 1 && remarks[0].text.contains("rpm"), "{remarks:?}");
        // Beyond the rows looked at ahead.
        let rows: String =
            (0..3_000).fold(String::new(), |rows, n| rows + &format!("{n};a;{}\n", if n == 2_500 { "1.2.3" } else { "1,5" }));
        let (samples, _, remarks) = told(&format!("t_s;vehicle_id;v\n{rows}"));
        assert_eq!((numbers(&samples, "v").len(), remarks.len(), remarks[0].line), (2_999, 1, 2_502));
    }

    #[test]
    fn surplus_and_missing_empty_cells_cost_nothing_and_others_are_reported() {
        let (samples, skipped, _) = told("t_s,vehicle_id,rpm\n0,gt3,6500,\n1,gt3,6600,,,\n2,gt3,6700,9\n,,,\n");
        assert_eq!((numbers(&samples, "rpm"), skipped.len()), (vec![6500.0, 6600.0], 1));
        assert!(skipped[0].line == 4 && skipped[0].reason.contains("4 cells"), "{skipped:?}");
        let (samples, skipped, _) = told("t_s,vehicle_id,rpm,temp\n0,gt3,6500,80\n1,gt3,6600\n2\n3,gt3,6700,81\n");
        assert_eq!((samples.len(), samples[1].signals.len(), skipped.len(), skipped[0].line), (3, 1, 1, 4));
    }

    #[test]
    fn repeated_names_keep_both_columns() {
        let (samples, _, remarks) = told("t_s,vehicle_id,speed,speed\n0,gt3,20.1,20.4\n1,gt3,20.2,\n");
        assert_eq!((numbers(&samples, "speed"), numbers(&samples, "speed_2")), (vec![20.1, 20.2], vec![20.4]));
        assert!(remarks[0].text.contains("speed_2"), "{remarks:?}");
    }

    #[test]
    fn a_logger_with_a_preamble_units_and_sources_is_read() {
        let racechrono = "This file is created using a lap timer app\n\nFormat,3\nNote,\"two\nlines\"\n\n\
            timestamp,lap_number,elapsed_time,speed,speed\nunix time,,s,m/s,m/s\n,,,100: gps,calc\n\
            1760000000.000,1,0.000,20.1,20.4\n1760000000.100,1,0.100,20.2,20.5\n";
        let vehicle = Some(slipstream_protocol::VehicleId::new("gt3").unwrap());
        let options = ReadOptions { vehicle, ..ReadOptions::new(Start::Relative(Timestamp::default())) };
        let (samples, skipped, remarks) = told_with(racechrono, &options);
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!((numbers(&samples, "speed"), numbers(&samples, "speed_2")), (vec![20.1, 20.2], vec![20.4, 20.5]));
        assert_eq!(samples[1].source_time, Timestamp::from_micros(1_760_000_000_100_000));
        assert!(remarks.len() == 3 && remarks.iter().all(|r| !r.partial), "{remarks:?}");
        let bad = told("t_s,vehicle_id,v\nx,y,z\n");
        assert_eq!(bad.1.len(), 1, "rows below the header are skipped ones where nothing follows");
    }

    #[test]
    fn a_day_beside_its_time_makes_a_moment() {
        let (samples, skipped, _) = told("Date,Time,vehicle_id,v\n2025-10-09,08:53:20.5,a,1\n");
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!(samples[0].source_time, "2025-10-09T08:53:20.500Z".parse().unwrap());
        assert_eq!(samples[0].signals.len(), 1);
        let format = Some("%d/%m/%Y %T".parse().unwrap());
        let options = ReadOptions { time_format: format, ..ReadOptions::new(Start::Relative(Timestamp::default())) };
        let (samples, _) = read_with("Date,Time,vehicle_id,v\n09/10/2025,08:53:20,a,1\n", &options);
        assert_eq!(samples[0].source_time, "2025-10-09T08:53:20Z".parse().unwrap());
    }

    #[test]
    fn comments_and_repeated_headers_among_the_rows_are_passed_over() {
        let (samples, skipped, _) = told("t_s,vehicle_id,v\n0,a,1\n# lap 2\nt_s,vehicle_id,v\n1,a,2\n");
        assert_eq!((samples.len(), skipped.len()), (2, 0), "{skipped:?}");
    }

    #[test]
    fn an_exported_table_saved_anew_is_read_as_one() {
        let text = "time;vehicle_id;session_id;fleet_id;signal;value;text;quality\n\
            2026-02-18T09:00:00.000001Z;a;;;v;1,5;;64\n2026-02-18T09:00:01Z;a;;;state;;ok;192\n";
        let (samples, skipped, _) = told(text);
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!((samples[0].number("v"), samples[0].quality as i64, samples[0].signals.len()), (Some(1.5), 64, 1));
        assert_eq!(samples[1].signal("state"), Some(&SignalValue::Text("ok".into())));
    }

    #[test]
    fn rows_that_come_live_are_not_waited_for() {
        let text = "t_s;vehicle_id;v\n0;a;1,5\n1;a;2,5\n";
        let options = ReadOptions::new(Start::Relative(Timestamp::default()));
        // Small reads: the header comes in pieces.
        let input = std::io::BufReader::with_capacity(5, text.as_bytes());
        let (samples, _) = drain(CsvRows::new(input, "x", &options, true).unwrap());
        assert_eq!(numbers(&samples, "v"), [1.5, 2.5]);
    }

    #[test]
    fn signals_that_were_asked_for_and_are_not_there_are_named() {
        let options = |name: &str| ReadOptions { signals: vec![name.into()], ..ReadOptions::new(Start::Relative(Timestamp::default())) };
        let wide = CsvRows::new(&b"t_s,vehicle_id,speed\n0,a,1\n"[..], "x", &options("sped"), false).err().unwrap();
        assert!(wide.to_string().contains("did you mean 'speed'"), "{wide}");
        let (_, _, remarks) = told_with("t_s,vehicle_id,signal,value\n0,a,speed,1\n", &options("sped"));
        assert!(remarks.iter().any(|r| r.partial && r.text.contains("did you mean 'speed'")), "{remarks:?}");
    }
}
