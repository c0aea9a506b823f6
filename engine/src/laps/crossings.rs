//! When a vehicle went through the gates of a course, from its positions.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use super::gate::Gate;
use crate::geo::Position;

/// No car is faster, m/s, and no receiver worse, m: a longer way between two positions was not driven.
const TOP_SPEED_MPS: f64 = 130.0;
const POSITION_ERROR_M: f64 = 25.0;

/// Slower than this the time of a crossing is not reckoned with the speed, m/s.
const WALKING_MPS: f64 = 3.0;

/// A vehicle went through a gate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// Which gate, counted from 0, the start line.
    pub gate: usize,
    /// When, µs; `None` where it happened in a silence too long to tell.
    pub at: Option<i64>,
    /// The time between the two samples it happened between, µs.
    pub between: i64,
}

/// Watches one vehicle's positions for crossings.
///
/// The time of a crossing is interpolated between the two positions around it. Where positions carry
/// uneven delays (a position's time wrong by some hundredths of a second) and the vehicle tells its
/// speed, the crossing is *reckoned*: the way by positions is compared with the way by speed over
/// `reckon` before and after, which averages the delays away, and the crossing is told that much later.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct CrossingWatch {
    last: Option<Fix>,
    /// The recent past, for reckoning; empty where it is off.
    recent: VecDeque<Fix>,
    waiting: VecDeque<Waiting>,
}

/// A position, and how far the vehicle went until there.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Fix {
    at: i64,
    position: Position,
    speed: Option<f64>,
    /// By positions less by speed, m.
    lead: f64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Waiting {
    crossing: Crossing,
    at: i64,
    speed: f64,
    lead: f64,
}

impl CrossingWatch {
    /// Takes a position in, in the order of time; appends the crossings that are certain now.
    pub(super) fn take(&mut self, at: i64, position: Position, speed: Option<f64>, rule: &Rule<'_>, told: &mut Vec<Crossing>) {
        let Some(before) = self.last else {
            self.keep(Fix { at, position, speed, lead: 0.0 }, rule);
            return;
        };
        let Some(way) = before.position.distance_m(position) else {
            *self = Self::default();
            return;
        };
        if at < before.at || (at == before.at && way == 0.0) {
            return;
        }
        let elapsed_s = (at - before.at) as f64 / 1e6;
        let driven = before.speed.zip(speed).map_or(way, |(a, b)| f64::midpoint(a, b) * elapsed_s);
        let fix = Fix { at, position, speed, lead: before.lead + way - driven };
        let jumped = way > TOP_SPEED_MPS * elapsed_s + POSITION_ERROR_M;
        if !jumped {
            self.through(&before, &fix, rule, told);
        }
        if jumped || at - before.at > rule.max_gap {
            self.release(i64::MAX, rule, told);
            self.recent.clear();
        }
        self.keep(fix, rule);
        self.release(at, rule, told);
    }

    /// Memory held beside the value itself, bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.recent.capacity() * size_of::<Fix>() + self.waiting.capacity() * size_of::<Waiting>()
    }

    /// What still waits for its reckoning, told without waiting any longer.
    pub(super) fn flush(&mut self, rule: &Rule<'_>, told: &mut Vec<Crossing>) {
        self.release(i64::MAX, rule, told);
    }

    fn through(&mut self, before: &Fix, after: &Fix, rule: &Rule<'_>, told: &mut Vec<Crossing>) {
        let between = after.at - before.at;
        let mut found: Vec<(f64, usize)> = (rule.gates.iter().enumerate())
            .filter_map(|(gate, line)| Some((line.crossing(before.position, after.position)?, gate)))
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (f, gate) in found {
            let at = before.at + (between as f64 * f).round() as i64;
            let timed = between <= rule.max_gap;
            let crossing = Crossing { gate, at: timed.then_some(at), between };
            let speed = before.speed.zip(after.speed).map(|(a, b)| a + (b - a) * f).filter(|v| *v >= WALKING_MPS);
            match speed {
                Some(speed) if timed && rule.reckon > 0 => {
                    let lead = before.lead + (after.lead - before.lead) * f;
                    self.waiting.push_back(Waiting { crossing, at, speed, lead });
                }
                _ => {
                    self.release(i64::MAX, rule, told);
                    told.push(crossing);
                }
            }
        }
    }

    fn keep(&mut self, fix: Fix, rule: &Rule<'_>) {
        self.last = Some(fix);
        if rule.reckon == 0 {
            return;
        }
        self.recent.push_back(fix);
        let needed = self.waiting.front().map_or(fix.at, |w| w.at.min(fix.at)) - rule.reckon;
        // The one before the window's beginning is kept to interpolate there.
        while self.recent.get(1).is_some_and(|second| second.at <= needed) {
            self.recent.pop_front();
        }
    }

    fn release(&mut self, now: i64, rule: &Rule<'_>, told: &mut Vec<Crossing>) {
        while let Some(waiting) = self.waiting.front().copied() {
            if now < waiting.at.saturating_add(rule.reckon) {
                return;
            }
            self.waiting.pop_front();
            let mut crossing = waiting.crossing;
            // Ahead of where the speed says it must be, the vehicle came to the line later.
            let mean = self.mean_lead(waiting.at - rule.reckon, waiting.at + rule.reckon);
            let shift_s = mean.map_or(0.0, |mean| (waiting.lead - mean) / waiting.speed);
            crossing.at = Some(waiting.at + (shift_s * 1e6).round() as i64);
            told.push(crossing);
        }
    }

    /// The mean over time of the lead between two times, as far as it is known.
    fn mean_lead(&self, from: i64, to: i64) -> Option<f64> {
        let (mut area, mut span) = (0.0, 0.0);
        for (a, b) in self.recent.iter().zip(self.recent.iter().skip(1)) {
            let (start, end) = (a.at.max(from), b.at.min(to));
            if end <= start {
                continue;
            }
            let lead = |at: i64| a.lead + (b.lead - a.lead) * ((at - a.at) as f64 / (b.at - a.at) as f64);
            area += f64::midpoint(lead(start), lead(end)) * (end - start) as f64;
            span += (end - start) as f64;
        }
        (span > 0.0).then(|| area / span)
    }
}

