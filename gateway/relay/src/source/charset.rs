//! Tables in Windows-1252, which old spreadsheets write and which Latin-1 is part of.

use encoding_rs::WINDOWS_1252;

use super::{Remark, records::Record};

/// Words of the languages that Windows-1252 is for have fewer letters in a row that are none of ASCII's.
const MAX_IN_A_ROW: usize = 3;

/// The text of bytes in Windows-1252; `None` where a byte stands for nothing in it, or for nothing that is text, and where words of
/// such letters alone show another encoding.
pub(super) fn windows_1252(bytes: &[u8]) -> Option<String> {
    if bytes.split(u8::is_ascii).any(|letters| letters.len() > MAX_IN_A_ROW) {
        return None;
    }
    let text = WINDOWS_1252.decode_without_bom_handling(bytes).0;
    // A byte that stands for nothing is decoded as the control character of its number.
    let is_text = text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace());
    is_text.then(|| text.into_owned())
}

/// The encoding of a table's records, found out as they are read: UTF-8, or Windows-1252 where the first record with other letters
/// than ASCII's is no UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Charset {
    is_utf8: bool,
    /// The first line that is read as Windows-1252.
    first: Option<u64>,
}

impl Charset {
    /// Makes a record UTF-8 where the file's encoding is known; its cells are checked where they are used.
    pub(super) fn settle(&mut self, record: &mut Record) {
        if record.bytes().is_ascii() {
            return;
        }
        if std::str::from_utf8(record.bytes()).is_ok() {
            self.is_utf8 |= self.first.is_none();
        } else if !self.is_utf8 && record.recode(windows_1252) {
            self.first.get_or_insert(record.line());
        }
    }

    /// What is to be said of it.
    pub(super) fn remark(self) -> Option<Remark> {
        let text = "it is no UTF-8 and is read as Windows-1252 (Latin-1); where it is in another encoding, convert it first, as by iconv -f CP1251 -t UTF-8";
        self.first.map(|line| Remark::new(line, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_1252_has_its_own_letters_and_some_bytes_are_none() {
        assert_eq!(windows_1252(b"Temp (\xb0C) \x80 \x93x\x94").as_deref(), Some("Temp (°C) € “x”"));
        assert_eq!(windows_1252(b"\xf1\xea\xee\xf0\xee\xf1\xf2\xfc"), None, "a word in Windows-1251");
        assert_eq!((windows_1252(b"\x81"), windows_1252(b"a\0\xe9")), (None, None));
    }
}
