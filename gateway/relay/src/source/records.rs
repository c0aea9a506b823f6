//! The records of a delimited file, each bounded.
//!
//! A record is one line, or several where a quoted cell goes on over line breaks (RFC 4180). Lines end with LF, CRLF or CR.
//! A quote that is never closed, or that is closed in the midst of a later line, costs its own line: the lines behind it are
//! read as if it were not there. No more than [`MAX_RECORD`] bytes are held.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

use super::text;

/// Longer records are skipped, as longer lines are.
pub(crate) const MAX_RECORD: usize = 8 << 20;
/// More cells than a table has columns.
const MAX_CELLS: usize = 65_536;

/// One record; reused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    cells: Vec<(usize, usize)>,
    line: u64,
}

impl Record {
    /// Cells.
    pub(crate) const fn len(&self) -> usize {
        self.cells.len()
    }

    /// The line it begins in, from 1.
    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    /// One cell's bytes, without quotes.
    pub(crate) fn get(&self, cell: usize) -> Option<&[u8]> {
        self.cells.get(cell).map(|(from, to)| &self.bytes[*from..*to])
    }

    /// All cells.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.cells.iter().map(|(from, to)| &self.bytes[*from..*to])
    }

    /// Whether no cell holds anything but blanks.
    pub(crate) fn is_blank(&self) -> bool {
        self.iter().all(|cell| cell.trim_ascii().is_empty())
    }

    /// The bytes of all cells.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Rewrites all cells in UTF-8; nothing happens where `decode` yields nothing for one of them.
    pub(crate) fn recode(&mut self, decode: impl Fn(&[u8]) -> Option<String>) -> bool {
        let Some(texts) = self.iter().map(decode).collect::<Option<Vec<String>>>() else { return false };
        self.bytes.clear();
        self.cells.clear();
        for text in texts {
            let from = self.bytes.len();
            self.bytes.extend_from_slice(text.as_bytes());
            self.cells.push((from, self.bytes.len()));
        }
        true
    }

    /// Bytes it holds.
    pub(crate) const fn size(&self) -> usize {
        self.bytes.len() + self.cells.len() * size_of::<(usize, usize)>()
    }
}

/// What reading one record gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A record.
    Record,
    /// Something that is no record: where, and why.
    Skipped(u64, String),
    /// The end.
    End,
}

/// Reads records one after the other.
pub(crate) struct Records<R> {
    lines: Lines<R>,
    delimiter: u8,
}

impl<R: BufRead> Records<R> {
    pub(crate) const fn new(input: R, delimiter: u8) -> Self {
        Self { lines: Lines::new(input), delimiter }
    }

    /// Reads the next record into `record`. Blank lines are passed over.
    pub(crate) fn read(&mut self, record: &mut Record) -> io::Result<Outcome> {
        loop {
            let Some(mut line) = self.lines.next()? else { return Ok(Outcome::End) };
            if line.too_long {
                return Ok(Outcome::Skipped(line.number, format!("a line of more than {MAX_RECORD} bytes")));
            }
            // Files that were put together have their marks within.
            let marks = line.bytes.len() - text::unmarked(&line.bytes).len();
            line.bytes.drain(..marks);
            if line.bytes.is_empty() {
                continue;
            }
            return self.record(line, record);
        }
    }

    fn record(&mut self, first: Line, record: &mut Record) -> io::Result<Outcome> {
        record.cells.clear();
        record.bytes.clear();
        record.line = first.number;
        let number = first.number;
        if memchr::memchr(b'"', &first.bytes).is_none() {
            let (bytes, cells) = (first.bytes, &mut record.cells);
            let mut from = 0;
            for to in memchr::memchr_iter(self.delimiter, &bytes).chain([bytes.len()]) {
                cells.push((from, to));
                from = to + 1;
                if cells.len() > MAX_CELLS {
                    return Ok(Outcome::Skipped(number, format!("more than {MAX_CELLS} cells")));
                }
            }
            record.bytes = bytes;
            return Ok(Outcome::Record);
        }
        let mut cutter = Cutter { record, state: State::Start, from: 0, delimiter: self.delimiter, spans: false };
        let mut more = Vec::new();
        let (mut held, mut flaw) = (first.bytes.len(), cutter.line(&first.bytes).err());
        while flaw.is_none() && cutter.state == State::Quoted {
            match self.lines.next()? {
                Some(line) if !line.too_long && held + line.bytes.len() < MAX_RECORD => {
                    cutter.spans = true;
                    held += line.bytes.len() + line.before.len();
                    cutter.record.bytes.extend_from_slice(line.before);
                    flaw = cutter.line(&line.bytes).err();
                    more.push(line);
                }
                rest => {
                    more.extend(rest);
                    flaw = Some("a quote that is never closed".to_owned());
                }
            }
        }
        match flaw {
            None => {
                cutter.end_cell();
                Ok(Outcome::Record)
            }
            Some(flaw) => {
                for line in more.into_iter().rev() {
                    self.lines.back.push_front(line);
                }
                Ok(Outcome::Skipped(number, flaw))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first byte of a cell.
    Start,
    /// In a cell without quotes, or behind those of one that has them.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote that closes a cell, unless another one follows.
    Closed,
}

/// Cuts lines into the cells of one record.
struct Cutter<'a> {
    record: &'a mut Record,
    state: State,
    from: usize,
    delimiter: u8,
    /// Whether a quoted cell has gone on over a line break.
    spans: bool,
}

impl Cutter<'_> {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        for &byte in line {
            match (self.state, byte) {
                (State::Start, b'"') => self.state = State::Quoted,
                (State::Quoted, b'"') => self.state = State::Closed,
                (State::Closed, b'"') => {
                    self.record.bytes.push(b'"');
                    self.state = State::Quoted;
                }
                (State::Quoted, _) => self.record.bytes.push(byte),
                (_, byte) if byte == self.delimiter => {
                    self.end_cell();
                    self.state = State::Start;
                    if self.record.cells.len() > MAX_CELLS {
                        return Err(format!("more than {MAX_CELLS} cells"));
                    }
                }
                // Text behind a closing quote is taken within a line. Lines further on it tells that the quote was a stray one.
                (State::Closed, byte) if self.spans && !byte.is_ascii_whitespace() => return Err("a quote that is never closed".to_owned()),
                (_, byte) => {
                    self.record.bytes.push(byte);
                    self.state = State::Plain;
                }
            }
        }
        if self.state != State::Quoted {
            self.spans = false;
        }
        Ok(())
    }

    fn end_cell(&mut self) {
        let to = self.record.bytes.len();
        self.record.cells.push((self.from, to));
        self.from = to;
    }
}

