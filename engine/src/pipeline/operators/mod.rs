//! Every operator there is. One folder each: `mod.rs` the operator, `config.rs` its fields, `tests.rs`.
//!
//! Every `build` has the one type the table asks for, whether or not it can fail.
//!
//! To add one: write the folder, add its `KIND` to [`OPERATORS`]. Nothing else knows of it.

#![expect(clippy::unnecessary_wraps, reason = "every build function has the type of the table")]

use super::operator::OperatorKind;

pub mod alarm;
pub mod convert;
pub mod deduplicate;
pub mod derive;
pub mod detect;
pub mod enrich;
pub mod fence;
pub mod filter;
pub mod find_trips;
pub mod join;
pub mod measure_motion;
pub mod rename;
pub mod reorder;
pub mod resample;
pub mod select;
pub mod time_laps;
pub mod validate;
pub mod window;

/// The table of all operators, by verb.
pub const OPERATORS: &[OperatorKind] = &[
    alarm::KIND,
    convert::KIND,
    deduplicate::KIND,
    derive::KIND,
    detect::KIND,
    enrich::KIND,
    fence::KIND,
    filter::KIND,
    find_trips::KIND,
    join::KIND,
    measure_motion::KIND,
    rename::KIND,
    reorder::KIND,
    resample::KIND,
    select::KIND,
    time_laps::KIND,
    validate::KIND,
    window::KIND,
];

/// The operator of a verb.
pub fn find(verb: &str) -> Option<&'static OperatorKind> {
    OPERATORS.iter().find(|kind| kind.verb == verb)
}
