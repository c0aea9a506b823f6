//! Declared stream processing: rows flow from a source through operators, judged by event time alone.
//!
//! A [`spec::PipelineSpec`] says what is wanted; [`Pipeline::build`] checks it, names every mistake, and makes the running
//! form. Everything here is pure: the same rows give the same results, whatever the clock on the wall says.
//!
//! | to read | for |
//! |---|---|
//! | [`row`] | what passes between operators |
//! | [`operator`] | the trait every operator keeps, and what it is handed |
//! | [`operators`] | the table of all operators, one folder each |
//! | [`spec`], [`fields`] | the configuration, and how its mistakes are found |
//! | [`watermark`] | how far event time has come |
//! | [`clocks`] | sources whose clocks are ahead |
//! | [`flow`] | the running pipeline |
//! | [`surroundings`], `upstream` | what it may refer to: tables, and other pipelines, which run along |

pub mod clocks;
pub mod expression;
pub mod fields;
pub mod flow;
pub mod keyed;
pub mod operator;
pub mod operators;
pub(crate) mod roles;
pub mod row;
pub mod source;
pub mod spec;
pub mod state;
pub mod surroundings;
pub mod symbols;
pub mod tables;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;
pub mod timers;
mod upstream;
pub mod watermark;

pub use expression::Expression;
pub use fields::{Fields, Mistake, Mistakes};
pub use flow::Pipeline;
pub use keyed::Keyed;
pub use operator::{Builder, CommandError, Operator, OperatorKind, Output, Scope, StepAlarm};
pub use row::{Cell, Row, RowKind, Text, Value};
pub use slipstream_protocol::Quality;
pub use spec::PipelineSpec;
pub use state::StateError;
pub use surroundings::Surroundings;
pub use symbols::{Key, SignalId, Symbols};
pub use tags::Tags;
pub use timers::Timers;
