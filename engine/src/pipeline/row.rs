//! What passes between operators.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Serialize};
use slipstream_protocol::{Quality, SignalValue, Timestamp};

use super::symbols::{Key, SignalId};

/// A text value; one word wide, so that a [`Cell`] stays at 24 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Text(Arc<Box<str>>);

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Arc::new(text.into()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Arc::new(text.into_boxed_str()))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// One value of one signal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing was measured, or what was measured is not to be believed.
    #[default]
    Null,
    /// A finite number, in the unit the signal's name tells.
    Number(f64),
    /// A switch.
    Bool(bool),
    /// Text, for states and labels.
    Text(Text),
}

impl Value {
    /// The value as a number: switches are 1 and 0; text and null have none.
    #[inline]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Null | Self::Text(_) => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(t) => Some(t),
            _ => None,
        }
    }

    /// A number, or null where it is not finite.
    #[inline]
    pub fn finite(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Null }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::finite(number)
    }
}

impl From<bool> for Value {
    fn from(switch: bool) -> Self {
        Self::Bool(switch)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&SignalValue> for Value {
    fn from(value: &SignalValue) -> Self {
        match value {
            SignalValue::Number(n) => Self::finite(*n),
            SignalValue::Bool(b) => Self::Bool(*b),
            SignalValue::Text(t) => Self::Text((&**t).into()),
        }
    }
}

/// One signal of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Which signal; its name is in [`super::Scope::signals`].
    pub signal: SignalId,
    /// How far the value can be trusted. Aggregates leave out what is [`Quality::Bad`].
    pub quality: Quality,
    /// The value.
    pub value: Value,
}

/// How settled a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// The result so far of a period that is still open; a later row with the same key and `start` replaces it.
    Early,
    /// A measured sample, or the result of a period the watermark has passed.
    #[default]
    Final,
    /// The result of a closed period made anew because of late rows; it replaces the one with the same key and `start`.
    Correction,
}

/// What one key has to say about one moment or one period.
///
/// A signal appears at most once in a row. An absent signal was not sent with this row; [`Value::Null`] says it was sent
/// and is not to be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Whose row it is: the vehicle, unless the source is keyed otherwise. Its name is in [`super::Scope::keys`].
    pub key: Key,
    /// Early, final or correction.
    pub kind: RowKind,
    /// Event time. For a period: its last moment (a window `[0 s, 10 s)` has 9.999999 s), so that the row belongs to the
    /// period it speaks of.
    pub time: Timestamp,
    /// Where the period begins; the same as `time` for a moment.
    pub start: Timestamp,
    /// The signals, in no promised order.
    pub cells: Vec<Cell>,
}

impl Row {
    /// The cell of `signal`, if the row has it. Rows are short: this is a scan, faster than a map.
    #[inline]
    pub fn cell(&self, signal: SignalId) -> Option<&Cell> {
        self.cells.iter().find(|c| c.signal == signal)
    }

    /// The cell of `signal`, to change it.
    #[inline]
    pub fn cell_mut(&mut self, signal: SignalId) -> Option<&mut Cell> {
        self.cells.iter_mut().find(|c| c.signal == signal)
    }

    /// The number under `signal`, unless it is absent, null, text or of bad quality.
    #[inline]
    pub fn number(&self, signal: SignalId) -> Option<f64> {
        self.cell(signal).filter(|c| c.quality != Quality::Bad).and_then(|c| c.value.as_number())
    }

    /// Sets `signal`, in place or as a new cell.
    pub fn set(&mut self, signal: SignalId, value: impl Into<Value>, quality: Quality) {
        let value = value.into();
        match self.cell_mut(signal) {
            Some(cell) => (cell.value, cell.quality) = (value, quality),
            None => self.cells.push(Cell { signal, quality, value }),
        }
    }

    /// Adds a cell of good quality. The signal must not be in the row yet; use [`Row::set`] where it may be.
    #[inline]
    pub fn add(&mut self, signal: SignalId, value: impl Into<Value>) {
        self.cells.push(Cell { signal, quality: Quality::Good, value: value.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_three_words_and_a_row_seven() {
        assert_eq!(size_of::<Cell>(), 24);
        assert!(size_of::<Row>() <= 56, "{}", size_of::<Row>());
    }

    #[test]
    fn bad_values_and_nulls_are_no_numbers() {
        let s = SignalId::from_index(0);
        let mut row =
            Row { key: Key::from_index(0), kind: RowKind::Final, time: Timestamp::default(), start: Timestamp::default(), cells: vec![] };
        row.set(s, 4.0, Quality::Good);
        assert_eq!(row.number(s), Some(4.0));
        row.set(s, 4.0, Quality::Bad);
        assert_eq!(row.number(s), None);
        row.set(s, f64::NAN, Quality::Good);
        assert_eq!((row.cells.len(), row.number(s)), (1, None));
    }
}
