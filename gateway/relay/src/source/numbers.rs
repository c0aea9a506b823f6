//! Numbers as spreadsheets and loggers write them: which mark is the decimal one, decided column by column.
//!
//! `1,5` can only be one and a half, `1,234.5` and `1.234,5` can only be one thousand and more, but `1,234` may be either.
//! A column is read by the cells that can only be one thing. Where it has none, the file's other columns decide, and then the
//! delimiter: a file whose cells are not parted by commas has its decimals parted by them.

/// How a column writes its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    decimal: char,
    /// What parts groups of thousands, beside blanks and apostrophes.
    group: Option<char>,
}

impl Style {
    /// `1234.5` and nothing else.
    const PLAIN: Self = Self { decimal: '.', group: None };
    /// `1,234.5`
    const DOT: Self = Self { decimal: '.', group: Some(',') };
    /// `1.234,5`
    const COMMA: Self = Self { decimal: ',', group: Some('.') };

    /// The style told by the options; what only one of them tells gives the other.
    pub(super) fn told(decimal: Option<char>, thousands: Option<char>) -> Option<Self> {
        match (decimal, thousands.map(plain_mark)) {
            (None, None) => None,
            (Some(decimal), None) => Some(if decimal == ',' { Self::COMMA } else { Self::DOT }),
            (None, Some('.')) => Some(Self::COMMA),
            (None, Some(mark)) => Some(Self { group: Some(mark), ..Self::PLAIN }),
            (Some(decimal), Some(mark)) => Some(Self { decimal, group: Some(mark) }),
        }
    }
}

/// All blanks are one mark, and all apostrophes another.
const fn plain_mark(mark: char) -> char {
    match mark {
        '\u{a0}' | '\u{202f}' | '\u{2009}' => ' ',
        '\u{2019}' => '\'',
        other => other,
    }
}

/// The number a cell writes in this style.
pub(super) fn parse(text: &str, style: Style) -> Option<f64> {
    if style.decimal == '.'
        && let Ok(number) = text.parse::<f64>()
    {
        return Some(number);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.strip_prefix(['+', '-', '\u{2212}']).unwrap_or(text);
    if text.starts_with(['-', '\u{2212}']) {
        out.push('-');
    }
    let (whole, tail) = rest.split_at(rest.find([style.decimal, 'e', 'E']).unwrap_or(rest.len()));
    let digits_before = out.len();
    ungroup(whole, style.group, &mut out)?;
    rest = tail;
    if let Some(fraction) = rest.strip_prefix(style.decimal) {
        let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        out.push('.');
        out.push_str(&fraction[..end]);
        rest = &fraction[end..];
    }
    let exponent = rest.strip_prefix(['e', 'E']);
    if !out[digits_before..].contains(|c: char| c.is_ascii_digit()) || (!rest.is_empty() && exponent.is_none()) {
        return None;
    }
    if let Some(exponent) = exponent {
        exponent.parse::<i32>().ok()?;
        out.push('e');
        out.push_str(exponent);
    }
    out.parse().ok()
}

/// Appends the digits of `whole` without the marks of its groups: one to three digits that do not begin with 0, then threes; or,
/// as in India, one or two digits, then twos parted by commas, then one three (`12,34,567`).
fn ungroup(whole: &str, group: Option<char>, out: &mut String) -> Option<()> {
    let mut marks = whole.chars().filter(|c| !c.is_ascii_digit()).map(plain_mark);
    let Some(mark) = marks.next() else {
        out.push_str(whole);
        return Some(());
    };
    if !(Some(mark) == group || matches!(mark, ' ' | '\'')) || marks.any(|other| other != mark) {
        return None;
    }
    let groups: Vec<&str> = whole.split(|c: char| !c.is_ascii_digit()).collect();
    let (first, rest) = groups.split_first().filter(|(first, _)| (1..=3).contains(&first.len()) && !first.starts_with('0'))?;
    let (last, middle) = rest.split_last().filter(|(last, _)| last.len() == 3)?;
    let are = |size: usize| middle.iter().all(|group| group.len() == size);
    let is_indian = mark == ',' && first.len() <= 2 && !middle.is_empty() && are(2);
    if !is_indian && !are(3) {
        return None;
    }
    out.push_str(first);
    for group in middle {
        out.push_str(group);
    }
    out.push_str(last);
    Some(())
}

/// What one cell tells about the style of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    /// It is the same number in every style.
    Neutral,
    /// Its decimal mark can only be the dot.
    Dot,
    /// Its decimal mark can only be the comma.
    Comma,
    /// One comma that parts thousands, or decimals.
    EitherComma,
    /// One dot that parts decimals, or thousands.
    EitherDot,
    /// No number.
    Text,
}