/// A line without its end.
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) too_long: bool,
    /// What ended the line before it.
    before: &'static [u8],
}

/// Lines of at most [`MAX_RECORD`] bytes; of a longer one nothing is kept.
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Lines to be read again.
    back: VecDeque<Line>,
}

impl<R> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, number: 0, after_cr: false, back: VecDeque::new() }
    }
}

impl<R: BufRead> Lines<R> {
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.back.pop_front() {
            return Ok(Some(line));
        }
        let before: &[u8] = if self.after_cr { b"\r" } else { b"\n" };
        let mut line = Line { number: self.number + 1, bytes: Vec::new(), too_long: false, before };
        let mut any = false;
        loop {
            let mut part = self.input.fill_buf()?;
            if part.is_empty() {
                self.number += u64::from(any);
                return Ok(any.then_some(line));
            }
            if self.after_cr {
                self.after_cr = false;
                if part[0] == b'\n' {
                    line.before = b"\r\n";
                    self.input.consume(1);
                    part = self.input.fill_buf()?;
                    if part.is_empty() {
                        continue;
                    }
                }
            }
            any = true;
            let end = memchr::memchr2(b'\n', b'\r', part);
            let text = &part[..end.unwrap_or(part.len())];
            if line.bytes.len() + text.len() > MAX_RECORD {
                line.too_long = true;
                line.bytes = Vec::new();
            }
            if !line.too_long {
                line.bytes.extend_from_slice(text);
            }
            let taken = text.len() + usize::from(end.is_some());
            if let Some(end) = end {
                self.after_cr = part[end] == b'\r';
                self.input.consume(taken);
                self.number += 1;
                return Ok(Some(line));
            }
            self.input.consume(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], delimiter: u8) -> (Vec<Vec<String>>, Vec<(u64, String)>) {
        let (mut records, mut record) = (Records::new(text, delimiter), Record::default());
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        loop {
            match records.read(&mut record).unwrap() {
                Outcome::Record => good.push(record.iter().map(|c| String::from_utf8_lossy(c).into_owned()).collect()),
                Outcome::Skipped(line, reason) => bad.push((line, reason)),
                Outcome::End => return (good, bad),
            }
        }
    }

    #[test]
    fn quotes_hide_delimiters_line_breaks_and_doubled_quotes() {
        let (good, bad) = read(b"\"a;b\";\"say \"\"hi\"\"\"\r\n1;\"two\nlines\"\r\n;\"\";x\"y\n", b';');
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(good, [vec!["a;b", "say \"hi\""], vec!["1", "two\nlines"], vec!["", "", "x\"y"]]);
        for end in ["\r", "\r\n", "\n\r"] {
            let cell = format!("two{end}lines");
            assert_eq!(read(format!("1,\"{cell}\"\n").as_bytes(), b',').0, [["1", &cell]], "text keeps its line ends");
        }
    }

    #[test]
    fn all_three_line_ends_are_known_and_lines_are_counted() {
        for text in ["a,b\n1,2\n\n3,4", "a,b\r\n1,2\r\n\r\n3,4\r\n", "a,b\r1,2\r\r3,4\r"] {
            let (mut records, mut record, mut lines) = (Records::new(text.as_bytes(), b','), Record::default(), Vec::new());
            while records.read(&mut record).unwrap() == Outcome::Record {
                lines.push((record.line(), record.len()));
            }
            assert_eq!(lines, [(1, 2), (2, 2), (4, 2)], "{text:?}");
        }
    }

    #[test]
    fn a_stray_quote_costs_its_own_line() {
        let (good, bad) = read(b"a,b\n1,\"open\n2,x\n3,y\n", b',');
        assert_eq!(good, [["a", "b"], ["2", "x"], ["3", "y"]]);
        assert_eq!((bad.len(), bad[0].0), (1, 2));
        let (good, bad) = read(b"1,\"x\n2,\"y\n3,z\n", b',');
        assert_eq!(good, [["3", "z"]], "two stray quotes are no cell of two lines");
        assert_eq!(bad.iter().map(|b| b.0).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn an_endless_cell_is_skipped_and_what_follows_is_read() {
        let long = vec![b'a'; MAX_RECORD + 10];
        for quote in ["", "\""] {
            let text = [b"a,b\n1,".as_slice(), quote.as_bytes(), &long, b"\n2,x\n"].concat();
            let (good, bad) = read(&text, b',');
            assert_eq!(good, [["a", "b"], ["2", "x"]]);
            assert!(bad[0].0 == 2 && bad[0].1.contains("bytes"), "{bad:?}");
        }
        let lines = vec![b"3,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".as_slice(); 300_000].concat();
        let (good, bad) = read(&[b"1,\"open\n".as_slice(), &lines].concat(), b',');
        assert_eq!((good.len(), bad.len()), (300_000, 1), "a quote opened over more than the bound");
    }
}
