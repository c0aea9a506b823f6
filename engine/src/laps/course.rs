//! Laps, sectors, stints and the running delta of a vehicle whose source does not count laps.
//!
//! Beside [`super::LapTracker`], which goes by the source's lap counter: here the laps are found from
//! positions and a start line, or from the lap distance. Both record laps the same way.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use slipstream_protocol::Timestamp;

use super::{
    book::{LapBook, LapTrace, TracePoint},
    crossings::{Crossing, CrossingWatch, Rule},
    delta::{MiniSector, MiniSectors, Parts, Progress},
    gate::{Gate, Place},
    marks::{MarkWatch, Marks},
    recorder::{Channels, Recorder},
    splits::{SectorTime, Split, SplitEvent, SplitTimer},
    stint::{Stint, StintTracker},
};
use crate::{
    geo::{LocalFrame, Point, Position},
    signals::{Reading, Role},
    vehicle::LapTime,
};

/// What laps and sectors are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// The start line, then the ends of the sectors but for the last, which ends at the start line.
    /// Empty: laps go by the lap distance.
    #[serde(default)]
    pub gates: Vec<Gate>,
    /// Ends of the sectors but for the last, m after the line; for laps by distance.
    #[serde(default)]
    pub sectors_m: Vec<f64>,
    /// Length of a lap, m, where it is known; otherwise that of the reference lap.
    #[serde(default)]
    pub length_m: Option<f64>,
    /// How many mini-sectors of equal length; 0 for none.
    #[serde(default)]
    pub mini_sectors: u32,
    /// A shorter lap is none, s.
    #[serde(default = "default_min_lap")]
    pub min_lap_s: f64,
    /// A crossing inside a longer silence is not timed, s.
    #[serde(default = "default_max_gap")]
    pub max_gap_s: f64,
    /// How far before and after a crossing positions and speed are compared to time it, s; 0 takes the
    /// two positions around the line. For positions whose times are uneven.
    #[serde(default)]
    pub reckon_s: f64,
    /// A longer stop ends a stint, s.
    #[serde(default = "default_stop")]
    pub stint_stop_s: f64,
}

const fn default_min_lap() -> f64 {
    20.0
}
const fn default_max_gap() -> f64 {
    3.0
}
const fn default_stop() -> f64 {
    20.0
}

impl Default for Course {
    fn default() -> Self {
        Self {
            gates: Vec::new(),
            sectors_m: Vec::new(),
            length_m: None,
            mini_sectors: 0,
            min_lap_s: default_min_lap(),
            max_gap_s: default_max_gap(),
            reckon_s: 0.0,
            stint_stop_s: default_stop(),
        }
    }
}

impl Course {
    /// Every mistake in it, as field and what is wrong.
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut must = |fine: bool, field, what: &str| {
            if !fine {
                found.push((field, what.to_owned()));
            }
        };
        must(self.gates.len() <= 32 && self.sectors_m.len() <= 32, "gates", "at most 32");
        must(
            self.gates.iter().all(|g| g.width_m > 0.0 && g.heading_deg.is_finite()),
            "gates",
            "width_m is more than 0, heading_deg a number",
        );
        let frames = self.gates.iter().map(|g| matches!(g.place, Place::Earth(_)));
        must(frames.clone().all(|f| f) || !frames.clone().any(|f| f), "gates", "all in lat_deg, lon_deg or all in x_m, y_m");
        must(self.gates.is_empty() || self.sectors_m.is_empty(), "sectors_m", "goes with laps by distance: leave it out beside gates");
        must(
            self.sectors_m.windows(2).all(|w| w[0] < w[1]) && self.sectors_m.iter().all(|m| *m > 0.0),
            "sectors_m",
            "ascending, more than 0",
        );
        let ends = self.sectors_m.last().zip(self.length_m).is_none_or(|(end, length)| *end < length);
        must(ends, "sectors_m", "the last one lies before length_m");
        must(self.length_m.is_none_or(|l| l > 0.0 && l.is_finite()), "length_m", "more than 0");
        must(self.mini_sectors <= 200, "mini_sectors", "at most 200");
        for (field, value, from) in
            [("min_lap_s", self.min_lap_s, 0.0), ("max_gap_s", self.max_gap_s, 0.1), ("stint_stop_s", self.stint_stop_s, 1.0)]
        {
            must(value.is_finite() && value >= from, field, &format!("at least {from}"));
        }
        must((0.0..=10.0).contains(&self.reckon_s), "reckon_s", "0 to 10");
        found
    }

    fn gate_count(&self) -> usize {
        if self.gates.is_empty() { self.sectors_m.len() + 1 } else { self.gates.len() }
    }
}

