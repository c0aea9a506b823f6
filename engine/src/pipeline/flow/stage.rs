//! One step in its place: the operator, its counters, its second input.

use std::{collections::VecDeque, sync::Arc};

use serde::Serialize;
use slipstream_protocol::Timestamp;

use super::LateRow;
use crate::pipeline::{
    operator::{Operator, Output},
    operators,
    row::Row,
    source::Source,
};

/// A clock of nanoseconds, from outside, for measuring how long steps take.
pub type Stopwatch = fn() -> u64;

/// Each so many rows one is measured on its way: the clock costs more than most steps.
pub(super) const TIMED_EVERY: u64 = 64;

/// Buckets by powers of two of nanoseconds: up to 2^39 ns, nine minutes.
const BUCKETS: usize = 40;

/// What a step has done since it was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepStats {
    /// The step's name.
    pub name: String,
    /// The operator's verb.
    pub op: String,
    /// Rows in.
    pub rows_in: u64,
    /// Rows out.
    pub rows_out: u64,
    /// Rows that came too late.
    pub late: u64,
    /// Rows that ended here by intent.
    pub dropped: u64,
    /// Memory of the state, in bytes.
    pub state_bytes: usize,
    /// Processing time of one row, median, in nanoseconds, from a sample of the rows; at most 41 % off.
    pub nanos_p50: Option<u64>,
    /// The 99th percentile of the same.
    pub nanos_p99: Option<u64>,
    /// The longest.
    pub nanos_max: Option<u64>,
    /// The longest a watermark took to work through.
    pub advance_nanos_max: Option<u64>,
}

pub(super) struct Side {
    pub(super) source: Source,
    pub(super) stages: Vec<Stage>,
}

pub(super) struct Stage {
    pub(super) verb: &'static str,
    pub(super) name: Arc<str>,
    pub(super) operator: Box<dyn Operator>,
    pub(super) side: Option<Side>,
    /// How far event time has come for this step: behind the pipeline's where a step ahead holds it back.
    pub(super) watermark: Timestamp,
    rows_in: u64,
    rows_out: u64,
    late: u64,
    dropped: u64,
    nanos: [u64; BUCKETS],
    nanos_max: u64,
    advance_nanos_max: u64,
}

impl Stage {
    pub(super) fn new(verb: &'static str, name: &str, operator: Box<dyn Operator>, side: Option<Side>) -> Self {
        Self {
            verb,
            name: name.into(),
            operator,
            side,
            watermark: Timestamp::from_micros(i64::MIN),
            rows_in: 0,
            rows_out: 0,
            late: 0,
            dropped: 0,
            nanos: [0; BUCKETS],
            nanos_max: 0,
            advance_nanos_max: 0,
        }
    }

    /// The step put before those that need order.
    pub(super) fn reorder() -> Self {
        Self::new("reorder", "reorder (put in)", Box::new(operators::reorder::Reorder::default()), None)
    }

    /// Pushes all of `rows`, leaving it empty with its memory.
    #[inline]
    pub(super) fn push_all(&mut self, rows: &mut Vec<Row>, out: &mut Output, timed: Option<Stopwatch>) {
        let (count, began) = (rows.len() as u64, timed.map(|now| now()));
        self.rows_in += count;
        out.scope.watermark = self.watermark;
        for row in rows.drain(..) {
            self.operator.push(row, out);
        }
        if let (Some(began), Some(now)) = (began, timed) {
            let each = now().saturating_sub(began) / count;
            self.nanos[(each.max(1).ilog2() as usize).min(BUCKETS - 1)] += 1;
            self.nanos_max = self.nanos_max.max(each);
        }
    }

    pub(super) fn push_side(&mut self, rows: Vec<Row>, out: &mut Output) {
        self.rows_in += rows.len() as u64;
        out.scope.watermark = self.watermark;
        for row in rows {
            self.operator.push_side(row, out);
        }
    }

    /// Lets the step hear of a watermark. Tells how far the steps behind it may hear.
    pub(super) fn advance(&mut self, watermark: Timestamp, out: &mut Output, timed: Option<Stopwatch>) -> Timestamp {
        if watermark <= self.watermark {
            return self.operator.holds(self.watermark).min(self.watermark);
        }
        let began = timed.map(|now| now());
        out.scope.watermark = self.watermark;
        self.operator.advance(watermark, out);
        self.watermark = watermark;
        if let (Some(began), Some(now)) = (began, timed) {
            self.advance_nanos_max = self.advance_nanos_max.max(now().saturating_sub(began));
        }
        self.operator.holds(watermark).min(watermark)
    }

    /// Counts what the step left in `out`, and takes the late rows along.
    #[inline]
    pub(super) fn count(&mut self, out: &mut Output, late: &mut VecDeque<LateRow>) {
        self.rows_out += out.rows.len() as u64;
        self.dropped += std::mem::take(&mut out.dropped);
        self.late += out.late.len() as u64;
        for alarm in out.alarms.iter_mut().rev().take_while(|a| a.step.is_empty()) {
            alarm.step = Arc::clone(&self.name);
        }
        late.extend(out.late.drain(..).map(|row| LateRow { step: Arc::clone(&self.name), ahead: false, row }));
    }

    pub(super) fn stats(&self) -> StepStats {
        let timed: u64 = self.nanos.iter().sum();
        let percentile = |q: f64| {
            let rank = ((timed as f64 * q).ceil() as u64).max(1);
            let mut seen = 0;
            // The middle of the bucket, by ratio.
            let bucket = self.nanos.iter().position(|count| {
                seen += count;
                seen >= rank
            })?;
            Some(((1_u64 << bucket) as f64 * std::f64::consts::SQRT_2) as u64)
        };
        let (p50, p99) = if timed == 0 { (None, None) } else { (percentile(0.5), percentile(0.99)) };
        StepStats {
            name: self.name.to_string(),
            op: self.verb.to_owned(),
            rows_in: self.rows_in,
            rows_out: self.rows_out,
            late: self.late,
            dropped: self.dropped,
            state_bytes: self.operator.state_bytes(),
            nanos_p50: p50,
            nanos_p99: p99,
            nanos_max: (timed > 0).then_some(self.nanos_max),
            advance_nanos_max: (self.advance_nanos_max > 0).then_some(self.advance_nanos_max),
        }
    }
}

/// Runs rows through a side's steps; what comes out is left in `out`.
pub(super) fn run(stages: &mut [Stage], rows: Vec<Row>, out: &mut Output, late: &mut VecDeque<LateRow>, timed: Option<Stopwatch>) {
    let mut rows = rows;
    for stage in stages {
        stage.push_all(&mut rows, out, timed);
        stage.count(out, late);
        std::mem::swap(&mut rows, &mut out.rows);
    }
    out.rows.append(&mut rows);
}

/// Lets a side's steps hear of a watermark; what comes out at the end is left in `out`.
pub(super) fn advance(stages: &mut [Stage], watermark: Timestamp, out: &mut Output, late: &mut VecDeque<LateRow>) {
    let (mut results, mut watermark) = (Vec::new(), watermark);
    for at in 0..stages.len() {
        watermark = stages[at].advance(watermark, out, None);
        stages[at].count(out, late);
        let rows = std::mem::take(&mut out.rows);
        if !rows.is_empty() {
            run(&mut stages[at + 1..], rows, out, late, None);
            results.append(&mut out.rows);
        }
    }
    out.rows.append(&mut results);
}
