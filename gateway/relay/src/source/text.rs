//! From a file's bytes to UTF-8: byte order marks, UTF-16, and files that are no text.
//!
//! U+FEFF is a mark at a file's start and, in files that were put together, at a line's start; at the edges of a name or a cell
//! it is a blank. Anywhere else it is text.

use std::io::{self, BufRead, BufReader, Read};

use super::input::Input;

/// Bytes looked at to tell whether a file is text.
const LOOKED_AT: usize = 4_096;
/// Bytes looked at to tell UTF-16 without a mark: a header's first words.
const FIRST_WORDS: usize = 32;

/// U+FEFF in UTF-8.
const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
/// What to do with text that is in no encoding that is known.
pub(crate) const CONVERT: &str =
    "convert the file first, as by iconv -f ENCODING -t UTF-8 (WINDOWS-1252 in the west, CP1251 in Cyrillic, SHIFT-JIS in Japanese)";

/// The bytes without byte order marks before them.
pub(crate) fn unmarked(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(&MARK) {
        bytes = rest;
    }
    bytes
}

/// Whether a byte is one of a byte order mark.
pub(super) const fn is_of_mark(byte: u8) -> bool {
    matches!(byte, 0xEF | 0xBB | 0xBF)
}

/// The text of a name or a cell without blanks and byte order marks around it.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Yields the text of `input` as UTF-8 without a byte order mark. Bytes that are no UTF-8 pass as they are: each cell and
/// line is checked where it is used.
pub(crate) fn decoded(mut input: Input) -> io::Result<Input> {
    let first = input.fill_buf()?;
    if let Encoding::Utf16 { big, mark } = encoding(first) {
        input.consume(if mark { 2 } else { 0 });
        input = Box::new(BufReader::with_capacity(1 << 16, Utf16 { input, big, held: Vec::new(), ready: Vec::new(), taken: 0 }));
    }
    // Programs that add a mark to a file that has one make it two.
    while input.fill_buf()?.starts_with(&MARK) {
        input.consume(MARK.len());
    }
    Ok(input)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { big: bool, mark: bool },
}

/// Tells the encoding by its mark; UTF-16 without one by the zeros that Latin letters have in it.
fn encoding(first: &[u8]) -> Encoding {
    match first {
        [0xEF, 0xBB, 0xBF, ..] => return Encoding::Utf8,
        [0xFF, 0xFE, ..] => return Encoding::Utf16 { big: false, mark: true },
        [0xFE, 0xFF, ..] => return Encoding::Utf16 { big: true, mark: true },
        _ => {}
    }
    let looked_at = &first[..first.len().min(FIRST_WORDS)];
    let zeros = |odd: usize| looked_at.iter().skip(odd).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), looked_at.len() / 2);
    if half >= 2 && even == 0 && odd * 10 >= half * 9 {
        return Encoding::Utf16 { big: false, mark: false };
    }
    if half >= 2 && odd == 0 && even * 10 >= half * 9 {
        return Encoding::Utf16 { big: true, mark: false };
    }
    Encoding::Utf8
}

/// What a file is that begins like this and is neither a table nor JSON; `None` where it may be one.
pub(super) fn foreign(first: &[u8]) -> Option<&'static str> {
    match first {
        [b'P', b'A', b'R', b'1', ..] => Some("the file is Parquet, which `slipstream import` reads"),
        [b'P', b'K', 3, 4, ..] => Some("the file is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some("the file is compressed with zstd; unpack it first, or compress it with gzip"),
        [b'B', b'Z', b'h', _, 0x31, 0x41, 0x59, 0x26, ..] => {
            Some("the file is compressed with bzip2; unpack it first, or compress it with gzip")
        }
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some("the file is compressed with xz; unpack it first, or compress it with gzip"),
        _ => None,
    }
}

/// Whether these first bytes of a file are none of a text. Loggers that lose their power leave zeros in tables, so that a file
/// whose header is found is a table all the same.
pub(super) fn is_binary(first: &[u8]) -> bool {
    let looked_at = &first[..first.len().min(LOOKED_AT)];
    let odd = |b: &&u8| matches!(**b, 1..=8 | 14..=26 | 28..=31 | 127);
    memchr::memchr(0, looked_at).is_some() || looked_at.iter().filter(odd).count() * 20 > looked_at.len()
}

