//! `time_laps`: laps, sectors, mini-sectors and stints, from positions and a start line or from the lap distance; and the running
//! delta to the best lap so far.
//!
//! Rows out, by their text `event`:
//!
//! | `event` | signals |
//! |---|---|
//! | `lap` | `lap`, `lap_time_s`, `s1_s` .. `sN_s` (null where not seen), `from_s`, `to_s` (s since 1970), `interval_s` (the crossings' sampling interval) |
//! | `sector` | `lap`, `sector`, `sector_time_s`, `to_s` |
//! | `mini_sector` | `lap`, `mini_sector`, `sector_time_s`, `delta_s` |
//! | `stint` | `stint`, `laps`, `best_s`, `mean_s`, `from_s`, `to_s` |
//! | `progress` (with `progress = true`, one per sample) | `lap`, `lap_time_s`, `lap_dist_m`, `delta_s` |
//!
//! A row's time is that of the sample that made it certain: the first one behind the line, or with `reckon` that much later.

mod config;
#[cfg(test)]
mod tests;

use slipstream_protocol::Timestamp;

use crate::{
    laps::{Course, CourseOutput, CourseTracker},
    pipeline::{
        Key, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Value,
        roles::Roles,
        state::{load_version, save},
    },
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "time_laps",
    about: "times laps, sectors and stints by a start line or the lap distance, and tells the running delta",
    ordered: true,
    keeps_order: true,
    sided: false,
    build: config::build,
};

struct TimeLaps {
    course: Course,
    progress: bool,
    names: Names,
    roles: Roles,
    vehicles: Keyed<Box<CourseTracker>>,
    told: Vec<CourseOutput>,
}

/// The signals of rows out.
struct Names {
    event: SignalId,
    lap: SignalId,
    lap_time: SignalId,
    lap_dist: SignalId,
    delta: SignalId,
    sector: SignalId,
    mini: SignalId,
    sector_time: SignalId,
    sectors: Vec<SignalId>,
    stint: SignalId,
    laps: SignalId,
    best: SignalId,
    mean: SignalId,
    from: SignalId,
    to: SignalId,
    interval: SignalId,
}

impl TimeLaps {
    fn tell(&self, key: Key, time: Timestamp, told: &CourseOutput, out: &mut Output) {
        if matches!(told, CourseOutput::Progress(_)) && !self.progress {
            return;
        }
        let (names, mut row) = (&self.names, out.row(key, time));
        match told {
            CourseOutput::Progress(p) => {
                row.add(names.event, "progress");
                row.add(names.lap, f64::from(p.lap));
                row.add(names.lap_time, p.lap_time_s);
                row.add(names.lap_dist, p.lap_dist_m);
                row.add(names.delta, number(p.delta_s));
            }
            CourseOutput::MiniSector(m) => {
                row.add(names.event, "mini_sector");
                row.add(names.lap, f64::from(m.lap));
                row.add(names.mini, f64::from(m.index));
                row.add(names.sector_time, m.time_s);
                row.add(names.delta, number(m.delta_s));
            }
            CourseOutput::Sector(s) => {
                row.add(names.event, "sector");
                row.add(names.lap, f64::from(s.lap));
                row.add(names.sector, s.sector as f64);
                row.add(names.sector_time, s.time_s);
                row.add(names.to, seconds(s.at));
            }
            CourseOutput::Lap(l) => {
                row.add(names.event, "lap");
                row.add(names.lap, f64::from(l.lap));
                row.add(names.lap_time, l.time_s);
                row.add(names.from, seconds(l.from));
                row.add(names.to, seconds(l.to));
                row.add(names.interval, l.interval_s);
                for (name, time_s) in names.sectors.iter().zip(&l.sectors) {
                    row.add(*name, number(*time_s));
                }
            }
            CourseOutput::Stint(s) => {
                row.add(names.event, "stint");
                row.add(names.stint, f64::from(s.number));
                row.add(names.laps, f64::from(s.laps));
                row.add(names.best, number(s.best_s));
                row.add(names.mean, number(s.mean_s));
                row.add(names.from, seconds(s.from));
                row.add(names.to, seconds(s.to));
            }
        }
        out.emit(row);
    }
}

fn number(value: Option<f64>) -> Value {
    value.map_or(Value::Null, Value::finite)
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

impl Operator for TimeLaps {
    fn push(&mut self, row: Row, out: &mut Output) {
        let reading = self.roles.read(&row, &out.scope);
        let mut told = std::mem::take(&mut self.told);
        self.vehicles.entry(row.key, Box::default).apply(&self.course, row.time, &reading, &mut told);
        for event in told.drain(..) {
            self.tell(row.key, row.time, &event, out);
        }
        self.told = told;
        out.recycle(row);
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&self.vehicles, bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        self.vehicles = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.vehicles.heap_bytes() + self.vehicles.values().map(|v| size_of::<CourseTracker>() + v.heap_bytes()).sum::<usize>()
    }
}
