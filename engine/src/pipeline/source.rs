//! Samples to rows: which ones, whose, and which of their signals.

use std::sync::Arc;

use slipstream_protocol::{Sample, SignalName};

use super::{
    operator::{Output, Scope},
    row::{Cell, Row, Value},
    spec::{KeyBy, SourceSpec},
    symbols::{Key, SignalId},
};

/// Reads samples. Vehicles send the same names in the same places over and over: the last sample's layout is remembered, so
/// that names are compared (by pointer, as a rule), not hashed.
#[derive(Debug)]
#[expect(clippy::option_option, reason = "not looked up, not wanted and wanted are three things")]
pub struct Source {
    spec: SourceSpec,
    all_vehicles: bool,
    wanted: Vec<SignalId>,
    layout: Vec<(SignalName, Option<SignalId>)>,
    /// Whether no signal appears twice in the layout.
    unique: bool,
    /// What another pipeline's signals are called here; outside: not looked up yet.
    renamed: Vec<Option<Option<SignalId>>>,
}

/// Whether `text` matches `pattern`, where `*` stands for any characters and `?` for one.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < t.len() {
        if i < p.len() && p[i] == b'*' {
            star = Some((i, j));
            i += 1;
        } else if i < p.len() && (p[i] == b'?' || p[i] == t[j]) {
            i += 1;
            j += 1;
        } else if let Some((at, taken)) = star {
            (i, j) = (at + 1, taken + 1);
            star = Some((at, taken + 1));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|b| *b == b'*')
}

impl Source {
    /// A source of samples as `spec` says.
    pub fn new(spec: SourceSpec, signals: &mut super::Symbols<SignalId>) -> Self {
        let wanted = spec.signals.iter().map(|name| signals.intern(name)).collect();
        let all_vehicles = spec.vehicles.is_empty() || spec.vehicles.iter().any(|p| p == "*");
        Self { spec, all_vehicles, wanted, layout: Vec::new(), unique: true, renamed: Vec::new() }
    }

    /// Whether this source reads samples of that vehicle, fleet and session.
    pub fn takes(&self, sample: &Sample) -> bool {
        let is = |wanted: &Option<String>, given: Option<&str>| wanted.as_deref().is_none_or(|w| given == Some(w));
        self.spec.pipeline.is_none()
            && (self.all_vehicles || self.spec.vehicles.iter().any(|p| matches(p, &sample.vehicle)))
            && is(&self.spec.fleet, sample.fleet.as_deref())
            && is(&self.spec.session, sample.session.as_deref())
    }

    /// The pipeline whose results it reads.
    pub fn pipeline(&self) -> Option<&str> {
        self.spec.pipeline.as_deref()
    }

    /// What a row's key is.
    pub const fn key_by(&self) -> KeyBy {
        self.spec.key
    }

    /// Another pipeline's result as a row here, if this source takes it and it has any wanted signal.
    pub fn read_result(&mut self, result: &Row, from: &Scope, out: &mut Output) -> Option<Row> {
        let name = from.keys.name(result.key);
        if !self.all_vehicles && !self.spec.vehicles.iter().any(|p| matches(p, name)) {
            return None;
        }
        let mut row = Row { cells: Vec::new(), ..*result };
        for cell in &result.cells {
            if let Some(signal) = self.renamed(cell.signal, from, out) {
                row.cells.push(Cell { signal, ..cell.clone() });
            }
        }
        if row.cells.is_empty() {
            return None;
        }
        row.key = out.scope.keys.intern(name);
        Some(row)
    }

    fn renamed(&mut self, signal: SignalId, from: &Scope, out: &mut Output) -> Option<SignalId> {
        let place = signal.index();
        if place >= self.renamed.len() {
            self.renamed.resize(place + 1, None);
        }
        if let Some(known) = self.renamed[place] {
            return known;
        }
        let name = from.signals.name(signal);
        let here = if self.wanted.is_empty() {
            Some(out.scope.signals.intern(name))
        } else {
            out.scope.signals.get(name).filter(|id| self.wanted.contains(id))
        };
        self.renamed[place] = Some(here);
        here
    }

