//! `validate`: values that cannot be true are marked, not averaged. Every cell leaves with a quality.
//!
//! Checks, per signal, in this order: a *sentinel* (a number that stands for "unavailable") becomes null; out of *range*, or a
//! *change* faster than can be, is marked bad (or as `mark` says); a value *stuck* for too long is marked uncertain. Changes are measured
//! against the last value that was not marked, so that one spike costs one sample, and a real new level is believed as soon as
//! the time passed allows for it.

mod config;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use slipstream_protocol::{Quality, Timestamp};

use crate::pipeline::{
    Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Value,
    state::{load_version, save},
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "validate",
    about: "marks values out of range, changing too fast or stuck, and makes sentinels null",
    ordered: false,
    keeps_order: true,
    sided: false,
    build: config::build,
};

/// What is done with a value that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// The value stays, of bad quality.
    Bad,
    /// The value stays, of uncertain quality.
    Uncertain,
    /// Null.
    Null,
}

/// What is checked of one or more signals.
#[derive(Clone, Debug)]
struct Check {
    signals: Vec<SignalId>,
    least: f64,
    most: f64,
    sentinels: Vec<f64>,
    /// Sentinels count only where all of the signals are one (0/0 positions).
    together: bool,
    /// Per second.
    max_rate: Option<f64>,
    stuck_after_micros: Option<i64>,
    mark: Mark,
    /// Where this check's signals have their memory within a key's.
    memory: usize,
}

/// What is remembered of one signal of one key.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// The last value that was believed.
    believed: Option<(Timestamp, f64)>,
    /// The newest value, and since when it has been that.
    same: Option<(Timestamp, f64)>,
}

#[derive(Debug)]
struct Validate {
    checks: Vec<Check>,
    /// Signals with a memory, per key.
    remembered: usize,
    memories: Keyed<Vec<Memory>>,
}

impl Mark {
    fn on(self, row: &mut Row, at: usize) {
        let cell = &mut row.cells[at];
        match self {
            Self::Bad => cell.quality = Quality::Bad,
            Self::Uncertain => cell.quality = cell.quality.min(Quality::Uncertain),
            Self::Null => cell.value = Value::Null,
        }
    }
}

impl Check {
    fn remembers(&self) -> bool {
        self.max_rate.is_some() || self.stuck_after_micros.is_some()
    }

    fn is_sentinel(&self, row: &Row, signal: SignalId) -> bool {
        row.cell(signal).and_then(|c| c.value.as_number()).is_some_and(|n| self.sentinels.contains(&n))
    }

    fn apply(&self, row: &mut Row, memories: &mut [Memory]) {
        let all_sentinels = !self.sentinels.is_empty() && self.together && self.signals.iter().all(|s| self.is_sentinel(row, *s));
        for (i, signal) in self.signals.iter().enumerate() {
            let Some(at) = row.cells.iter().position(|c| c.signal == *signal) else { continue };
            let Some(number) = row.cells[at].value.as_number() else { continue };
            if all_sentinels || (!self.together && self.sentinels.contains(&number)) {
                row.cells[at].value = Value::Null;
            } else if !(self.least..=self.most).contains(&number) {
                self.mark.on(row, at);
            } else if let Some(memory) = memories.get_mut(i) {
                self.remember(row, at, number, memory);
            }
        }
    }

    fn remember(&self, row: &mut Row, at: usize, number: f64, memory: &mut Memory) {
        let too_fast = self.max_rate.is_some_and(|max| {
            memory.believed.is_some_and(|(then, believed)| {
                let seconds = (row.time - then) as f64 / 1e6;
                (number - believed).abs() > max * seconds
            })
        });
        if too_fast {
            self.mark.on(row, at);
        } else {
            memory.believed = Some((row.time, number));
        }
        match memory.same {
            Some((since, same)) if same == number => {
                if self.stuck_after_micros.is_some_and(|bound| row.time - since >= bound) {
                    Mark::Uncertain.on(row, at);
                }
            }
            _ => memory.same = Some((row.time, number)),
        }
    }
}

impl Operator for Validate {
    fn push(&mut self, mut row: Row, out: &mut Output) {
        let remembered = self.remembered;
        let memories: &mut [Memory] =
            if remembered == 0 { &mut [] } else { self.memories.entry(row.key, || vec![Memory::default(); remembered]) };
        for check in &self.checks {
            let own = if check.remembers() { &mut memories[check.memory..check.memory + check.signals.len()] } else { &mut [] };
            check.apply(&mut row, own);
        }
        out.emit(row);
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&self.memories, bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        let memories: Keyed<Vec<Memory>> = load_version(version, self.state_version(), bytes)?;
        if memories.values().any(|m| m.len() != self.remembered) {
            return Err(StateError::OtherSteps);
        }
        self.memories = memories;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.memories.heap_bytes() + self.memories.len() * self.remembered * size_of::<Memory>()
    }
}
