//! Rows into windows.

use slipstream_protocol::Timestamp;

use super::{
    KeyState, Open, Window,
    column::Column,
    plan::{Plan, Reading},
    shape::Shape,
};
use crate::pipeline::{Key, Output, Row, SignalId, row::RowKind};

impl Open {
    /// Takes up what was read of a row.
    #[inline]
    fn add(&mut self, plan: &Plan, micros: i64, readings: &[Reading]) {
        self.rows += 1;
        self.changed = true;
        if self.columns.len() < plan.columns.len() {
            self.columns.resize_with(plan.columns.len(), Column::default);
        }
        for reading in readings {
            self.columns[reading.column].add(&plan.columns[reading.column], plan.bits, micros, reading.value, reading.quality);
        }
    }
}

impl Window {
    pub(super) fn push_time(&mut self, row: Row, size: i64, every: i64, offset: i64, out: &mut Output) {
        let (micros, watermark) = (row.time.micros(), out.watermark().micros());
        let first_kept = Shape::starts(size, every, offset, micros).find(|s| s.saturating_add(size + self.allowed) > watermark);
        let Some(first_kept) = first_kept else {
            out.late(row);
            return;
        };
        let mut readings = std::mem::take(&mut self.readings);
        self.plan.read(&row, out, &mut readings);
        self.track(&row, &readings);
        let state = self.keys.entry(row.key, KeyState::default);
        let (spare, timers) = (&mut self.spare, &mut self.timers);
        let mut early = None;
        for start in Shape::starts(size, every, offset, micros).filter(|s| *s >= first_kept) {
            // The newest window is nearly always the one.
            let at = match state.windows.iter().rposition(|w| w.start <= start) {
                Some(at) if state.windows[at].start == start => at,
                before => {
                    let at = before.map_or(0, |b| b + 1);
                    timers.set(Timestamp::from_micros(start + size).max(out.watermark()), row.key);
                    let early_at = self.early.map_or(i64::MAX, |every| start + every);
                    let columns = Self::fresh_columns(spare);
                    state.windows.insert(at, Open { start, end: start + size, columns, early_at, ..Open::default() });
                    at
                }
            };
            let window = &mut state.windows[at];
            window.add(&self.plan, micros, &readings);
            if window.told {
                timers.set(out.watermark(), row.key);
            } else if micros >= window.early_at {
                early = Some(at);
            }
        }
        if self.plan.tracks > 0 {
            mark_following(state, micros, out.watermark(), row.key, timers);
        }
        self.readings = readings;
        if let (Some(at), Some(every)) = (early, self.early) {
            self.tell_early(row.key, at, every, micros, out);
        }
        out.recycle(row);
    }

    pub(super) fn push_session(&mut self, row: Row, gap: i64, out: &mut Output) {
        let (key, micros, watermark) = (row.key, row.time.micros(), out.watermark());
        let joins = |w: &Open| micros < w.end.saturating_add(gap) && w.start < micros.saturating_add(gap);
        let joined = self.keys.get(key).is_some_and(|s| s.windows.iter().any(joins));
        if !joined && micros.saturating_add(gap).saturating_add(self.allowed) <= watermark.micros() {
            out.late(row);
            return;
        }
        let mut readings = std::mem::take(&mut self.readings);
        self.plan.read(&row, out, &mut readings);
        self.track(&row, &readings);
        let state = self.keys.entry(key, KeyState::default);
        let mut session = Open { start: micros, end: micros, columns: Self::fresh_columns(&mut self.spare), ..Open::default() };
        session.early_at = self.early.map_or(i64::MAX, |every| micros + every);
        session.add(&self.plan, micros, &readings);
        let (joining, mut apart): (Vec<Open>, Vec<Open>) = std::mem::take(&mut state.windows).into_iter().partition(joins);
        let mut gone = Vec::new();
        let old_start = joining.iter().filter(|w| w.told).map(|w| w.start).min();
        for other in joining {
            if other.told && other.start > micros.min(old_start.unwrap_or(i64::MAX)) {
                gone.push(other.start);
            }
            session.merge(other, &mut self.spare);
        }
        // Under its own start it was told before: what follows is a correction of that.
        session.told = old_start == Some(session.start);
        apart.push(session);
        apart.sort_by_key(|w| w.start);
        state.windows = apart;
        let at = state.windows.iter().position(|w| w.start <= micros && micros <= w.end).unwrap_or(0);
        let (closes, early_at) = (state.windows[at].end.saturating_add(gap), state.windows[at].early_at);
        self.timers.set(Timestamp::from_micros(closes).max(watermark), key);
        self.readings = readings;
        for start in gone {
            let mut nothing = out.period(key, Timestamp::from_micros(start), Timestamp::from_micros(start), RowKind::Correction);
            nothing.add(self.rows, 0.0);
            out.emit(nothing);
        }
        if let (true, Some(every)) = (micros >= early_at, self.early) {
            self.tell_early(key, at, every, micros, out);
        }
        out.recycle(row);
    }

