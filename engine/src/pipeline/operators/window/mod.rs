//! `window`: periods of a key's rows, and what is told about them.
//!
//! | kind | a period is | closes |
//! |---|---|---|
//! | `tumbling` | `size` long, one after the other, counted from 1970 (plus `offset`) | when the watermark reaches its end |
//! | `hopping` | `size` long, one begins each `every` | the same |
//! | `session` | rows less than `gap` apart | when the watermark is `gap` behind its last row |
//! | `count` | `rows` rows in order of time | with its last row |
//! | `lap` | rows with the same value of `signal` (`lap`) | with the first row of another |
//! | `distance` | rows in the same stretch of `metres` by `signal` (`lap_dist_m`) | the same |
//!
//! A result has `start`, `time` (the period's last moment), the signal `rows` (how many), and `<signal>.<aggregate>` for each
//! aggregate. Early results (`early`) tell a period still open; a late row within `time.allowed_lateness` makes a correction
//! of a closed one (time windows and sessions); what comes later still is late. A session that late rows join to an earlier one
//! ends as a correction with `rows` 0 under its old start. Windows by count, lap and distance need order: the pipeline sees to it,
//! and what is too late for that is late. Signals that are directions by their names (`heading_deg`, `wind_dir_deg`, `yaw_rad`) are
//! averaged as unit vectors: `mean`, `stddev`, `time_mean` and `rate` of them go round. When the stream ends, their unfinished period is told with `complete` false.

mod column;
mod config;
mod emit;
mod plan;
mod push;
mod shape;
pub mod sketch;
#[cfg(test)]
mod tests;
mod track;

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

use self::{
    column::Column,
    plan::{Plan, Reading},
    shape::Shape,
    track::Track,
};
use crate::pipeline::{
    Key, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Timers,
    state::{load_version, save},
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "window",
    about: "aggregates over time (tumbling, hopping, session), count, lap or distance",
    ordered: false,
    keeps_order: false,
    sided: false,
    build: config::build,
};

/// Closed windows' memory kept for the next ones.
const SPARE_WINDOWS: usize = 1_024;

/// A period of a key, open or still correctable.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Open {
    /// First moment, in microseconds.
    start: i64,
    /// First moment after it (time windows), or the last row's time (the others).
    end: i64,
    rows: u64,
    columns: Vec<Column>,
    /// Its final result has been told.
    told: bool,
    /// It changed since it was told.
    changed: bool,
    /// When the next early result is due.
    early_at: i64,
    /// The stretch's number.
    stretch: f64,
}

/// What is known of a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct KeyState {
    /// By start.
    windows: Vec<Open>,
    tracks: Vec<Track>,
}

struct Window {
    shape: Shape,
    plan: Plan,
    allowed: i64,
    early: Option<i64>,
    rows: SignalId,
    duration: SignalId,
    complete: SignalId,
    stretch: Option<SignalId>,
    keys: Keyed<KeyState>,
    timers: Timers,
    /// Columns of closed windows, to be used again.
    spare: Vec<Vec<Column>>,
    readings: Vec<Reading>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    /// Signals with columns, in the columns' order.
    columns: Vec<SignalId>,
    keys: Keyed<KeyState>,
    timers: Timers,
}

impl Operator for Window {
    fn push(&mut self, row: Row, out: &mut Output) {
        match self.shape {
            Shape::Time { size, every, offset } => self.push_time(row, size, every, offset, out),
            Shape::Session { gap } => self.push_session(row, gap, out),
            Shape::Count { rows } => self.push_count(row, rows, out),
            Shape::Stretch { signal, step } => self.push_stretch(row, signal, step, out),
        }
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        self.plan.meet(&mut out.scope.signals);
        for (_, key) in self.timers.due(watermark, &out.scope.keys) {
            self.settle(key, watermark.micros(), out);
        }
        if watermark.micros() == i64::MAX && matches!(self.shape, Shape::Count { .. } | Shape::Stretch { .. }) {
            self.tell_unfinished(out);
        }
    }

    fn state_version(&self) -> u16 {
        3
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        #[derive(Serialize)]
        struct Saving<'a> {
            columns: Vec<SignalId>,
            keys: &'a Keyed<KeyState>,
            timers: &'a Timers,
        }
        let columns = self.plan.columns.iter().map(|c| c.signal).collect();
        save(&Saving { columns, keys: &self.keys, timers: &self.timers }, bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        let saved: Saved = load_version(version, self.state_version(), bytes)?;
        self.plan.expect(&saved.columns);
        (self.keys, self.timers) = (saved.keys, saved.timers);
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let held = |c: &Vec<Column>| c.capacity() * size_of::<Column>() + c.iter().map(Column::heap_bytes).sum::<usize>();
        let windows = |s: &KeyState| -> usize {
            let columns = s.windows.iter().map(|w| held(&w.columns));
            let tracks = s.tracks.iter().map(|t| size_of::<Track>() + t.heap_bytes());
            s.windows.capacity() * size_of::<Open>() + columns.sum::<usize>() + tracks.sum::<usize>()
        };
        let spare: usize = self.spare.iter().map(held).sum();
        self.keys.heap_bytes() + self.timers.heap_bytes() + self.keys.values().map(windows).sum::<usize>() + spare
    }
}

impl Window {
    /// Columns for a new window: recycled ones, or none yet.
    fn fresh_columns(spare: &mut Vec<Vec<Column>>) -> Vec<Column> {
        spare.pop().unwrap_or_default()
    }

    /// Keeps a closed window's columns for the next one.
    fn recycle(spare: &mut Vec<Vec<Column>>, mut columns: Vec<Column>) {
        if spare.len() < SPARE_WINDOWS {
            columns.iter_mut().for_each(Column::clear);
            spare.push(columns);
        }
    }

    /// Closes what is due of a key, tells what changed, forgets what can no longer be corrected.
    fn settle(&mut self, key: Key, watermark: i64, out: &mut Output) {
        let gap = if let Shape::Session { gap } = self.shape { gap } else { 0 };
        let Some(state) = self.keys.get_mut(key) else { return };
        let mut told_at = Vec::new();
        for (at, window) in state.windows.iter_mut().enumerate() {
            let closes = window.end.saturating_add(gap);
            if closes > watermark {
                // A session that grew since its timer was set.
                self.timers.set(Timestamp::from_micros(closes), key);
            } else if !window.told || window.changed {
                told_at.push(at);
            }
        }
        for at in told_at {
            self.tell_closed(key, at, out);
        }
        self.forget(key, watermark, gap);
    }

    fn forget(&mut self, key: Key, watermark: i64, gap: i64) {
        let Some(state) = self.keys.get_mut(key) else { return };
        let (allowed, spare) = (self.allowed, &mut self.spare);
        state.windows.retain_mut(|window| {
            let until = window.end.saturating_add(gap).saturating_add(allowed);
            if until > watermark {
                return true;
            }
            Self::recycle(spare, std::mem::take(&mut window.columns));
            false
        });
        let waiting = state.windows.iter().filter(|w| w.told).map(|w| w.end.saturating_add(gap).saturating_add(allowed)).min();
        if let Some(until) = waiting {
            self.timers.set(Timestamp::from_micros(until), key);
        }
        // A late row may still open a window that begins this early, and needs the sample before it.
        let size = if let Shape::Time { size, .. } = self.shape { size } else { 0 };
        let oldest = state.windows.first().map_or(i64::MAX, |w| w.start).min(watermark.saturating_sub(allowed + size));
        for track in &mut state.tracks {
            track.forget_before(oldest);
        }
    }
}
