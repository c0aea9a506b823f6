//! The running lap beside a reference lap: time lost so far, and mini-sectors.

use serde::{Deserialize, Serialize};

use super::book::LapTrace;

/// How the running lap stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The running lap.
    pub lap: u32,
    /// Since it began, s.
    pub lap_time_s: f64,
    /// Since the line, m: along the reference lap where there is one.
    pub lap_dist_m: f64,
    /// Behind (+) or ahead (-) of the reference lap at the same place, s.
    pub delta_s: Option<f64>,
}

/// A mini-sector: one of equal parts of the lap by distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MiniSector {
    /// The lap it belongs to.
    pub lap: u32,
    /// Its number, from 1.
    pub index: u32,
    /// Its time, s.
    pub time_s: f64,
    /// Slower (+) or faster (-) than the reference lap there, s.
    pub delta_s: Option<f64>,
    /// When it ended, since the lap began, s.
    pub lap_time_s: f64,
}

/// Cuts the running lap into `count` equal parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct MiniSectors {
    /// The last place, m and s since the line.
    last: (f64, f64),
    /// The last boundary that was passed: its number and time, s; no time where it was not seen.
    passed: (u32, Option<f64>),
}

impl MiniSectors {
    /// A new lap begins now.
    pub(super) fn begin() -> Self {
        Self { last: (0.0, 0.0), passed: (0, Some(0.0)) }
    }

    /// The vehicle is `dist_m` along a lap of `length_m` after `time_s`.
    pub(super) fn take(&mut self, lap: u32, place: (f64, f64), parts: &Parts<'_>, told: &mut Vec<MiniSector>) {
        let (dist_m, time_s) = place;
        let (before_m, before_s) = self.last;
        if parts.count == 0 || dist_m <= before_m || time_s < before_s {
            return;
        }
        let part_m = parts.length_m / f64::from(parts.count);
        while self.passed.0 + 1 < parts.count && f64::from(self.passed.0 + 1) * part_m <= dist_m {
            let boundary = f64::from(self.passed.0 + 1) * part_m;
            let f = ((boundary - before_m) / (dist_m - before_m)).clamp(0.0, 1.0);
            self.pass(lap, before_s + (time_s - before_s) * f, parts, told);
        }
        self.last = place;
    }

    /// The lap ended after `time_s`: the last part ends at the line.
    pub(super) fn finish(&mut self, lap: u32, time_s: f64, parts: &Parts<'_>, told: &mut Vec<MiniSector>) {
        if parts.count > 0 && self.passed.0 + 1 == parts.count {
            self.pass(lap, time_s, parts, told);
        }
    }

    fn pass(&mut self, lap: u32, at_s: f64, parts: &Parts<'_>, told: &mut Vec<MiniSector>) {
        let (index, since) = (self.passed.0 + 1, self.passed.1);
        if let Some(since) = since {
            let time_s = at_s - since;
            let delta_s = parts.reference.and_then(|r| reference_part(r, index, parts.count)).map(|part| time_s - part);
            told.push(MiniSector { lap, index, time_s, delta_s, lap_time_s: at_s });
        }
        self.passed = (index, Some(at_s));
    }
}

/// How a lap is cut.
pub(super) struct Parts<'a> {
    pub(super) count: u32,
    pub(super) length_m: f64,
    pub(super) reference: Option<&'a LapTrace>,
}

/// The reference lap's time in part `index` of `count`, s.
fn reference_part(reference: &LapTrace, index: u32, count: u32) -> Option<f64> {
    let boundary = |i: u32| {
        if i == count {
            return Some(reference.time_s);
        }
        reference.at(reference.length_m * f64::from(i) / f64::from(count)).map(|p| f64::from(p.time_s))
    };
    Some(boundary(index)? - boundary(index - 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mini_sectors_add_up_to_the_lap() {
        let parts = Parts { count: 20, length_m: 1_000.0, reference: None };
        let (mut mini, mut told) = (MiniSectors::begin(), Vec::new());
        for i in 1..200 {
            let t = f64::from(i) * 0.1;
            mini.take(7, (50.0 * t + (t * 2.0).sin(), t), &parts, &mut told);
        }
        mini.finish(7, 20.0, &parts, &mut told);
        assert_eq!(told.iter().map(|m| m.index).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
        let sum: f64 = told.iter().map(|m| m.time_s).sum();
        assert!((sum - 20.0).abs() < 1e-9, "{sum}");
        assert!(told.iter().all(|m| (0.9..1.1).contains(&m.time_s)), "{told:?}");
    }
}
