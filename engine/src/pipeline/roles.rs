//! What a row's signals mean to the engine (speed, latitude, lap ...), whatever the source calls them.

use crate::{
    angle::Turn,
    signals::{Meaning, Reading, cycle::Cycle, meaning},
};

use super::{Row, Scope, SignalId};

/// Reads rows by the table of [`crate::signals`], looking each name up once. Values of bad quality are not read.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    by_signal: Vec<Looked>,
}

/// What looking a name up gave.
#[derive(Clone, Copy, Debug, Default)]
enum Looked {
    /// Nobody has.
    #[default]
    NotYet,
    /// It means nothing to the engine.
    Nothing,
    /// What it means.
    Meant(Meaning),
}

impl Roles {
    /// The roles' values in `row`, in SI.
    pub(crate) fn read(&mut self, row: &Row, scope: &Scope) -> Reading {
        let mut reading = Reading::default();
        for cell in &row.cells {
            if let Some((meaning, number)) = self.meaning(cell.signal, scope).zip(row.number(cell.signal)) {
                reading.put(meaning.role, number * meaning.scale);
            }
        }
        reading
    }

    fn meaning(&mut self, signal: SignalId, scope: &Scope) -> Option<Meaning> {
        if self.by_signal.len() <= signal.index() {
            self.by_signal.resize(signal.index() + 1, Looked::NotYet);
        }
        let looked = &mut self.by_signal[signal.index()];
        if matches!(looked, Looked::NotYet) {
            *looked = meaning(scope.signals.name(signal)).map_or(Looked::Nothing, Looked::Meant);
        }
        match looked {
            Looked::Meant(meaning) => Some(*meaning),
            _ => None,
        }
    }
}

/// What looking a name up gave.
#[derive(Clone, Copy, Debug)]
enum LookedTurn {
    /// Nobody has.
    NotYet,
    /// A full turn, where its numbers go round.
    Found(Option<Turn>),
}

/// Which signals go round, looking each name up once.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    by_signal: Vec<LookedTurn>,
}

impl Turns {
    /// How much a full turn of the signal is, where its numbers go round.
    pub(crate) fn of(&mut self, signal: SignalId, scope: &Scope) -> Option<Turn> {
        if self.by_signal.len() <= signal.index() {
            self.by_signal.resize(signal.index() + 1, LookedTurn::NotYet);
        }
        let looked = &mut self.by_signal[signal.index()];
        if let LookedTurn::NotYet = looked {
            *looked = LookedTurn::Found(Cycle::of(scope.signals.name(signal)).map(Cycle::turn));
        }
        match looked {
            LookedTurn::Found(turn) => *turn,
            LookedTurn::NotYet => None,
        }
    }
}
