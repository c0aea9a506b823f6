//! Which signals a window aggregates, how, and under which names.

use slipstream_protocol::Quality;

use super::column::{Aggregate, Needs};
use crate::{
    angle::Turn,
    pipeline::{Output, Row, SignalId, Symbols, source::matches},
    signals::{cycle::Cycle, direction::turn_of},
};

/// One signal and what is told about it.
#[derive(Clone, Debug)]
pub(super) struct ColumnPlan {
    pub(super) signal: SignalId,
    pub(super) needs: Needs,
    /// How its values go round, where they do.
    pub(super) cycle: Option<Cycle>,
    /// How much a full turn is, where they are, or somebody asks for them as such.
    pub(super) turn: Turn,
    /// Where its samples are kept in order, if anywhere: one track per signal integrated over, and one over time.
    pub(super) tracks: Vec<TrackPlan>,
    pub(super) aggregates: Vec<(Aggregate, SignalId)>,
}

impl ColumnPlan {
    /// From one value to another: the shorter way round, where they go round.
    pub(super) fn way(&self, from: f64, to: f64) -> f64 {
        if self.cycle.is_some() { self.turn.difference(from, to) } else { to - from }
    }

    /// What is told for `aggregate` of values from `min` to `max`.
    pub(super) fn aggregate_of(&self, aggregate: Aggregate, min: f64, max: f64) -> Aggregate {
        if self.cycle.is_some_and(|cycle| cycle.averages_as_vectors(min, max)) { aggregate.of_directions() } else { aggregate }
    }
}

/// One track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrackPlan {
    pub(super) place: usize,
    pub(super) over: Option<SignalId>,
}

/// An entry of the configuration: signals by pattern, aggregates and their names.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) pattern: String,
    pub(super) aggregates: Vec<(Aggregate, String)>,
}

/// Columns known so far; signals that match a pattern get theirs when they first appear.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    wanted: Vec<Wanted>,
    pub(super) columns: Vec<ColumnPlan>,
    /// By signal: its column, [`NO_COLUMN`], or [`NOT_LOOKED`].
    lookup: Vec<u32>,
    pub(super) tracks: usize,
    expected: Vec<SignalId>,
    /// Precision of percentiles.
    pub(super) bits: u8,
    /// The longest segment an integral takes, in microseconds.
    pub(super) max_gap: i64,
}

const NO_COLUMN: u32 = u32::MAX;
const NOT_LOOKED: u32 = u32::MAX - 1;

/// A value for a column.
pub(super) struct Reading {
    pub(super) column: usize,
    pub(super) value: f64,
    pub(super) quality: Quality,
}

impl Plan {
    pub(super) fn new(wanted: Vec<Wanted>, bits: u8, max_gap: i64, signals: &mut Symbols<SignalId>) -> Self {
        let mut plan = Self { wanted, columns: Vec::new(), lookup: Vec::new(), tracks: 0, expected: Vec::new(), bits, max_gap };
        let plain: Vec<String> = plan.wanted.iter().map(|w| w.pattern.clone()).filter(|p| !p.contains(['*', '?'])).collect();
        for name in plain {
            let signal = signals.intern(&name);
            plan.look(signal, signals);
        }
        plan
    }

    /// The column of a signal, if it has one.
    #[inline]
    pub(super) fn column(&mut self, signal: SignalId, out: &mut Output) -> Option<usize> {
        let column = match self.lookup.get(signal.index()) {
            Some(known) if *known != NOT_LOOKED => *known,
            _ => self.look(signal, &mut out.scope.signals),
        };
        (column != NO_COLUMN).then_some(column as usize)
    }

    /// Decides about a signal. One named plainly goes before patterns, and the first pattern that fits before the others.
    #[cold]
    pub(super) fn look(&mut self, signal: SignalId, signals: &mut Symbols<SignalId>) -> u32 {
        if self.lookup.len() <= signal.index() {
            self.lookup.resize(signal.index() + 1, NOT_LOOKED);
        }
        let name = signals.name(signal).to_owned();
        let plain = self.wanted.iter().find(|w| w.pattern == name);
        let wanted = plain.or_else(|| self.wanted.iter().find(|w| matches(&w.pattern, &name)));
        let column = match wanted.map(|w| w.aggregates.clone()) {
            None => NO_COLUMN,
            Some(aggregates) => {
                self.add_column(signal, &name, &aggregates, signals);
                (self.columns.len() - 1) as u32
            }
        };
        self.lookup[signal.index()] = column;
        column
    }

    fn add_column(&mut self, signal: SignalId, name: &str, aggregates: &[(Aggregate, String)], signals: &mut Symbols<SignalId>) {
        let cycle = Cycle::of(name);
        // Which of the two is told for a longitude is known when its values are.
        let of_cycle = |aggregate: Aggregate| match cycle {
            None => aggregate.needs(),
            Some(Cycle::Direction(_)) => aggregate.of_directions().needs(),
            Some(Cycle::Longitude(_)) => aggregate.needs().and(aggregate.of_directions().needs()),
        };
        let mut tracks: Vec<TrackPlan> = Vec::new();
        for (aggregate, _) in aggregates.iter().filter(|(a, _)| a.needs().track) {
            let over = if let Aggregate::IntegralOver(over) = aggregate { Some(*over) } else { None };
            if !tracks.iter().any(|t| t.over == over) {
                tracks.push(TrackPlan { place: self.tracks, over });
                self.tracks += 1;
            }
        }
        self.columns.push(ColumnPlan {
            signal,
            needs: aggregates.iter().fold(Needs::default(), |needs, (a, _)| needs.and(of_cycle(*a))),
            cycle,
            turn: turn_of(name),
            tracks,
            aggregates: aggregates.iter().map(|(a, suffix)| (*a, signals.intern(&format!("{name}.{suffix}")))).collect(),
        });
    }

    /// The numbers of a row that have columns; bad and null ones are left out.
    #[inline]
    pub(super) fn read(&mut self, row: &Row, out: &mut Output, readings: &mut Vec<Reading>) {
        readings.clear();
        self.meet(&mut out.scope.signals);
        for cell in &row.cells {
            if cell.quality == Quality::Bad {
                continue;
            }
            let Some(value) = cell.value.as_number() else { continue };
            if let Some(column) = self.column(cell.signal, out) {
                readings.push(Reading { column, value, quality: cell.quality });
            }
        }
    }

    /// After a restart: signals that had columns, in the columns' order.
    pub(super) fn expect(&mut self, columns: &[SignalId]) {
        self.expected = columns.to_vec();
    }

    /// Gives expected signals their columns, before anything else is looked up.
    #[inline]
    pub(super) fn meet(&mut self, signals: &mut Symbols<SignalId>) {
        for signal in std::mem::take(&mut self.expected) {
            if !self.columns.iter().any(|c| c.signal == signal) {
                self.look(signal, signals);
            }
        }
    }
}