fn evidence(text: &str) -> Evidence {
    match (parse(text, Style::DOT), parse(text, Style::COMMA)) {
        (None, None) => Evidence::Text,
        (Some(n), _) if !n.is_finite() => Evidence::Neutral,
        (Some(_), None) => Evidence::Dot,
        // Groups of dots alone may be an address or a version.
        (None, Some(_)) => {
            if text.contains(',') {
                Evidence::Comma
            } else {
                Evidence::Text
            }
        }
        (Some(dot), Some(comma)) if dot.to_bits() == comma.to_bits() => Evidence::Neutral,
        (Some(_), Some(_)) => {
            if text.contains(',') {
                Evidence::EitherComma
            } else {
                Evidence::EitherDot
            }
        }
    }
}

/// Whether a text would be a number in one style or the other, groups of dots alone included.
pub(super) fn is_numeric(text: &str) -> bool {
    parse(text, Style::DOT).or_else(|| parse(text, Style::COMMA)).is_some()
}

#[derive(Clone, Debug, Default)]
struct Column {
    style: Option<Style>,
    dots: u64,
    commas: u64,
    either_comma: Option<(String, u64)>,
    either_dot: Option<(String, u64)>,
    numbers: u64,
    texts: u64,
}

/// The styles of a table's columns.
#[derive(Debug)]
pub(super) struct Numbers {
    told: Option<Style>,
    comma_delimited: bool,
    columns: Vec<Column>,
    notes: Vec<Guess>,
}

/// A column whose cells may be two numbers each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) column: usize,
    pub(super) line: u64,
    /// What was taken, and how to decide otherwise.
    pub(super) text: String,
    /// Whether another column's style alone speaks for it.
    pub(super) doubtful: bool,
}

impl Numbers {
    pub(super) fn new(columns: usize, delimiter: u8, told: Option<Style>) -> Self {
        Self { told, comma_delimited: delimiter == b',', columns: vec![Column::default(); columns], notes: Vec::new() }
    }

    /// Takes in one cell of the rows looked at ahead.
    pub(super) fn look(&mut self, column: usize, text: &str, line: u64) {
        if self.told.is_some() {
            return;
        }
        let Some(column) = self.columns.get_mut(column) else { return };
        let seen = evidence(text);
        *(if seen == Evidence::Text { &mut column.texts } else { &mut column.numbers }) += 1;
        let first = || (text.to_owned(), line);
        match seen {
            Evidence::Dot => column.dots += 1,
            Evidence::Comma => column.commas += 1,
            Evidence::EitherComma => drop(column.either_comma.get_or_insert_with(first)),
            Evidence::EitherDot => drop(column.either_dot.get_or_insert_with(first)),
            Evidence::Neutral | Evidence::Text => {}
        }
    }

    /// Decides all columns that the rows looked at tell something of.
    pub(super) fn decide(&mut self) {
        let certain = |c: &Column| match c.dots.cmp(&c.commas) {
            _ if c.texts > c.numbers => Some(Style::PLAIN),
            std::cmp::Ordering::Greater => Some(Style::DOT),
            std::cmp::Ordering::Less => Some(Style::COMMA),
            std::cmp::Ordering::Equal if c.dots > 0 => Some(if self.comma_delimited { Style::DOT } else { Style::COMMA }),
            std::cmp::Ordering::Equal => None,
        };
        let decided: Vec<Option<Style>> = self.columns.iter().map(certain).collect();
        for (column, style) in self.columns.iter_mut().zip(decided) {
            column.style = style;
        }
        for index in 0..self.columns.len() {
            self.settle(index);
        }
    }

