//! CSV tables, wide (a column per signal) and long (a row per signal).

use std::{
    borrow::Cow,
    collections::VecDeque,
    io::{self, BufRead, Chain, Cursor, Read as _},
};

use slipstream_protocol::SignalValue;

use super::{
    Item, ReadOptions, Remark, Skipped, SourceError, TimeFormat,
    charset::Charset,
    codes::Codes,
    columns, heading,
    numbers::{Numbers, Style},
    records::{Outcome, Record, Records},
    row::{Cells, RowReader},
    steps::{Stepped, Steps},
    text::{CONVERT, shown, trimmed},
    time::{self, Parsed, TimeForm},
    two_way_date::{lacks_its_date, with_date},
};

/// What spreadsheets, loggers and data frames write where nothing was measured.
const EMPTY: [&str; 18] =
    ["", "NaN", "nan", "NAN", "NaT", "NA", "N/A", "n/a", "<NA>", "#N/A", "null", "NULL", "Null", "None", "none", "-", "--", "---"];

/// Of a header alone.
pub(crate) const NO_ROWS: &str = "there are no rows below the header; nothing is read";

/// Bytes in which the header is looked for.
const MAX_HEAD: usize = 1 << 20;
/// Rows looked at before the styles of their numbers are decided, and the most bytes of them.
const AHEAD: usize = 1_000;
const MAX_AHEAD: usize = 4 << 20;
/// Rows below the header that may hold units and sources.
const MAX_BELOW: usize = 4;

/// What there was below the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// Nothing but blank rows, comments and the header again.
    Nothing,
    /// Rows that made no sample.
    Rows,
    /// A row that made one.
    Good,
}

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
    seen: Seen,
    /// Lines that have the header again: how many, and the first.
    headers: (u64, u64),
    /// Cells in columns without a name: how many, and line and column of the first.
    unnamed: (u64, u64, usize),
    codes: Codes,
    live: bool,
    charset: Charset,
    ready: VecDeque<Item>,
    /// Why the input broke off while it was looked at ahead: told behind what was read before.
    broken: Option<io::Error>,
}

impl<R: BufRead> CsvRows<R> {
    /// Finds the header of `input`. Where rows come `live` none is waited for but the first.
    pub(super) fn open(mut input: R, name: &str, options: &ReadOptions, live: bool) -> Result<Stepped<Self>, SourceError> {
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
        let mut charset = Charset::default();
        charset.settle(&mut record);
        if std::str::from_utf8(record.bytes()).is_err() {
            let reason = format!("the header in line {} is not UTF-8; {CONVERT}, or from the encoding that it is in", record.line());
            return Err(wrong(reason));
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
        ready.extend(rows.notes().map(|text| Item::Remark(Remark::new(heading.line, text))));
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
            seen: Seen::Nothing,
            headers: (0, 0),
            unnamed: (0, 0, 0),
            codes: Codes::default(),
            live,
            charset,
            ready,
            broken,
        };
        if !live {
            table.look_ahead();
        }
        Ok(Stepped::of(table))
    }