    /// The sample as a row, if this source takes it and it has any wanted signal.
    pub fn read(&mut self, sample: &Sample, out: &mut Output) -> Option<Row> {
        if !self.takes(sample) {
            return None;
        }
        let key: Key = match self.spec.key {
            KeyBy::Vehicle => out.scope.keys.intern(&sample.vehicle),
            KeyBy::Session => out.scope.keys.intern(sample.session.as_ref()?),
            KeyBy::Fleet => out.scope.keys.intern(sample.fleet.as_ref()?),
        };
        let mut row = out.row(key, sample.source_time);
        let mut learned = false;
        for (i, signal) in sample.signals.iter().enumerate() {
            let id = match self.layout.get(i) {
                Some((name, id)) if Arc::ptr_eq(name, &signal.name) || *name == signal.name => *id,
                _ => {
                    learned = true;
                    self.learn(i, &signal.name, out)
                }
            };
            if let Some(signal_id) = id {
                row.cells.push(Cell { signal: signal_id, quality: sample.quality, value: Value::from(&signal.value) });
            }
        }
        if learned {
            let mut seen: Vec<_> = self.layout.iter().filter_map(|(_, id)| *id).collect();
            seen.sort_unstable();
            self.unique = seen.windows(2).all(|pair| pair[0] != pair[1]);
        }
        if !self.unique {
            keep_last(&mut row.cells);
        }
        if row.cells.is_empty() {
            out.recycle(row);
            return None;
        }
        Some(row)
    }

    fn learn(&mut self, place: usize, name: &SignalName, out: &mut Output) -> Option<SignalId> {
        let id = if self.wanted.is_empty() {
            Some(out.scope.signals.intern(name))
        } else {
            out.scope.signals.get(name).filter(|id| self.wanted.contains(id))
        };
        self.layout.truncate(place.max(self.layout.len().min(place + 1)));
        match self.layout.get_mut(place) {
            Some(slot) => *slot = (Arc::clone(name), id),
            None => self.layout.push((Arc::clone(name), id)),
        }
        id
    }
}

/// Keeps the last cell of each signal.
fn keep_last(cells: &mut Vec<Cell>) {
    let mut i = 0;
    while i < cells.len() {
        let signal = cells[i].signal;
        if cells[i + 1..].iter().any(|c| c.signal == signal) {
            cells.remove(i);
        } else {
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::testing::sample;

    #[test]
    fn patterns_match_as_a_shell_would() {
        for (pattern, text, expected) in [
            ("*", "x", true),
            ("car-*", "car-1", true),
            ("car-*", "bus-1", false),
            ("*-?", "car-1", true),
            ("a*b*c", "a1b2b3c", true),
            ("a?", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_changing_layout_and_a_signal_sent_twice_are_read_right() {
        let mut out = Output::default();
        let mut source = Source::new(SourceSpec::default(), &mut out.scope.signals);
        for signals in [&[("a", 1.0), ("b", 2.0)][..], &[("b", 3.0)], &[("a", 1.0), ("b", 2.0), ("a", 5.0)], &[("a", 7.0), ("c", 8.0)]] {
            let row = source.read(&sample("v", 1.0, signals), &mut out).unwrap();
            for name in ["a", "b", "c"] {
                let expected = signals.iter().rev().find(|s| s.0 == name).map(|s| s.1);
                assert_eq!(out.scope.signals.get(name).and_then(|id| row.number(id)), expected, "{name} in {signals:?}");
            }
        }
    }

    #[test]
    fn only_what_was_asked_for_is_read() {
        let mut out = Output::default();
        let spec = SourceSpec { vehicles: vec!["car-*".into()], signals: vec!["a".into()], ..SourceSpec::default() };
        let mut source = Source::new(spec, &mut out.scope.signals);
        assert!(source.read(&sample("bus-1", 1.0, &[("a", 1.0)]), &mut out).is_none());
        assert!(source.read(&sample("car-1", 1.0, &[("b", 1.0)]), &mut out).is_none());
        let row = source.read(&sample("car-1", 1.0, &[("b", 1.0), ("a", 2.0)]), &mut out).unwrap();
        assert_eq!(row.cells.len(), 1);
        assert_eq!(out.scope.keys.len(), 1, "what is not taken leaves no name behind");
    }
}
