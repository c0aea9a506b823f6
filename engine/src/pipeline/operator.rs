//! The trait every operator keeps, and what it is handed.

use std::sync::Arc;

use slipstream_protocol::Timestamp;

use crate::alarms::{AlarmEvent, Severity};

use super::{
    expression::Expression,
    fields::Fields,
    row::{Cell, Row, RowKind},
    state::StateError,
    symbols::{Key, SignalId, Symbols},
};

/// What all operators of a pipeline share: names, and how far event time has come.
#[derive(Debug)]
pub struct Scope {
    /// Signals' names.
    pub signals: Symbols<SignalId>,
    /// Keys' names.
    pub keys: Symbols<Key>,
    /// No row with an earlier time is to come any more; what comes all the same is late. The lowest time there is while
    /// nothing is known.
    pub watermark: Timestamp,
}

impl Default for Scope {
    fn default() -> Self {
        Self { signals: Symbols::default(), keys: Symbols::default(), watermark: Timestamp::from_micros(i64::MIN) }
    }
}

/// Where an operator puts what it makes of a row.
///
/// Every row an operator is given must go to exactly one place: [`Output::emit`] (on to the next step),
/// [`Output::late`], [`Output::discard`] (counted as dropped), or [`Output::recycle`] (taken up into the operator's state;
/// gives the memory back for the next row). Rows the operator makes itself start with [`Output::row`].
#[derive(Debug, Default)]
pub struct Output {
    /// Names and watermark.
    pub scope: Scope,
    pub(super) rows: Vec<Row>,
    pub(super) late: Vec<Row>,
    pub(super) dropped: u64,
    pub(super) alarms: Vec<StepAlarm>,
    spare: Vec<Vec<Cell>>,
}

/// What happened to an alarm, and at which step: told beside the rows, so that the steps behind cannot hide it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepAlarm {
    /// The step's name; empty until the pipeline knows it.
    pub step: Arc<str>,
    /// What happened.
    pub event: AlarmEvent,
    /// How bad the alarm is now.
    pub severity: Severity,
}

/// How many empty rows are kept for reuse.
const SPARE_ROWS: usize = 1_024;

impl Output {
    /// Hands a row to the next step. Rows reach it in the order emitted.
    #[inline]
    pub fn emit(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// A row that came after its period was closed for good: goes to the pipeline's late output and is counted.
    pub fn late(&mut self, row: Row) {
        self.late.push(row);
    }

    /// Something happened to an alarm. It is kept whatever the steps behind do with the row that says so.
    pub fn alarm(&mut self, event: AlarmEvent, severity: Severity) {
        self.alarms.push(StepAlarm { step: Arc::from(""), event, severity });
    }

    /// A row that ends here by intent (filtered out, a duplicate): counted as dropped.
    #[inline]
    pub fn discard(&mut self, row: Row) {
        self.dropped += 1;
        self.recycle(row);
    }

    /// Gives back the memory of a row whose content was taken up.
    #[inline]
    pub fn recycle(&mut self, row: Row) {
        if self.spare.len() < SPARE_ROWS {
            let mut cells = row.cells;
            cells.clear();
            self.spare.push(cells);
        }
    }

    /// A new final row of one moment without signals, in recycled memory.
    #[inline]
    pub fn row(&mut self, key: Key, time: Timestamp) -> Row {
        self.period(key, time, time, RowKind::Final)
    }

    /// A new row about the period from `start` to `time` (its last moment) without signals, in recycled memory.
    #[inline]
    pub fn period(&mut self, key: Key, start: Timestamp, time: Timestamp, kind: RowKind) -> Row {
        Row { key, kind, time, start, cells: self.spare.pop().unwrap_or_default() }
    }

    /// A copy of a row in recycled memory.
    pub fn copy(&mut self, row: &Row) -> Row {
        let mut copy = self.period(row.key, row.start, row.time, row.kind);
        copy.cells.extend_from_slice(&row.cells);
        copy
    }

    /// How far event time has come.
    #[inline]
    pub const fn watermark(&self) -> Timestamp {
        self.scope.watermark
    }

    /// Whether a row of this time comes too late to be put in order.
    #[inline]
    pub fn is_late(&self, time: Timestamp) -> bool {
        time < self.scope.watermark
    }
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The operator knows no such command.
    #[error("the step knows no command '{0}'")]
    Unknown(String),
    /// What it is about is not there, or not any more.
    #[error("{0}")]
    Absent(String),
    /// It cannot be done now, or not with these values.
    #[error("{0}")]
    Refused(String),
}

/// One step of a pipeline: rows in, rows out, state within.
///
/// # What the pipeline promises
///
/// - `push` and `advance` are called from one thread at a time, in an order that depends on the data alone.
/// - Watermarks given to `advance` never fall. Before `advance(w)`, `out.watermark()` is still the one before; rows the step
///   ahead emits because of `w` are pushed before this step hears of `w`. So such rows are not late here.
/// - A kind registered with `ordered: true` gets each key's rows by ascending time (and rows of the same time in an order that
///   does not depend on arrival); rows too late for that never reach it (they are in the late output). Rows of different
///   keys come by ascending time as well, then by name. Others see rows as they arrive.
///
/// # What an operator promises
///
/// - Results depend on rows and watermarks alone: no clock, no randomness without a seed from the configuration, no order of a
///   hash map. What it emits in `advance` is sorted by time and then by the key's *name* ([`super::Timers::due`] and
///   [`super::Keyed::in_order`] do that).
/// - Every row pushed goes to exactly one place (see [`Output`]).
/// - Rows emitted in `advance(w)` have a `time` not before the previous watermark, corrections excepted.
/// - No panic on any value. State is bounded per key, or bounded by lateness, and `state_bytes` tells it.
/// - After `restore` of its own `snapshot` it goes on as if nothing had happened: keys and signal ids in the state stay valid,
///   as the pipeline restores the names first.
pub trait Operator: Send + Sync {
    /// Takes a row.
    fn push(&mut self, row: Row, out: &mut Output);

