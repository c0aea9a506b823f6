//! `resample`: numbers at a fixed rate, at whole multiples of `every` since 1970.
//!
//! - `linear`: between two samples the straight line between them, of directions (`heading_deg`) the shorter arc; needs the later one, so the steps behind wait for it.
//! - `previous`: the last sample's value (also of switches and texts), as soon as the watermark has passed.
//!
//! Each signal goes its own way: samples that lack it do not interrupt it. Where a signal's samples are more than `max_gap` apart, nothing
//! is told in between. An interpolated value is uncertain where a sample it stands on is; bad ones are left out.

mod config;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use slipstream_protocol::{Quality, Timestamp};

use crate::{
    angle::Turn,
    pipeline::{
        Cell, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Value,
        roles::Turns,
        state::{load_version, save},
    },
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "resample",
    about: "tells signals at a fixed rate: interpolated or held",
    ordered: true,
    keeps_order: false,
    sided: false,
    build: config::build,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Linear,
    Previous,
}

/// The last sample of one signal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Last {
    signal: SignalId,
    micros: i64,
    quality: Quality,
    value: Value,
}

/// What is known of a key: last samples by signal, and points made but not told yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Track {
    last: Vec<Last>,
    /// Points by time, which other signals may still join.
    points: Vec<(i64, Vec<Cell>)>,
    /// Points up to here are told.
    told: Option<i64>,
}

#[derive(Debug)]
struct Resample {
    every: i64,
    method: Method,
    max_gap: i64,
    turns: Turns,
    tracks: Keyed<Track>,
}

/// The first multiple of `every` after `micros`.
const fn next_after(micros: i64, every: i64) -> i64 {
    (micros.div_euclid(every) + 1) * every
}

impl Track {
    fn add(&mut self, at: i64, cell: Cell) {
        match self.points.binary_search_by_key(&at, |p| p.0) {
            Ok(found) => self.points[found].1.push(cell),
            Err(place) => self.points.insert(place, (at, vec![cell])),
        }
    }

    /// Points between a signal's last sample and this one, this one's own moment included.
    fn interpolate(&mut self, last: &Last, cell: &Cell, turn: Option<Turn>, micros: i64, every: i64) {
        let (Some(from), Some(to)) = (last.value.as_number(), cell.value.as_number()) else { return };
        let mut at = next_after(last.micros, every);
        while at <= micros {
            let share = (at - last.micros) as f64 / (micros - last.micros) as f64;
            let value = Value::finite(match turn {
                // At its own moment a sample is its own point.
                Some(turn) if at < micros => turn.between(from, to, share),
                Some(_) => to,
                None => from + (to - from) * share,
            });
            self.add(at, Cell { signal: cell.signal, quality: last.quality.min(cell.quality), value });
            at += every;
        }
    }

    /// Points from the last sample on, while it holds.
    fn hold(&mut self, from: i64, until: i64, every: i64, max_gap: i64) {
        for i in 0..self.last.len() {
            let Last { signal, micros, quality, ref value } = self.last[i];
            let value = value.clone();
            // At its own moment a sample is its own point.
            let mut at = next_after(from.max(micros - 1), every);
            while at < until && at - micros <= max_gap {
                self.add(at, Cell { signal, quality, value: value.clone() });
                at += every;
            }
        }
    }
}

impl Operator for Resample {
    fn push(&mut self, row: Row, out: &mut Output) {
        let micros = row.time.micros();
        let (every, max_gap, method) = (self.every, self.max_gap, self.method);
        let track = self.tracks.entry(row.key, Track::default);
        if method == Method::Previous {
            let from = track.told.unwrap_or(i64::MIN);
            track.hold(from, micros, every, max_gap);
            track.told = Some(from.max(micros - 1));
        }
        for cell in row.cells.iter().filter(|c| c.quality != Quality::Bad && c.value != Value::Null) {
            let new = Last { signal: cell.signal, micros, quality: cell.quality, value: cell.value.clone() };
            let Some(at) = track.last.iter().position(|l| l.signal == cell.signal) else {
                if method == Method::Linear && micros.rem_euclid(every) == 0 && cell.value.as_number().is_some() {
                    track.add(micros, cell.clone());
                }
                track.last.push(new);
                continue;
            };
            let last = std::mem::replace(&mut track.last[at], new);
            if method == Method::Linear && micros > last.micros && micros - last.micros <= max_gap {
                let turn = self.turns.of(cell.signal, &out.scope);
                track.interpolate(&last, cell, turn, micros, every);
            } else if method == Method::Linear && micros > last.micros && micros.rem_euclid(every) == 0 {
                track.add(micros, cell.clone());
            }
        }
        out.recycle(row);
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        let until = if self.method == Method::Linear { self.holds(watermark).micros() } else { watermark.micros() };
        let mut told = Vec::new();
        for key in self.tracks.in_order(&out.scope.keys) {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            if self.method == Method::Previous {
                let from = track.told.unwrap_or(i64::MIN);
                track.hold(from, until, self.every, self.max_gap);
                track.told = Some(from.max(until - 1));
            }
            let ready = track.points.partition_point(|p| p.0 < until);
            told.extend(track.points.drain(..ready).map(|(at, cells)| (at, key, cells)));
        }
        // The sort keeps the order of names.
        told.sort_by_key(|t| t.0);
        for (at, key, cells) in told {
            let mut row = out.row(key, Timestamp::from_micros(at));
            row.cells.extend(cells);
            out.emit(row);
        }
    }

    fn holds(&self, watermark: Timestamp) -> Timestamp {
        if self.method == Method::Previous || watermark.micros() == i64::MAX {
            return watermark;
        }
        // A signal whose next sample would still be near enough may yet fill what lies behind its last one.
        let waited_for = watermark.micros().saturating_sub(self.max_gap);
        let lasts = self.tracks.values().flat_map(|t| &t.last).map(|l| l.micros);
        let oldest = lasts.filter(|m| *m >= waited_for).min();
        oldest.map_or(watermark, |m| Timestamp::from_micros(m + 1).min(watermark))
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&self.tracks, bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        self.tracks = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let track = |t: &Track| {
            let points = t.points.iter().map(|(_, cells)| 32 + cells.capacity() * size_of::<Cell>());
            t.last.capacity() * size_of::<Last>() + points.sum::<usize>()
        };
        self.tracks.heap_bytes() + self.tracks.values().map(track).sum::<usize>()
    }
}
