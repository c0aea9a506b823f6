//! What adds up over a track.

use serde::{Deserialize, Serialize};

/// What was done faster than a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OverThreshold {
    /// The threshold, m/s.
    pub speed_mps: f64,
    /// Distance covered faster than it, m.
    pub distance_m: f64,
    /// Time spent faster than it, s.
    pub time_s: f64,
    /// How often it was passed from below.
    pub bouts: u32,
}

/// Distance and speed so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MotionKpis {
    /// Positions (or speeds) that counted.
    pub samples: u64,
    /// Time covered, s: without gaps and jumps.
    pub time_s: f64,
    /// Distance covered, m.
    pub distance_m: f64,
    /// Highest speed of a step, m/s.
    pub max_speed_mps: f64,
    /// Per threshold, ascending as configured.
    pub over: Vec<OverThreshold>,
    /// Positions dropped because neither the one before nor the one after agrees with them.
    pub outliers: u64,
    /// How often the track went on elsewhere.
    pub jumps: u64,
    /// The sum of those jumps, m; not in `distance_m`.
    pub jumped_m: f64,
    /// Silences longer than the longest gap; what happened in them is not counted.
    pub gaps: u64,
    /// Samples that came later than a newer one.
    pub late: u64,
    /// Whether the last step was over each threshold.
    #[serde(default)]
    fast: Vec<bool>,
}

impl MotionKpis {
    /// Nothing so far.
    pub(super) fn new(thresholds: &[f64]) -> Self {
        let over = thresholds.iter().map(|speed_mps| OverThreshold { speed_mps: *speed_mps, ..OverThreshold::default() }).collect();
        Self { over, fast: vec![false; thresholds.len()], ..Self::default() }
    }

    /// Adds a step of `way_m` in `time_s` at `speed_mps`.
    pub(super) fn step(&mut self, way_m: f64, time_s: f64, speed_mps: f64) {
        self.time_s += time_s;
        self.distance_m += way_m;
        self.max_speed_mps = self.max_speed_mps.max(speed_mps);
        for (over, fast) in self.over.iter_mut().zip(&mut self.fast) {
            let is_over = speed_mps > over.speed_mps;
            if is_over {
                over.distance_m += way_m;
                over.time_s += time_s;
                over.bouts += u32::from(!*fast);
            }
            *fast = is_over;
        }
    }

    /// The track breaks here.
    pub(super) fn breaks(&mut self) {
        self.fast.fill(false);
    }
}