    /// Takes a row of the step's second input (`with`), for those that have one (joins).
    fn push_side(&mut self, row: Row, out: &mut Output) {
        out.discard(row);
    }

    /// Hears that event time has come to `watermark`: closes what ends at or before it.
    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        let _ = (watermark, out);
    }

    /// How far the steps behind this one may take event time to have come, once this one has heard `watermark`: the earliest
    /// time a row it may still emit can have. Only for operators that must wait for what comes next (interpolation); others
    /// leave it.
    fn holds(&self, watermark: Timestamp) -> Timestamp {
        watermark
    }

    /// The version of the state's format; raise it with every change of the state's types.
    fn state_version(&self) -> u16 {
        1
    }

    /// Appends the state to `bytes` ([`super::state::save`]). Nothing where there is no state.
    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        let _ = bytes;
        Ok(())
    }

    /// Takes up a state written by `snapshot` under `version` ([`super::state::load_version`]).
    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        let _ = (version, bytes);
        Ok(())
    }

    /// Memory held by the state, in bytes, heap included.
    fn state_bytes(&self) -> usize {
        0
    }

    /// Does what a person asks of the running step (an alarm's acknowledgement, say) and answers; see each operator for its
    /// commands. `command` is an object with a text `command` and what that one needs.
    fn command(&mut self, command: &serde_json::Value, out: &mut Output) -> Result<serde_json::Value, CommandError> {
        let _ = out;
        Err(CommandError::Unknown(command["command"].as_str().unwrap_or_default().to_owned()))
    }
}

/// A kind of operator, as it stands in the table of [`super::operators`].
#[derive(Clone, Copy)]
pub struct OperatorKind {
    /// What a step's `op` says: a verb.
    pub verb: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Whether it needs rows in order of event time; where they are not yet, the pipeline puts a `reorder` step before it.
    pub ordered: bool,
    /// Whether rows leave it in order of event time, given that they come so.
    pub keeps_order: bool,
    /// Whether it has a second input, told in the field `with`.
    pub sided: bool,
    /// Reads the step's fields and makes it. Every mistake is noted in `fields` (which names and locates it); `None` where
    /// there was one.
    pub build: fn(&mut Fields<'_>, &mut Builder<'_>) -> Option<Box<dyn Operator>>,
}

/// What is at hand while steps are made.
pub struct Builder<'a> {
    /// Signals' names, to be given numbers.
    pub signals: &'a mut Symbols<SignalId>,
    /// How much later than the watermark rows may come and still correct a closed period.
    pub allowed_lateness: std::time::Duration,
    /// Set by a step whose configuration needs rows in order of event time, where its kind does not always.
    pub needs_order: bool,
    /// Tables given from outside.
    pub tables: &'a std::sync::Arc<dyn super::tables::Tables>,
}

impl Builder<'_> {
    /// The number of a signal's name.
    pub fn signal(&mut self, name: &str) -> SignalId {
        self.signals.intern(name)
    }

    /// The expression in the field `name`, compiled; a mistake in it is noted.
    pub fn expression(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Expression> {
        let text: String = fields.required(name)?;
        self.compile(fields, name, &text)
    }

    /// As [`Builder::expression`], for a field that may be absent.
    pub fn optional_expression(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Expression> {
        let text: String = fields.optional(name)?;
        self.compile(fields, name, &text)
    }

    /// Compiles an expression that stands at `name`; a mistake in it is noted there.
    pub fn compile(&mut self, fields: &mut Fields<'_>, name: &str, text: &str) -> Option<Expression> {
        Expression::compile(text, self.signals).map_err(|message| fields.mistake(name, message)).ok()
    }
}