    /// What the file's decided columns agree on.
    fn of_file(&self) -> Option<Style> {
        let has = |style: Style| self.columns.iter().any(|c| c.style == Some(style));
        match (has(Style::DOT), has(Style::COMMA)) {
            (true, false) => Some(Style::DOT),
            (false, true) => Some(Style::COMMA),
            _ => None,
        }
    }

    /// Decides a column whose numbers may be read in two ways. It stays open where none of them does.
    fn settle(&mut self, index: usize) {
        let column = &self.columns[index];
        if column.style.is_some() {
            return;
        }
        let (file, by_comma) = (self.of_file(), column.either_comma.clone());
        let Some((example, line)) = by_comma.clone().or_else(|| column.either_dot.clone()) else { return };
        let (style, by_file) = match (file, by_comma.is_some()) {
            (Some(style), _) => (style, true),
            (None, false) => (Style::DOT, false),
            (None, true) if self.comma_delimited => (Style::PLAIN, false),
            (None, true) => (Style::COMMA, false),
        };
        self.columns[index].style = Some(style);
        // Without any comma in the file a dot is a dot; a text is reported with the texts.
        if style == Style::PLAIN || (by_comma.is_none() && style == Style::DOT) {
            return;
        }
        let read = parse(&example, style).map_or_else(|| "text".to_owned(), |n| n.to_string());
        let why = if by_file { "as the file's other numbers are" } else { "as a decimal comma" };
        let text = format!("'{example}' is read as {read}, {why}; --decimal or --thousands decides otherwise");
        self.notes.push(Guess { column: index, line, text, doubtful: by_file && by_comma.is_none() });
    }

