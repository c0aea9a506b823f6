//! JSON values one after the other: the elements of an array, or values written over several lines. Each is bounded as a line is.

use std::io::{self, BufRead};

use super::{records::MAX_RECORD, text::is_of_mark};

/// One value's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// The line it begins in, from 1.
    pub(super) line: u64,
    pub(super) bytes: Vec<u8>,
    /// Why it cannot be used, where it cannot.
    pub(super) flaw: Option<String>,
}

/// Reads values; brackets around them and commas between them are passed over.
pub(super) struct Values<R> {
    input: R,
    line: u64,
}

/// Where in a value the reader is.
#[derive(Default)]
struct Place {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Place {
    /// Whether the value is whole before (`Some(false)`) or with (`Some(true)`) this byte.
    const fn step(&mut self, byte: u8) -> Option<bool> {
        if self.in_string {
            match (self.escaped, byte) {
                (true, _) => self.escaped = false,
                (false, b'\\') => self.escaped = true,
                (false, b'"') => self.in_string = false,
                _ => {}
            }
            return None;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Some(true);
                }
            }
            b',' | b']' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => return Some(false),
            _ => {}
        }
        None
    }
}

impl<R: BufRead> Values<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, line: 1 }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Text>> {
        let mut text: Option<Text> = None;
        let mut place = Place::default();
        loop {
            let part = self.input.fill_buf()?;
            if part.is_empty() {
                if let Some(text) = text.as_mut().filter(|_| place.depth > 0 || place.in_string) {
                    text.flaw = Some("the file ends within this value".to_owned());
                }
                return Ok(text);
            }
            let (mut taken, mut whole) = (0, false);
            for &byte in part {
                if text.is_none() {
                    if byte.is_ascii_whitespace() || is_of_mark(byte) || matches!(byte, b',' | b'[' | b']') {
                        taken += 1;
                        self.line += u64::from(byte == b'\n');
                        continue;
                    }
                    text = Some(Text { line: self.line, bytes: Vec::new(), flaw: None });
                }
                let Some(text) = &mut text else { continue };
                let end = place.step(byte);
                if end != Some(false) {
                    taken += 1;
                    self.line += u64::from(byte == b'\n');
                    if text.bytes.len() >= MAX_RECORD {
                        text.bytes = Vec::new();
                        text.flaw = Some(format!("a value of more than {MAX_RECORD} bytes"));
                    }
                    if text.flaw.is_none() {
                        text.bytes.push(byte);
                    }
                }
                if end.is_some() {
                    whole = true;
                    break;
                }
            }
            self.input.consume(taken);
            if whole {
                return Ok(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(u64, String, bool)> {
        // Small reads cut values apart.
        let mut values = Values::new(io::BufReader::with_capacity(3, text.as_bytes()));
        std::iter::from_fn(|| values.next().unwrap()).map(|t| (t.line, String::from_utf8(t.bytes).unwrap(), t.flaw.is_some())).collect()
    }

    #[test]
    fn elements_and_values_over_lines_are_cut_out() {
        let value = |line, text: &str| (line, text.to_owned(), false);
        assert_eq!(all("[{\"a\":[1,\"]}\\\"\"]},\n {\"b\":2}]\n"), [value(1, "{\"a\":[1,\"]}\\\"\"]}"), value(2, "{\"b\":2}")]);
        assert_eq!(all("{\n \"a\": 1\n}\n{\"b\":2}"), [value(1, "{\n \"a\": 1\n}"), value(4, "{\"b\":2}")]);
        assert_eq!(all("[1, \"x,y\"]"), [value(1, "1"), value(1, "\"x,y\"")]);
        assert_eq!(all("[]"), []);
        assert_eq!(all("[{\"a\":1},\n{\"b\":"), [value(1, "{\"a\":1}"), (2, "{\"b\":".to_owned(), true)]);
    }

    #[test]
    fn an_endless_value_is_not_held() {
        let long = format!("[{{\"a\":\"{}\"}},{{\"b\":1}}]", "x".repeat(MAX_RECORD));
        let mut values = Values::new(long.as_bytes());
        let first = values.next().unwrap().unwrap();
        assert!(first.bytes.is_empty() && first.flaw.unwrap().contains("bytes"));
        assert_eq!(values.next().unwrap().unwrap().bytes, b"{\"b\":1}");
    }
}