/// What a sample told about the laps.
#[derive(Clone, Debug, PartialEq)]
pub enum CourseOutput {
    /// How the running lap stands.
    Progress(Progress),
    /// A mini-sector ended.
    MiniSector(MiniSector),
    /// A sector ended.
    Sector(SectorTime),
    /// A lap ended.
    Lap(Split),
    /// A stint ended.
    Stint(Stint),
}

/// Follows one vehicle around a course.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CourseTracker {
    seen: Option<i64>,
    late: u64,
    position: Option<(i64, Position)>,
    crossings: CrossingWatch,
    marks: MarkWatch,
    splits: SplitTimer,
    stints: StintTracker,
    channels: Channels,
    recorder: Option<Recorder>,
    book: Option<Arc<LapBook>>,
    mini: MiniSectors,
    /// Along the reference lap, m.
    along_m: f64,
}

/// How far along the lap the next position may be from the last, m.
const REACH_M: f64 = 150.0;

/// Farther from the reference lap's line no time is compared, m: a pit lane, an escape road.
const ASIDE_M: f64 = 30.0;

impl CourseTracker {
    /// Takes what one sample read at `time`, in the order of time; appends what it told.
    pub fn apply(&mut self, course: &Course, time: Timestamp, reading: &Reading, told: &mut Vec<CourseOutput>) {
        let at = time.micros();
        if self.seen.is_some_and(|seen| at < seen) {
            self.late += 1;
            return;
        }
        self.seen = Some(at);
        let position = reading.position();
        let speed = reading.get(Role::Speed).or_else(|| self.speed_from(at, position?, course));
        let mut passed = Vec::new();
        if course.gates.is_empty() {
            if let Some(dist) = reading.get(Role::LapDist) {
                let marks = Marks { at_m: &course.sectors_m, length_m: course.length_m, max_gap: micros(course.max_gap_s) };
                self.marks.take(at, dist, speed, &marks, &mut passed);
            }
        } else if let Some(position) = position {
            let told_speed = reading.get(Role::Speed);
            self.crossings.take(at, position, told_speed, &rule(course), &mut passed);
        }
        let stint = speed.and_then(|v| self.stints.moves(at, v, micros(course.stint_stop_s)));
        told.extend(stint.map(CourseOutput::Stint));
        self.passed(&passed, course, told);
        self.record(at, reading, speed, position, course);
        self.progress(at, reading, position, course, told);
        if let Some(position) = position {
            self.position = Some((at, position));
        }
    }

    /// The stream is over: tells what still waits.
    pub fn finish(&mut self, course: &Course, told: &mut Vec<CourseOutput>) {
        let mut passed = Vec::new();
        self.crossings.flush(&rule(course), &mut passed);
        self.passed(&passed, course, told);
        let silent = self.seen.unwrap_or_default().saturating_add(micros(course.stint_stop_s));
        told.extend(self.stints.moves(silent, 0.0, micros(course.stint_stop_s)).map(CourseOutput::Stint));
    }

    /// The lap that others are compared with: the best whole one so far.
    pub fn reference(&self) -> Option<&Arc<LapTrace>> {
        self.book.as_ref()?.reference()
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        let traces = self.book.iter().flat_map(|book| book.laps().chain(book.reference()));
        let points: usize = traces.map(|lap| lap.points.len()).sum();
        (points + self.recorder.as_ref().map_or(0, Recorder::points)) * size_of::<TracePoint>() + self.crossings.heap_bytes()
    }

    /// Samples that came later than a newer one, and were left out.
    pub const fn late(&self) -> u64 {
        self.late
    }

    fn passed(&mut self, passed: &[Crossing], course: &Course, told: &mut Vec<CourseOutput>) {
        let mut events = Vec::new();
        for crossing in passed {
            self.splits.take(*crossing, course.gate_count(), course.min_lap_s, &mut events);
        }
        for event in events {
            match event {
                SplitEvent::Sector(sector) => told.push(CourseOutput::Sector(sector)),
                SplitEvent::Lap(lap) => self.lap_ended(lap, course, told),
                SplitEvent::Began { at, .. } => self.begin(at),
                SplitEvent::Unknown => (self.recorder, self.along_m) = (None, 0.0),
            }
        }
    }