/// What the watch goes by.
pub(super) struct Rule<'a> {
    /// The gates, the start line first.
    pub(super) gates: &'a [Gate],
    /// A crossing inside a longer silence is not timed, µs.
    pub(super) max_gap: i64,
    /// How long before and after a crossing is looked to reckon its time, µs; 0 is off.
    pub(super) reckon: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{geo::Point, laps::gate::Place};

    const GATE: Gate = Gate { place: Place::Track(Point::new(100.0, 0.0)), heading_deg: 90.0, width_m: 20.0 };

    /// 20 m/s to the east at 10 Hz with the position's time wrong by `jitter(i)`, s.
    fn drive(reckon: i64, jitter: impl Fn(i64) -> f64) -> Vec<Crossing> {
        let rule = Rule { gates: &[GATE], max_gap: 3_000_000, reckon };
        let (mut watch, mut told) = (CrossingWatch::default(), Vec::new());
        for i in 0..100_i64 {
            let x = 20.0 * (i as f64 * 0.1 + jitter(i));
            watch.take(i * 100_000, Position::Track(Point::new(x, 0.0)), Some(20.0), &rule, &mut told);
        }
        watch.flush(&rule, &mut told);
        told
    }

    #[test]
    fn a_crossing_is_timed_between_the_samples() {
        let told = drive(0, |_| 0.03);
        assert_eq!(told.len(), 1);
        assert!((told[0].at.unwrap() - 4_970_000).abs() <= 1, "{told:?}");
        assert_eq!(told[0].between, 100_000);
    }

    #[test]
    fn reckoning_averages_uneven_delays_away() {
        let uneven = |i: i64| if i % 2 == 0 { 0.04 } else { -0.04 };
        let off = |told: &[Crossing]| (told[0].at.unwrap() - 5_000_000).abs();
        assert!(off(&drive(0, uneven)) > 20_000, "{:?}", drive(0, uneven));
        assert!(off(&drive(1_000_000, uneven)) < 3_000, "{:?}", drive(1_000_000, uneven));
    }

    #[test]
    fn a_crossing_in_a_silence_is_told_without_a_time() {
        let rule = Rule { gates: &[GATE], max_gap: 3_000_000, reckon: 0 };
        let (mut watch, mut told) = (CrossingWatch::default(), Vec::new());
        watch.take(0, Position::Track(Point::new(0.0, 0.0)), None, &rule, &mut told);
        watch.take(10_000_000, Position::Track(Point::new(200.0, 0.0)), None, &rule, &mut told);
        assert_eq!(told, [Crossing { gate: 0, at: None, between: 10_000_000 }]);
    }

    #[test]
    fn a_jump_across_the_line_is_no_crossing() {
        let rule = Rule { gates: &[GATE], max_gap: 3_000_000, reckon: 0 };
        let (mut watch, mut told) = (CrossingWatch::default(), Vec::new());
        for (t, x) in [(0, 0.0), (100_000, 300.0), (200_000, 4.0), (300_000, 6.0)] {
            watch.take(t, Position::Track(Point::new(x, 0.0)), None, &rule, &mut told);
        }
        assert_eq!(told, []);
    }
}
