//! Every operator there is. One folder each: `mod.rs` the operator, `config.rs` its fields, `tests.rs`.
//!
//! To add one: write the folder, add its `KIND` to [`OPERATORS`]. Nothing else knows of it.

use super::operator::OperatorKind;

pub mod reorder;
pub mod select;

/// The table of all operators, by verb.
pub const OPERATORS: &[OperatorKind] = &[reorder::KIND, select::KIND];

/// The operator of a verb.
pub fn find(verb: &str) -> Option<&'static OperatorKind> {
    OPERATORS.iter().find(|kind| kind.verb == verb)
}