    fn lap_ended(&mut self, lap: Split, course: &Course, told: &mut Vec<CourseOutput>) {
        let mut mini = Vec::new();
        let reference = self.reference().cloned();
        if let Some(parts) = parts(reference.as_deref(), course) {
            self.mini.finish(lap.lap, lap.time_s, &parts, &mut mini);
        }
        told.extend(mini.into_iter().map(CourseOutput::MiniSector));
        let whole = LapTime { lap: lap.lap, time_s: lap.time_s };
        if let Some(trace) = self.recorder.take().and_then(|recorder| recorder.finish(whole)) {
            Arc::make_mut(self.book.get_or_insert_default()).push(trace);
        }
        self.stints.lap(lap.time_s);
        self.begin(lap.to);
        told.push(CourseOutput::Lap(lap));
    }

    fn begin(&mut self, at: i64) {
        let expected = self.reference().map_or(0, |r| r.points.len() + 8);
        self.recorder = Some(Recorder::new(at, expected));
        self.mini = MiniSectors::begin();
        self.along_m = 0.0;
    }

    fn record(&mut self, at: i64, reading: &Reading, speed: Option<f64>, position: Option<Position>, course: &Course) {
        let mut whole = *reading;
        if !course.gates.is_empty() {
            // The source's distance may count from another line.
            whole.put(Role::LapDist, f64::NAN);
        }
        if let Some(speed) = speed {
            whole.put(Role::Speed, speed);
        }
        if let Some(point) = position.and_then(|p| plane(p, course)) {
            whole.put(Role::X, point.x_m);
            whole.put(Role::Y, point.y_m);
        }
        self.channels.update(&whole);
        if let Some(recorder) = &mut self.recorder {
            recorder.take(at, &whole, &self.channels);
        }
    }

    fn progress(&mut self, at: i64, reading: &Reading, position: Option<Position>, course: &Course, told: &mut Vec<CourseOutput>) {
        let Some(began) = self.splits.began() else { return };
        let Some(driven) = self.recorder.as_ref().map(Recorder::distance_m) else { return };
        let lap_time_s = (at - began) as f64 / 1e6;
        let mut on_track = true;
        let dist = if course.gates.is_empty() {
            reading.get(Role::LapDist)
        } else {
            let point = position.and_then(|p| plane(p, course));
            match self.reference().map(Arc::clone).zip(point) {
                Some((reference, point)) => reference.nearest(point, self.along_m.max(driven * 0.9), REACH_M).map(|on| {
                    on_track = on.aside_m <= ASIDE_M;
                    on.dist_m
                }),
                None => Some(driven),
            }
        };
        let Some(lap_dist_m) = dist else { return };
        self.along_m = lap_dist_m;
        let delta_s = self.reference().filter(|_| on_track).and_then(|r| r.at(lap_dist_m)).map(|p| lap_time_s - f64::from(p.time_s));
        let lap = self.splits.lap();
        let mut mini = Vec::new();
        let reference = self.reference().cloned();
        if let Some(parts) = parts(reference.as_deref(), course) {
            self.mini.take(lap, (lap_dist_m, lap_time_s), &parts, &mut mini);
        }
        told.extend(mini.into_iter().map(CourseOutput::MiniSector));
        told.push(CourseOutput::Progress(Progress { lap, lap_time_s, lap_dist_m, delta_s }));
    }

    fn speed_from(&self, at: i64, position: Position, course: &Course) -> Option<f64> {
        let (before_at, before) = self.position?;
        let elapsed = at - before_at;
        let way = before.distance_m(position)?;
        (elapsed > 0 && elapsed <= micros(course.max_gap_s)).then(|| way / (elapsed as f64 / 1e6))
    }
}

/// Distances are along the reference lap where there is one, and so is the length.
fn parts<'a>(reference: Option<&'a LapTrace>, course: &Course) -> Option<Parts<'a>> {
    let length_m = reference.map(|r| r.length_m).or(course.length_m)?;
    Some(Parts { count: course.mini_sectors, length_m, reference })
}

fn rule(course: &Course) -> Rule<'_> {
    Rule { gates: &course.gates, max_gap: micros(course.max_gap_s), reckon: micros(course.reckon_s) }
}

fn micros(s: f64) -> i64 {
    (s * 1e6).round() as i64
}

/// A position in the plane of the course: the track's own, or the one that touches the Earth at the start line.
fn plane(position: Position, course: &Course) -> Option<Point> {
    match (position, course.gates.first().map(|g| g.place)) {
        (Position::Track(point), _) => Some(point),
        (Position::Earth(place), Some(Place::Earth(line))) => Some(LocalFrame::at(line).point(place)),
        (Position::Earth(_), _) => None,
    }
}
