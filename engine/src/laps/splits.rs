//! Laps and sectors out of crossings.

use serde::{Deserialize, Serialize};

use super::{crossings::Crossing, timer::MIN_LAP_S};

/// A sector that was driven from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectorTime {
    /// The lap it belongs to.
    pub lap: u32,
    /// Its number, from 1.
    pub sector: usize,
    /// Its time, s.
    pub time_s: f64,
    /// When it ended, µs.
    pub at: i64,
}

/// A lap from the start line to the start line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Its number, from 1 on for the first lap that began.
    pub lap: u32,
    /// Its time, s.
    pub time_s: f64,
    /// When it began, µs.
    pub from: i64,
    /// When it ended, µs.
    pub to: i64,
    /// The sectors' times, s; `None` for one whose beginning or end was not seen.
    pub sectors: Vec<Option<f64>>,
    /// The longer of the two sampling intervals that the line was crossed in, s: the lap time is
    /// interpolated within them.
    pub interval_s: f64,
}

/// What a crossing meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SplitEvent {
    /// A sector ended.
    Sector(SectorTime),
    /// A lap ended, and the next one began.
    Lap(Split),
    /// A lap began that has none before it.
    Began { lap: u32, at: i64 },
    /// The line was crossed, nobody knows when.
    Unknown,
}

/// Puts one vehicle's crossings together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SplitTimer {
    lap: u32,
    began: Option<(i64, i64)>,
    /// The last gate, and when.
    gate: Option<(usize, i64)>,
    sectors: Vec<Option<f64>>,
}

impl SplitTimer {
    pub(super) const fn lap(&self) -> u32 {
        self.lap
    }

    /// When the running lap began, µs.
    pub(super) fn began(&self) -> Option<i64> {
        self.began.map(|(at, _)| at)
    }

    /// The running lap is none any more.
    pub(super) fn give_up(&mut self) {
        (self.began, self.gate) = (None, None);
        self.sectors.clear();
    }

    /// Takes a crossing in; a course has `gates` of them.
    pub(super) fn take(&mut self, crossing: Crossing, gates: usize, min_lap_s: f64, told: &mut Vec<SplitEvent>) {
        let Some(at) = crossing.at else {
            if crossing.gate == 0 {
                self.give_up();
                self.lap += 1;
                told.push(SplitEvent::Unknown);
            } else {
                // The sector ends unseen; the next one begins unseen, too.
                self.gate = None;
            }
            return;
        };
        if crossing.gate == 0 { self.line(at, crossing.between, gates, min_lap_s, told) } else { self.sector_end(crossing.gate, at, told) }
    }

    fn sector_end(&mut self, gate: usize, at: i64, told: &mut Vec<SplitEvent>) {
        if self.began.is_none() || self.sectors.len() >= gate {
            return;
        }
        let time_s = self.gate.filter(|(last, _)| *last + 1 == gate).map(|(_, since)| seconds(since, at));
        self.sectors.resize(gate - 1, None);
        self.sectors.push(time_s);
        self.gate = Some((gate, at));
        if let Some(time_s) = time_s {
            told.push(SplitEvent::Sector(SectorTime { lap: self.lap, sector: gate, time_s, at }));
        }
    }

    fn line(&mut self, at: i64, between: i64, gates: usize, min_lap_s: f64, told: &mut Vec<SplitEvent>) {
        let Some((from, first_between)) = self.began else {
            self.begin(at, between);
            told.push(SplitEvent::Began { lap: self.lap, at });
            return;
        };
        let time_s = seconds(from, at);
        if time_s < min_lap_s.max(MIN_LAP_S) {
            return;
        }
        self.sector_end(gates, at, told);
        let mut sectors = std::mem::take(&mut self.sectors);
        sectors.resize(gates, None);
        let interval_s = first_between.max(between) as f64 / 1e6;
        told.push(SplitEvent::Lap(Split { lap: self.lap, time_s, from, to: at, sectors, interval_s }));
        self.begin(at, between);
    }

    fn begin(&mut self, at: i64, between: i64) {
        self.lap += 1;
        (self.began, self.gate) = (Some((at, between)), Some((0, at)));
        self.sectors.clear();
    }
}

fn seconds(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(crossings: &[(usize, f64)]) -> Vec<SplitEvent> {
        let (mut timer, mut told) = (SplitTimer::default(), Vec::new());
        for (gate, at_s) in crossings {
            let at = (*at_s >= 0.0).then_some((at_s * 1e6) as i64);
            timer.take(Crossing { gate: *gate, at, between: 100_000 }, 3, 20.0, &mut told);
        }
        told
    }

    fn laps(told: &[SplitEvent]) -> Vec<(u32, f64, Vec<Option<f64>>)> {
        (told.iter())
            .filter_map(|e| match e {
                SplitEvent::Lap(l) => Some((l.lap, l.time_s, l.sectors.clone())),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn sectors_add_up_to_their_lap() {
        let told = run(&[(2, 5.0), (0, 10.0), (1, 40.0), (2, 85.0), (0, 110.0), (1, 141.0), (2, 186.0), (0, 212.0)]);
        let two = [(1, 100.0, vec![Some(30.0), Some(45.0), Some(25.0)]), (2, 102.0, vec![Some(31.0), Some(45.0), Some(26.0)])];
        assert_eq!(laps(&told), two);
    }

    #[test]
    fn a_missed_gate_costs_its_two_sectors_not_the_lap() {
        let told = run(&[(0, 10.0), (2, 85.0), (0, 110.0)]);
        assert_eq!(laps(&told), [(1, 100.0, vec![None, None, Some(25.0)])]);
    }

    #[test]
    fn a_line_crossed_twice_within_the_shortest_lap_is_crossed_once() {
        let told = run(&[(0, 10.0), (0, 10.5), (1, 40.0), (1, 41.0), (2, 85.0), (0, 110.0)]);
        assert_eq!(laps(&told), [(1, 100.0, vec![Some(30.0), Some(45.0), Some(25.0)])]);
    }

    #[test]
    fn a_crossing_without_a_time_ends_the_lap_untimed() {
        let told = run(&[(0, 10.0), (1, 40.0), (0, -1.0), (1, 140.0), (0, 210.0), (0, 310.0)]);
        assert_eq!(laps(&told), [(3, 100.0, vec![None, None, None])]);
    }
}