/// UTF-16 read as UTF-8; lone halves of a pair become U+FFFD.
struct Utf16 {
    input: Input,
    big: bool,
    /// Bytes of a unit, or of a pair, whose rest has not come yet.
    held: Vec<u8>,
    ready: Vec<u8>,
    taken: usize,
}

impl Utf16 {
    fn refill(&mut self) -> io::Result<()> {
        (self.taken, self.ready) = (0, Vec::new());
        while self.ready.is_empty() {
            let chunk = self.input.fill_buf()?;
            let (read, ended) = (chunk.len(), chunk.is_empty());
            self.held.extend_from_slice(chunk);
            self.input.consume(read);
            let pairs = self.held.chunks_exact(2);
            let mut units: Vec<u16> =
                pairs.map(|p| if self.big { u16::from_be_bytes([p[0], p[1]]) } else { u16::from_le_bytes([p[0], p[1]]) }).collect();
            let mut rest = self.held.len() % 2;
            if !ended && units.last().is_some_and(|last| (0xD800..0xDC00).contains(last)) {
                units.pop();
                rest += 2;
            }
            self.held.drain(..self.held.len() - rest);
            let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>();
            self.ready = text.into_bytes();
            if ended {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Read for Utf16 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.ready.len() {
            self.refill()?;
        }
        let n = buffer.len().min(self.ready.len() - self.taken);
        buffer[..n].copy_from_slice(&self.ready[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}

/// Text of a file as a message may show it: short, and without characters that steer a terminal.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    clean(&short)
}

/// The same at any length: control characters and marks of direction are written as escapes.
pub(crate) fn clean(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(steers) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        if steers(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn text_of(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        // Small reads cut units and pairs apart.
        let input = BufReader::with_capacity(3, Cursor::new(bytes));
        decoded(Box::new(input)).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn utf_16_in_both_orders_with_and_without_a_mark_is_read_as_utf_8() {
        let text = "t_s,vehicle_id,speed\n0,café 🚗,1\n";
        for big in [false, true] {
            let bytes = |mark: bool| -> Vec<u8> {
                let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
                units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
            };
            assert_eq!(text_of(bytes(true)), text, "big endian: {big}");
            let unmarked = Box::new(BufReader::new(Cursor::new(bytes(false))));
            let mut read = String::new();
            decoded(unmarked).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, text, "big endian: {big}, no mark");
        }
        assert_eq!(text_of([b"\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat()), text);
        assert_eq!(text_of(text.as_bytes().to_vec()), text);
    }

    #[test]
    fn marks_are_no_text_at_the_edges() {
        assert_eq!((trimmed("\u{feff} a \u{feff}"), unmarked(b"\xEF\xBB\xBF\xEF\xBB\xBFx")), ("a", b"x".as_slice()));
    }

    #[test]
    fn files_of_other_kinds_are_named_and_text_is_left_alone() {
        for (bytes, named) in [(&b"PAR1\x15\x04"[..], "Parquet"), (b"PK\x03\x04\x14\0", "Excel"), (b"\x28\xB5\x2F\xFD\0", "zstd")] {
            assert!(foreign(bytes).unwrap().contains(named), "{named}");
        }
        for bytes in [&b"\x7fELF\x02\x01\x01\0\0"[..], b"\x01\x02\x03a\x1b[31mRED"] {
            assert!(foreign(bytes).is_none() && is_binary(bytes));
        }
        for text in ["t_s,vehicle_id\n", "", "caf\u{e9};x\n", "{\"a\":1}"] {
            assert!(foreign(text.as_bytes()).is_none() && !is_binary(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_shown() {
        assert_eq!(shown("a\u{1b}[31mRED"), "a\\u{1b}[31mRED");
        assert_eq!(clean("right\u{202e}left\n"), "right\\u{202e}left\\n");
    }
}