    /// Reads the first rows to see how their numbers are written.
    fn look_ahead(&mut self) {
        let mut held = 0;
        while self.ahead.len() < AHEAD && held < MAX_AHEAD {
            let mut record = Record::default();
            match self.records.read(&mut record) {
                Ok(Outcome::Record) => {
                    self.charset.settle(&mut record);
                    held += record.size();
                    if self.ahead.len() >= MAX_BELOW || !self.is_below_header(&record) {
                        for (column, cell) in record.iter().enumerate() {
                            let Ok(text) = std::str::from_utf8(cell).map(trimmed) else { continue };
                            if !EMPTY.contains(&text) {
                                self.numbers.look(column, text, record.line());
                            }
                        }
                        let cell = |column| record.get(column).and_then(|cell| std::str::from_utf8(cell).ok()).map(trimmed);
                        if let Some(time) = cell(self.rows.layout.time.0) {
                            let dated = with_date(self.rows.layout.date.and_then(cell), time);
                            self.rows.look_at_time(&dated, record.line());
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

    fn read_row(&mut self) -> Result<bool, SourceError> {
        let outcome = match self.ahead.pop_front() {
            Some(Ok(record)) => {
                self.record = record;
                Ok(Outcome::Record)
            }
            Some(Err(skipped)) => {
                self.seen = self.seen.max(Seen::Rows);
                self.ready.push_back(Item::Skipped(skipped));
                return Ok(true);
            }
            None => {
                let outcome = self.records.read(&mut self.record);
                self.charset.settle(&mut self.record);
                outcome
            }
        };
        let outcome = match (outcome, self.broken.take()) {
            (Ok(Outcome::End), Some(error)) => {
                self.seen = self.seen.max(Seen::Rows);
                Err(error)
            }
            (outcome, broken) => {
                self.broken = broken;
                outcome
            }
        };
        match outcome {
            Ok(Outcome::Record) => self.use_row(),
            Ok(Outcome::Skipped(line, reason)) => {
                self.seen = self.seen.max(Seen::Rows);
                self.ready.push_back(Item::Skipped(Skipped::new(line, &reason)));
            }
            Ok(Outcome::End) => {
                self.end();
                return Ok(false);
            }
            Err(error) => {
                self.seen = self.seen.max(Seen::Rows);
                self.end();
                return Err(SourceError::Read { name: self.name.clone(), reason: error.to_string() });
            }
        }
        Ok(true)
    }

    fn use_row(&mut self) {
        let (line, columns) = (self.record.line(), self.rows.columns.len());
        if self.record.is_blank() || self.is_comment() {
            return;
        }
        if self.is_header() {
            self.headers = (self.headers.0 + 1, if self.headers.0 == 0 { line } else { self.headers.1 });
            return;
        }
        self.seen = self.seen.max(Seen::Rows);
        if self.seen != Seen::Good && self.below.len() < MAX_BELOW && self.other_delimiter().is_none() && self.is_below_header(&self.record)
        {
            self.below.push(Skipped::new(line, "it holds neither a time nor a number"));
            return;
        }
        let surplus = self.record.iter().skip(columns).any(|cell| !cell.trim_ascii().is_empty());
        if surplus || self.record.len() < self.needed {
            let parted = self.other_delimiter().map_or_else(String::new, |mark| format!(", and its own are parted by '{mark}'"));
            let reason = format!("{} cells, the header has {columns}{parted}", self.record.len());
            self.ready.push_back(Item::Skipped(Skipped::new(line, &reason)));
            return;
        }
        self.count_unnamed(line);
        let mut cells = TextCells {
            record: &self.record,
            numbers: &mut self.numbers,
            codes: &mut self.codes,
            format: self.time_format.as_ref(),
            date: self.rows.layout.date,
            time: self.rows.layout.time.0,
        };
        let good = self.rows.take(&mut cells, line, &mut self.ready);
        if good && self.seen != Seen::Good {
            self.seen = Seen::Good;
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

    fn count_unnamed(&mut self, line: u64) {
        for column in &self.rows.layout.unnamed {
            let text = self.record.get(*column).and_then(|cell| std::str::from_utf8(cell).ok()).map(trimmed);
            if text.is_some_and(|text| !EMPTY.contains(&text)) {
                if self.unnamed.0 == 0 {
                    self.unnamed = (0, line, *column + 1);
                }
                self.unnamed.0 += 1;
            }
        }
    }

    /// What was left out or taken for a number, and is in the file.
    fn left_out(&self) -> impl Iterator<Item = Remark> {
        let (headers, line) = self.headers;
        let headers = (headers > 0).then(|| {
            let text = format!("the header is there again, {headers} times; these lines are not read");
            Remark::new(line, &text)
        });
        let (cells, line, column) = self.unnamed;
        let unnamed = (cells > 0).then(|| {
            let text = format!("{cells} cells are in columns without a name, the first in column {column}; they are not read");
            Remark::new(line, &text)
        });
        headers.into_iter().chain(unnamed).chain(self.codes.remarks(&self.rows))
    }

    fn end(&mut self) {
        self.ready.extend(self.below.drain(..).map(Item::Skipped));
        self.rows.end(&mut self.ready);
        let left_out: Vec<Remark> = self.left_out().collect();
        self.ready.extend(left_out.into_iter().map(Item::Remark));
        self.ready.extend(self.charset.remark().map(Item::Remark));
        if self.seen == Seen::Nothing {
            // What comes live may not have come yet, and an export may be of nothing.
            let is_amiss = !self.live && !matches!(self.rows.layout.shape, columns::Shape::Long { text: Some(_), .. });
            self.ready.push_back(Item::Remark(if is_amiss { Remark::partial(0, NO_ROWS) } else { Remark::new(0, NO_ROWS) }));
        }
        for guess in self.numbers.take_guesses() {
            if guess.column == self.rows.layout.time.0 || self.rows.is_value(guess.column) {
                let name = self.rows.columns.get(guess.column).map_or("", String::as_str);
                let text = format!("column {}: {}", shown(name), guess.text);
                let remark = if guess.doubtful { Remark::partial(guess.line, &text) } else { Remark::new(guess.line, &text) };
                self.ready.push_back(Item::Remark(remark));
            }
        }
    }

    /// What parts the cells of a row that has but one, where it then has as many as the header.
    fn other_delimiter(&self) -> Option<char> {
        let text = self.record.get(0).filter(|_| self.record.len() == 1 && self.rows.columns.len() > 1)?;
        let parts = |mark: &u8| text.split(|byte| byte == mark).count() == self.rows.columns.len();
        [b',', b';', b'\t', b'|'].into_iter().find(parts).map(char::from)
    }

    fn is_comment(&self) -> bool {
        self.record.len() != self.rows.columns.len() && self.record.get(0).is_some_and(|cell| cell.trim_ascii_start().starts_with(b"#"))
    }

    /// Files that were put together have their header again and again.
    fn is_header(&self) -> bool {
        let cells = self.record.iter().zip(&self.rows.columns);
        self.record.len() == self.rows.columns.len()
            && cells.into_iter().all(|(cell, name)| std::str::from_utf8(cell).is_ok_and(|cell| trimmed(cell) == name))
    }

    /// Whether a row has neither a time nor a number in it.
    fn is_below_header(&self, record: &Record) -> bool {
        let number = |cell: &[u8]| std::str::from_utf8(cell).is_ok_and(|text| super::numbers::is_numeric(trimmed(text)));
        let time = record.get(self.rows.layout.time.0).and_then(|cell| std::str::from_utf8(cell).ok()).map(trimmed).unwrap_or_default();
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

impl<R: BufRead> Steps for CsvRows<R> {
    type Error = SourceError;

    fn ready(&mut self) -> &mut VecDeque<Item> {
        &mut self.ready
    }

    fn step(&mut self) -> Result<bool, SourceError> {
        self.read_row()
    }
}

/// The cells of one record of text.
struct TextCells<'a> {
    record: &'a Record,
    numbers: &'a mut Numbers,
    codes: &'a mut Codes,
    format: Option<&'a TimeFormat>,
    date: Option<usize>,
    time: usize,
}

impl<'a> TextCells<'a> {
    /// A row may end before its last, empty cells.
    fn cell(&self, column: usize) -> Result<&'a str, String> {
        let bytes = self.record.get(column).unwrap_or_default();
        std::str::from_utf8(bytes).map(trimmed).map_err(|_| format!("cell {} is not UTF-8; {CONVERT}", column + 1))
    }
}

impl Cells for TextCells<'_> {
    fn text(&self, column: usize) -> Result<Cow<'_, str>, String> {
        self.cell(column).map(Cow::Borrowed)
    }

    fn time(&mut self, column: usize, form: TimeForm) -> Result<Parsed, String> {
        let text = self.cell(column)?;
        let dated = with_date(self.date.map(|date| self.cell(date)).transpose()?, text);
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
        if EMPTY.contains(&text) || (self.date == Some(column) && self.cell(self.time).is_ok_and(lacks_its_date)) {
            return Ok(None);
        }
        Ok(Some(match self.numbers.number(column, text, self.record.line()) {
            Some(n) if n.is_finite() => {
                self.codes.look(column, text, self.record.line());
                SignalValue::Number(n)
            }
            Some(_) => return Err(format!("'{}' is not a finite number", shown(text))),
            None => match text {
                "true" | "True" | "TRUE" => SignalValue::Bool(true),
                "false" | "False" | "FALSE" => SignalValue::Bool(false),
                text => SignalValue::Text(text.into()),
            },
        }))
    }
}

#[cfg(test)]
mod tests;
