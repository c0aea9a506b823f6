//! Signals: named values within a sample.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A flattened signal name, `tires.frontLeft.temp`; shared, because the same few names come over and over.
pub type SignalName = Arc<str>;

/// One value of one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SignalValue {
    /// A finite number in the unit the name tells.
    Number(f64),
    /// A switch.
    Bool(bool),
    /// Text, for states and labels.
    Text(Arc<str>),
}

impl SignalValue {
    /// The value as a number: switches are 1 and 0, text has none.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Text(_) => None,
        }
    }
}

impl fmt::Display for SignalValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Text(t) => f.write_str(t),
        }
    }
}

/// A signal of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Flattened name.
    pub name: SignalName,
    /// Value.
    pub value: SignalValue,
}

/// How far a value can be trusted; the numbers of classic OPC quality, stored as the field `quality`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Quality {
    /// Known to be wrong.
    Bad = 0,
    /// May be wrong.
    Uncertain = 64,
    /// As measured.
    #[default]
    Good = 192,
}
