//! `measure_motion`: distance and speed so far, of players and vehicles.
//!
//! One row out per row in (or at most one per `every`): `distance_m`, `speed_mps` (of the newest step), `max_speed_mps`, `moving_s`, and per
//! threshold `over_<v>_m`, `over_<v>_s`, `over_<v>_count`; `jumps`, `outliers`, `gaps`. With `smooth` they run half a window behind; at
//! the end of a recording a last row tells the rest.
//!
//! A position that nobody reaches in the time (`max_speed_mps`) is held until the next one tells whether it was wrong (dropped, an
//! outlier) or the track went on there (a jump). A jump adds no distance and no speed, and neither does a silence longer than `max_gap`.

mod config;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

use crate::{
    motion::{MotionConfig, MotionKpis, MotionStep, MotionTracker},
    pipeline::{
        Key, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Value,
        roles::Roles,
        state::{load_version, save},
    },
    signals::Role,
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "measure_motion",
    about: "adds up distance, speed and distance at speed, with jumps and noise taken out",
    ordered: true,
    keeps_order: true,
    sided: false,
    build: config::build,
};

#[derive(Debug)]
struct MeasureMotion {
    config: MotionConfig,
    every_micros: i64,
    names: Names,
    roles: Roles,
    tracks: Keyed<Box<Track>>,
    steps: Vec<MotionStep>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Track {
    tracker: MotionTracker,
    speed_mps: Option<f64>,
    told: Option<Timestamp>,
    /// The newest row.
    newest: Option<Timestamp>,
}

#[derive(Debug)]
struct Names {
    distance: SignalId,
    speed: SignalId,
    max_speed: SignalId,
    moving: SignalId,
    jumps: SignalId,
    outliers: SignalId,
    gaps: SignalId,
    over: Vec<[SignalId; 3]>,
}

impl Names {
    fn row(&self, key: Key, time: Timestamp, speed_mps: Option<f64>, kpis: &MotionKpis, out: &mut Output) -> Row {
        let mut row = out.row(key, time);
        row.add(self.distance, kpis.distance_m);
        row.add(self.speed, speed_mps.map_or(Value::Null, Value::finite));
        row.add(self.max_speed, kpis.max_speed_mps);
        row.add(self.moving, kpis.time_s);
        row.add(self.jumps, kpis.jumps as f64);
        row.add(self.outliers, kpis.outliers as f64);
        row.add(self.gaps, kpis.gaps as f64);
        for ([distance, time, count], over) in self.over.iter().zip(&kpis.over) {
            row.add(*distance, over.distance_m);
            row.add(*time, over.time_s);
            row.add(*count, f64::from(over.bouts));
        }
        row
    }
}

impl Operator for MeasureMotion {
    fn push(&mut self, row: Row, out: &mut Output) {
        let reading = self.roles.read(&row, &out.scope);
        let track = self.tracks.entry(row.key, Box::default);
        track.tracker.apply(&self.config, row.time.micros(), reading.position(), reading.get(Role::Speed), &mut self.steps);
        if let Some(step) = self.steps.drain(..).next_back() {
            track.speed_mps = Some(step.speed_mps);
        }
        track.newest = Some(row.time);
        if track.told.is_none_or(|told| row.time - told >= self.every_micros) {
            track.told = Some(row.time);
            let result = self.names.row(row.key, row.time, track.speed_mps, &track.tracker.kpis(), out);
            out.emit(result);
        }
        out.recycle(row);
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        if watermark.micros() != i64::MAX {
            return;
        }
        let mut last = Vec::new();
        for key in self.tracks.in_order(&out.scope.keys) {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.tracker.finish(&self.config, &mut self.steps);
            let step = self.steps.drain(..).next_back();
            if let Some(step) = step {
                track.speed_mps = Some(step.speed_mps);
            }
            if let Some(time) = track.newest.filter(|newest| step.is_some() || track.told.is_none_or(|told| told < *newest)) {
                last.push((time, key));
            }
        }
        // The sort keeps the order of names.
        last.sort_by_key(|(time, _)| *time);
        for (time, key) in last {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.told = Some(time);
            let result = self.names.row(key, time, track.speed_mps, &track.tracker.kpis(), out);
            out.emit(result);
        }
    }

    fn state_version(&self) -> u16 {
        3
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&self.tracks, bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        self.tracks = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.tracks.heap_bytes() + self.tracks.values().map(|t| size_of::<Track>() + t.tracker.heap_bytes()).sum::<usize>()
    }
}
