//! The value of a compiled expression.

use std::borrow::Cow;

use slipstream_protocol::Quality;

use super::{Arithmetic, Compare, Node, RowField, TextTest};
use crate::pipeline::{Row, RowKind, Scope, Value};

/// A value on its way up the tree.
#[derive(Clone, Debug)]
pub(super) enum Answer<'a> {
    Unknown,
    Number(f64),
    Bool(bool),
    Text(Cow<'a, str>),
}

/// The most arguments a function of numbers takes.
pub(super) const MAX_ARGUMENTS: usize = 16;

impl Answer<'_> {
    #[inline]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(n) if n.is_finite() => Some(*n),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            Self::Number(n) if n.is_finite() => Some(*n != 0.0),
            _ => None,
        }
    }

    fn of(number: Option<f64>) -> Self {
        number.filter(|n| n.is_finite()).map_or(Self::Unknown, Self::Number)
    }

    fn of_truth(truth: Option<bool>) -> Self {
        truth.map_or(Self::Unknown, Self::Bool)
    }

    fn is_known(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Number(n) => n.is_finite(),
            _ => true,
        }
    }
}

impl Node {
    pub(super) fn answer<'a>(&'a self, row: &'a Row, scope: &'a Scope) -> Answer<'a> {
        match self {
            Self::Null => Answer::Unknown,
            Self::Number(n) => Answer::Number(*n),
            Self::Bool(b) => Answer::Bool(*b),
            Self::Text(t) => Answer::Text(Cow::Borrowed(t)),
            Self::Signal(signal) => match row.cell(*signal) {
                Some(cell) if cell.quality != Quality::Bad => match &cell.value {
                    Value::Null => Answer::Unknown,
                    Value::Number(n) => Answer::Number(*n),
                    Value::Bool(b) => Answer::Bool(*b),
                    Value::Text(t) => Answer::Text(Cow::Borrowed(t)),
                },
                _ => Answer::Unknown,
            },
            Self::Row(field) => about_row(*field, row, scope),
            Self::Negate(x) => Answer::of(x.answer(row, scope).number().map(|n| -n)),
            Self::Not(x) => Answer::of_truth(x.answer(row, scope).truth().map(|b| !b)),
            Self::And(pair) => match (pair.0.answer(row, scope).truth(), &pair.1) {
                (Some(false), _) => Answer::Bool(false),
                (first, second) => match (first, second.answer(row, scope).truth()) {
                    (_, Some(false)) => Answer::Bool(false),
                    (Some(true), Some(true)) => Answer::Bool(true),
                    _ => Answer::Unknown,
                },
            },
            Self::Or(pair) => match (pair.0.answer(row, scope).truth(), &pair.1) {
                (Some(true), _) => Answer::Bool(true),
                (first, second) => match (first, second.answer(row, scope).truth()) {
                    (_, Some(true)) => Answer::Bool(true),
                    (Some(false), Some(false)) => Answer::Bool(false),
                    _ => Answer::Unknown,
                },
            },
            Self::Arithmetic(op, pair) => arithmetic(*op, &pair.0.answer(row, scope), &pair.1.answer(row, scope)),
            Self::Compare(op, pair) => Answer::of_truth(compare(*op, &pair.0.answer(row, scope), &pair.1.answer(row, scope))),
            Self::If(parts) => match parts.0.answer(row, scope).truth() {
                Some(true) => parts.1.answer(row, scope),
                Some(false) => parts.2.answer(row, scope),
                None => Answer::Unknown,
            },
            Self::In(x, list) => {
                let x = x.answer(row, scope);
                if !x.is_known() {
                    return Answer::Unknown;
                }
                Answer::Bool(list.iter().any(|one| compare(Compare::Equal, &x, &one.answer(row, scope)) == Some(true)))
            }
            Self::Function(function, arguments) => call(*function, arguments, row, scope),
            Self::TextTest(test, pair) => match (pair.0.answer(row, scope), pair.1.answer(row, scope)) {
                (Answer::Text(text), Answer::Text(part)) => Answer::Bool(match test {
                    TextTest::StartsWith => text.starts_with(&*part),
                    TextTest::EndsWith => text.ends_with(&*part),
                    TextTest::Contains => text.contains(&*part),
                }),
                _ => Answer::Unknown,
            },
            Self::Coalesce(list) => list.iter().map(|one| one.answer(row, scope)).find(Answer::is_known).unwrap_or(Answer::Unknown),
            Self::Present(x) => Answer::Bool(x.answer(row, scope).is_known()),
            Self::Size(x) => match x.answer(row, scope) {
                Answer::Text(text) => Answer::Number(text.chars().count() as f64),
                _ => Answer::Unknown,
            },
        }
    }
}

fn about_row<'a>(field: RowField, row: &Row, scope: &'a Scope) -> Answer<'a> {
    match field {
        RowField::Key => Answer::Text(Cow::Borrowed(scope.keys.name(row.key))),
        RowField::Kind => Answer::Text(Cow::Borrowed(match row.kind {
            RowKind::Early => "early",
            RowKind::Final => "final",
            RowKind::Correction => "correction",
        })),
        RowField::Time => Answer::Number(row.time.secs_f64()),
        RowField::Start => Answer::Number(row.start.secs_f64()),
        RowField::Span => Answer::Number((row.time - row.start) as f64 / 1e6),
    }
}

fn arithmetic(op: Arithmetic, a: &Answer<'_>, b: &Answer<'_>) -> Answer<'static> {
    if let (Arithmetic::Add, Answer::Text(text), Answer::Text(more)) = (op, a, b) {
        return Answer::Text(Cow::Owned(format!("{text}{more}")));
    }
    let (Some(x), Some(y)) = (a.number(), b.number()) else { return Answer::Unknown };
    Answer::of(Some(match op {
        Arithmetic::Add => x + y,
        Arithmetic::Subtract => x - y,
        Arithmetic::Multiply => x * y,
        Arithmetic::Divide => x / y,
        Arithmetic::Remainder => x % y,
    }))
}

fn compare(op: Compare, a: &Answer<'_>, b: &Answer<'_>) -> Option<bool> {
    let order = match (a, b) {
        (Answer::Text(x), Answer::Text(y)) => x.cmp(y),
        (Answer::Text(_), Answer::Number(_) | Answer::Bool(_)) | (Answer::Number(_) | Answer::Bool(_), Answer::Text(_)) => {
            return match op {
                Compare::Equal => Some(false),
                Compare::NotEqual => Some(true),
                _ => None,
            };
        }
        _ => a.number()?.partial_cmp(&b.number()?)?,
    };
    Some(match op {
        Compare::Equal => order.is_eq(),
        Compare::NotEqual => order.is_ne(),
        Compare::Less => order.is_lt(),
        Compare::LessOrEqual => order.is_le(),
        Compare::Greater => order.is_gt(),
        Compare::GreaterOrEqual => order.is_ge(),
    })
}

fn call<'a>(function: super::Function, arguments: &'a [Node], row: &'a Row, scope: &'a Scope) -> Answer<'a> {
    let mut numbers = [0.0; MAX_ARGUMENTS];
    for (number, argument) in numbers.iter_mut().zip(arguments) {
        match argument.answer(row, scope).number() {
            Some(n) => *number = n,
            None => return Answer::Unknown,
        }
    }
    Answer::of(Some(function(&numbers[..arguments.len().min(MAX_ARGUMENTS)])))
}