    pub(super) fn push_count(&mut self, row: Row, rows: u64, out: &mut Output) {
        let key = row.key;
        self.add_to_current(&row, 0.0, out);
        out.recycle(row);
        if self.keys.get(key).and_then(|s| s.windows.first()).is_some_and(|w| w.rows >= rows) {
            self.tell_stretch(key, true, out);
        }
    }

    pub(super) fn push_stretch(&mut self, row: Row, signal: SignalId, step: f64, out: &mut Output) {
        let key = row.key;
        let current = self.keys.get(key).and_then(|s| s.windows.first()).map(|w| w.stretch);
        // A row that does not tell belongs to the stretch before it; before the first nobody knows where to put it.
        let Some(stretch) = row.number(signal).map(|n| (n / step).floor()).or(current) else {
            out.discard(row);
            return;
        };
        if current.is_some_and(|c| c != stretch) {
            self.tell_stretch(key, true, out);
        }
        self.add_to_current(&row, stretch, out);
        out.recycle(row);
    }

    /// Adds a row, in order, to the key's one open window.
    fn add_to_current(&mut self, row: &Row, stretch: f64, out: &mut Output) {
        let micros = row.time.micros();
        let mut readings = std::mem::take(&mut self.readings);
        self.plan.read(row, out, &mut readings);
        self.track(row, &readings);
        let state = self.keys.entry(row.key, KeyState::default);
        if state.windows.is_empty() {
            let early_at = self.early.map_or(i64::MAX, |every| micros + every);
            let columns = Self::fresh_columns(&mut self.spare);
            state.windows.push(Open { start: micros, end: micros, stretch, columns, early_at, ..Open::default() });
        }
        let window = &mut state.windows[0];
        window.end = micros;
        window.add(&self.plan, micros, &readings);
        let early_due = micros >= window.early_at;
        self.readings = readings;
        if let (true, Some(every)) = (early_due, self.early) {
            self.tell_early(row.key, 0, every, micros, out);
        }
    }

    /// Keeps samples that are needed in order.
    fn track(&mut self, row: &Row, readings: &[Reading]) {
        if self.plan.tracks == 0 {
            return;
        }
        let state = self.keys.entry(row.key, KeyState::default);
        if state.tracks.len() < self.plan.tracks {
            state.tracks.resize_with(self.plan.tracks, Default::default);
        }
        for reading in readings {
            for track in &self.plan.columns[reading.column].tracks {
                match track.over {
                    None => state.tracks[track.place].add(row.time.micros(), reading.value, 0.0),
                    Some(over) => {
                        if let Some(over) = row.number(over) {
                            state.tracks[track.place].add(row.time.micros(), reading.value, over);
                        }
                    }
                }
            }
        }
    }
}

/// A late row changes the segment that leads into the window behind its own: where that was told, it is to be told again.
fn mark_following(state: &mut KeyState, micros: i64, watermark: Timestamp, key: Key, timers: &mut crate::pipeline::Timers) {
    for window in state.windows.iter_mut().filter(|w| w.told && w.start > micros) {
        window.changed = true;
        timers.set(watermark, key);
    }
}

impl Open {
    /// Takes up a session that turns out to be the same.
    fn merge(&mut self, mut other: Self, spare: &mut Vec<Vec<Column>>) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.rows += other.rows;
        self.early_at = self.early_at.max(other.early_at);
        if self.columns.len() < other.columns.len() {
            self.columns.resize_with(other.columns.len(), Column::default);
        }
        for (ours, theirs) in self.columns.iter_mut().zip(&other.columns) {
            ours.merge(theirs);
        }
        Window::recycle(spare, std::mem::take(&mut other.columns));
    }
}
