//! Expressions over a row: CEL's grammar (read by the `cel` crate), compiled to a tree that looks signals up by number.
//!
//! Pure and bounded: no loops, no macros, no state, at most [`MAX_LENGTH`] characters and [`MAX_DEPTH`] levels. A signal is
//! written as its name (`speed_mps`, `tires.frontLeft.temp`), or as `signal("any name")`. What differs from CEL on purpose:
//!
//! - all numbers are doubles, so `speed_mps * 3` needs no `3.0`; a switch counts as 0 or 1 in sums;
//! - a signal that is absent, null or of bad quality is *unknown*. What is made of an unknown is unknown, but `false && x` is
//!   false and `true || x` is true whatever `x` is. `present(x)` asks, `coalesce(x, 0)` stands in;
//! - a result that is not finite (division by zero) is unknown.
//!
//! Operators: `+ - * / %`, `== != < <= > >=`, `&& || !`, `a ? b : c`, `x in [..]`. Functions: `abs sqrt pow exp ln log10 sin
//! cos tan atan2 hypot floor ceil round min max clamp sign coalesce present size`, and on texts `.startsWith() .endsWith()
//! .contains()`. About the row: `row.key`, `row.kind` ("early", "final", "correction"), `row.time_s`, `row.start_s` (s since
//! 1970), `row.span_s` (s).

mod compile;
mod evaluate;
#[cfg(test)]
mod tests;

use slipstream_protocol::Quality;

use super::{Row, Scope, SignalId, Symbols, Value};
use evaluate::Answer;

/// Longest expression, in characters.
pub const MAX_LENGTH: usize = 2_000;
/// Deepest nesting.
pub const MAX_DEPTH: u16 = 48;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
    signals: Vec<SignalId>,
}

/// A function of numbers.
type Function = fn(&[f64]) -> f64;

#[derive(Clone, Debug)]
enum Node {
    Null,
    Number(f64),
    Bool(bool),
    Text(super::Text),
    Signal(SignalId),
    Row(RowField),
    Negate(Box<Node>),
    Not(Box<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Arithmetic(Arithmetic, Box<(Node, Node)>),
    Compare(Compare, Box<(Node, Node)>),
    If(Box<(Node, Node, Node)>),
    In(Box<Node>, Vec<Node>),
    Function(Function, Vec<Node>),
    TextTest(TextTest, Box<(Node, Node)>),
    Coalesce(Vec<Node>),
    Present(Box<Node>),
    Size(Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowField {
    Key,
    Kind,
    Time,
    Start,
    Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

impl Expression {
    /// Compiles `text`. `Err` says what is wrong, and where, in words for the person who wrote it.
    pub fn compile(text: &str, signals: &mut Symbols<SignalId>) -> Result<Self, String> {
        compile::compile(text, signals)
    }

    /// The value for a row; [`Value::Null`] where it is unknown.
    pub fn value(&self, row: &Row, scope: &Scope) -> Value {
        match self.root.answer(row, scope) {
            Answer::Unknown => Value::Null,
            Answer::Number(n) => Value::finite(n),
            Answer::Bool(b) => Value::Bool(b),
            Answer::Text(t) => Value::Text((&*t).into()),
        }
    }

    /// The value as a number; `None` where it is unknown or text.
    #[inline]
    pub fn number(&self, row: &Row, scope: &Scope) -> Option<f64> {
        self.root.answer(row, scope).number()
    }

    /// Whether it holds; `None` where that is unknown. Numbers hold unless they are zero.
    #[inline]
    pub fn holds(&self, row: &Row, scope: &Scope) -> Option<bool> {
        self.root.answer(row, scope).truth()
    }

    /// The worst quality among the signals the expression names, as far as the row has them and they are not bad.
    pub fn quality(&self, row: &Row) -> Quality {
        let qualities = self.signals.iter().filter_map(|s| row.cell(*s)).map(|c| c.quality).filter(|q| *q != Quality::Bad);
        qualities.min().unwrap_or(Quality::Good)
    }

    /// The signals it names.
    pub fn signals(&self) -> &[SignalId] {
        &self.signals
    }
}