    /// The number in a cell; `None` where it is text.
    pub(super) fn number(&mut self, index: usize, text: &str, line: u64) -> Option<f64> {
        if let Some(style) = self.told {
            return parse(text, style);
        }
        let Some(column) = self.columns.get_mut(index) else { return parse(text, Style::PLAIN) };
        if let Some(style) = column.style {
            return parse(text, style);
        }
        // What most open columns hold; the same in every style.
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().ok();
        }
        match evidence(text) {
            Evidence::Text => return None,
            Evidence::Neutral => {}
            Evidence::Dot => column.style = Some(Style::DOT),
            Evidence::Comma => column.style = Some(Style::COMMA),
            Evidence::EitherComma | Evidence::EitherDot => {
                self.look(index, text, line);
                self.settle(index);
            }
        }
        parse(text, self.columns[index].style.unwrap_or(Style::DOT))
    }

    /// Columns whose cells may be two numbers each, since they were asked for last.
    pub(super) fn take_guesses(&mut self) -> Vec<Guess> {
        std::mem::take(&mut self.notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a table's columns, and the guesses.
    fn values(delimiter: u8, told: Option<Style>, columns: &[&[&str]]) -> (Vec<Vec<Option<f64>>>, Vec<Guess>) {
        let mut numbers = Numbers::new(columns.len(), delimiter, told);
        for (index, column) in columns.iter().enumerate() {
            column.iter().for_each(|cell| numbers.look(index, cell, 2));
        }
        numbers.decide();
        let read = |(index, column): (usize, &&[&str])| column.iter().map(|cell| numbers.number(index, cell, 2)).collect();
        let values = columns.iter().enumerate().map(read).collect();
        (values, numbers.take_guesses())
    }

    #[test]
    fn cells_that_can_only_be_one_number_decide_their_column() {
        let (read, guesses) = values(
            b';',
            None,
            &[
                &["123,5", "124,75", "6500"],
                &["1.234,5", "1.234", "12"],
                &["1,234,567.5", "6,500"],
                &["12.5", "-3.25e2"],
                &["0,050", "1,050"],
            ],
        );
        let some = |numbers: &[f64]| numbers.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(read[0], some(&[123.5, 124.75, 6500.0]));
        assert_eq!(read[1], some(&[1234.5, 1234.0, 12.0]));
        assert_eq!(read[2], some(&[1_234_567.5, 6500.0]));
        assert_eq!(read[3], some(&[12.5, -325.0]));
        assert_eq!(read[4], some(&[0.05, 1.05]));
        assert!(guesses.is_empty(), "{guesses:?}");
    }

    #[test]
    fn the_file_and_then_the_delimiter_decide_what_may_be_two_numbers() {
        let (read, guesses) = values(b',', None, &[&["6,500"], &["1,234,567.5"]]);
        assert_eq!((read[0][0], guesses.len(), guesses[0].doubtful), (Some(6500.0), 1, false), "by the file");
        let (read, guesses) = values(b';', None, &[&["6,500"], &["7"]]);
        assert_eq!((read[0][0], guesses.len()), (Some(6.5), 1), "by the delimiter, and reported");
        let (read, _) = values(b',', None, &[&["6,500"], &["7"]]);
        assert_eq!(read[0][0], None, "nothing decides: no number");
        let (read, guesses) = values(b';', None, &[&["1.234"], &["1,5"]]);
        assert_eq!((read[0][0], guesses[0].doubtful), (Some(1234.0), true));
        let (read, guesses) = values(b';', None, &[&["1.234"], &["7"]]);
        assert_eq!((read[0][0], guesses.len()), (Some(1.234), 0));
    }

    #[test]
    fn options_decide_for_all_columns() {
        for (decimal, thousands, cell, number) in [
            (Some(','), None, "1.234", Some(1234.0)),
            (Some(','), None, "12.5", None),
            (Some('.'), None, "6,500", Some(6500.0)),
            (None, Some(','), "6,500", Some(6500.0)),
            (None, Some('.'), "6.500,5", Some(6500.5)),
            (Some(','), Some(' '), "1 234,5", Some(1234.5)),
            (None, Some('\''), "1'234.5", Some(1234.5)),
            (None, Some('_'), "1_234", Some(1234.0)),
        ] {
            assert_eq!(values(b',', Style::told(decimal, thousands), &[&[cell]]).0[0][0], number, "{cell}");
        }
    }

    #[test]
    fn blanks_apostrophes_signs_and_exponents() {
        for (text, number) in
            [("1\u{a0}234\u{a0}567,5", 1_234_567.5), ("\u{2212}1,5", -1.5), ("+1,5E+03", 1500.0), (",5", 0.5), ("1\u{2019}234,5", 1234.5)]
        {
            assert_eq!(parse(text, Style::COMMA), Some(number), "{text}");
        }
        for text in ["1,2,3", "12 34", "1..2", ",", "-", "1,5 km/h", "192.168.1.1", "e5", "1e", "01.234", "1,5e", "2026-02-18"] {
            assert_eq!(parse(text, Style::COMMA), None, "{text}");
        }
    }

    #[test]
    fn groups_as_in_india_can_only_be_thousands() {
        let (read, guesses) = values(b',', None, &[&["12,34,567", "1,23,456.5", "7"]]);
        assert_eq!((read[0].as_slice(), guesses.len()), ([Some(1_234_567.0), Some(123_456.5), Some(7.0)].as_slice(), 0));
        for text in ["123,45,678", "1,2,345", "12,34", "12,34,56", "01,23,456"] {
            assert_eq!(parse(text, Style::DOT), None, "{text}");
        }
    }

    #[test]
    fn a_text_column_stays_one() {
        let (read, _) = values(b';', None, &[&["ok", "fast", "1,5"]]);
        assert_eq!(read[0], [None, None, None]);
        let (read, _) = values(b',', None, &[&["192.168.100.200", "10.0.0.1"]]);
        assert_eq!(read[0], [None, None]);
    }
}
