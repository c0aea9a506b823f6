//! Results of windows.

use slipstream_protocol::Timestamp;

use super::{KeyState, Open, Window, column::Aggregate, shape::Shape, track::Area};
use crate::pipeline::{Cell, Key, Output, Row, Value, row::RowKind};

impl Window {
    /// Tells a closed time window or session of a key: for the first time, or again.
    pub(super) fn tell_closed(&mut self, key: Key, at: usize, out: &mut Output) {
        let Some(state) = self.keys.get_mut(key) else { return };
        let window = &mut state.windows[at];
        let kind = if window.told { RowKind::Correction } else { RowKind::Final };
        (window.told, window.changed) = (true, false);
        self.tell(key, at, kind, None, out);
    }

    /// Tells a window still open, and when to do so again.
    pub(super) fn tell_early(&mut self, key: Key, at: usize, every: i64, micros: i64, out: &mut Output) {
        let Some(window) = self.keys.get_mut(key).and_then(|s| s.windows.get_mut(at)) else { return };
        window.early_at = window.start + ((micros - window.start).div_euclid(every) + 1) * every;
        self.tell(key, at, RowKind::Early, None, out);
    }

    /// Tells the one window of a key and closes it.
    pub(super) fn tell_stretch(&mut self, key: Key, complete: bool, out: &mut Output) {
        self.tell(key, 0, RowKind::Final, Some(complete), out);
        let Some(state) = self.keys.get_mut(key) else { return };
        let window = state.windows.remove(0);
        for track in &mut state.tracks {
            track.forget_before(window.end + 1);
        }
        Self::recycle(&mut self.spare, window.columns);
    }

    /// At the end of the stream: what was not finished.
    pub(super) fn tell_unfinished(&mut self, out: &mut Output) {
        let mut open: Vec<Key> = self.keys.in_order(&out.scope.keys);
        open.retain(|k| self.keys.get(*k).is_some_and(|s| !s.windows.is_empty()));
        // By time, then by name: the sort keeps the order of names.
        open.sort_by_key(|k| self.keys.get(*k).map(|s| s.windows[0].end));
        for key in open {
            self.tell_stretch(key, false, out);
        }
    }

    fn tell(&self, key: Key, at: usize, kind: RowKind, complete: Option<bool>, out: &mut Output) {
        let Some(state) = self.keys.get(key) else { return };
        let window = &state.windows[at];
        let last = self.last_moment(window, kind);
        let mut row = out.period(key, Timestamp::from_micros(window.start), Timestamp::from_micros(last), kind);
        row.add(self.rows, window.rows as f64);
        if matches!(self.shape, Shape::Session { .. } | Shape::Count { .. } | Shape::Stretch { .. }) {
            row.add(self.duration, (window.end - window.start) as f64 / 1e6);
        }
        if let (Some(signal), Shape::Stretch { step, .. }) = (self.stretch, self.shape) {
            row.set(signal, window.stretch * step, slipstream_protocol::Quality::Good);
        }
        if let Some(complete) = complete {
            row.add(self.complete, complete);
        }
        self.add_aggregates(&mut row, state, window);
        out.emit(row);
    }

    fn last_moment(&self, window: &Open, kind: RowKind) -> i64 {
        match self.shape {
            Shape::Time { .. } => window.end - 1,
            Shape::Session { gap } if kind != RowKind::Early => window.end.saturating_add(gap) - 1,
            _ => window.end,
        }
    }

    fn add_aggregates(&self, row: &mut Row, state: &KeyState, window: &Open) {
        for (plan, column) in self.plan.columns.iter().zip(&window.columns) {
            if column.count() == 0 {
                continue;
            }
            for (aggregate, signal) in &plan.aggregates {
                let value = match aggregate {
                    Aggregate::Integral | Aggregate::TimeMean | Aggregate::IntegralOver(_) => {
                        self.over_track(*aggregate, plan, state, window)
                    }
                    plain => column.value(*plain, plan),
                };
                row.cells.push(Cell { signal: *signal, quality: column.quality(), value });
            }
        }
    }

    fn over_track(&self, aggregate: Aggregate, plan: &super::plan::ColumnPlan, state: &KeyState, window: &Open) -> Value {
        let over = if let Aggregate::IntegralOver(over) = aggregate { Some(over) } else { None };
        let place = plan.tracks.iter().find(|t| t.over == over).map(|t| t.place);
        let Some(track) = place.and_then(|place| state.tracks.get(place)) else { return Value::Null };
        let until = if matches!(self.shape, Shape::Time { .. }) { window.end } else { window.end + 1 };
        // What led to a session is no part of it.
        let from = if matches!(self.shape, Shape::Session { .. }) { window.start + 1 } else { window.start };
        let goes_round = || {
            let (min, max) = track.extremes(from, until);
            plan.cycle.is_some_and(|cycle| cycle.averages_as_vectors(min, max))
        };
        if aggregate == Aggregate::TimeMean && goes_round() {
            let mean = track.directions(plan.turn, from, until, self.plan.max_gap).mean(plan.turn);
            return mean.map_or(Value::Null, Value::finite);
        }
        let Area { sum, covered, segments } = track.area(from, until, self.plan.max_gap, over.is_some());
        match aggregate {
            _ if segments == 0 => Value::Null,
            Aggregate::TimeMean if covered > 0.0 => Value::finite(sum / covered),
            Aggregate::TimeMean => Value::Null,
            _ => Value::finite(sum),
        }
    }
}
