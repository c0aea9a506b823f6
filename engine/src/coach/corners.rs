//! Finds the corners of a lap.

use crate::laps::LapTrace;

/// A corner is where the speed falls and rises by at least this much, m/s.
pub(super) const PROMINENCE_MPS: f64 = 3.0;

/// A lap is cut this far before a brake point, m, or halfway to the corner before where that is nearer:
/// so an earlier brake point is still within its corner's part.
const CUT_BEFORE_M: f64 = 90.0;

/// Slower than this many times the minimum speed is within the corner.
const WITHIN: f64 = 1.08;

/// A corner of the reference lap. Distances are from the line, m; speeds m/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Corner {
    /// The corner's part of the lap begins here.
    pub(super) from_m: f64,
    /// The next corner's part begins here.
    pub(super) to_m: f64,
    /// The slowest place.
    pub(super) apex_m: f64,
    /// How much is driven near the minimum speed.
    pub(super) length_m: f64,
    /// The fastest place before.
    pub(super) entry_m: f64,
    /// Speed there.
    pub(super) entry_mps: f64,
    /// Speed at the apex.
    pub(super) min_mps: f64,
    /// Highest speed behind, up to the next corner.
    pub(super) exit_mps: f64,
}

pub(super) fn find_corners(lap: &LapTrace) -> Vec<Corner> {
    let speeds = smooth(lap);
    let turns = extremes(&speeds);
    let mut corners = Vec::with_capacity(turns.len());
    let mut from = 0.0;
    for (k, t) in turns.iter().enumerate() {
        let to = turns.get(k + 1).map_or(lap.length_m, |next| {
            let peak_m = next.peak as f64 * lap.step_m;
            let halfway_m = (t.low + next.peak) as f64 / 2.0 * lap.step_m;
            (peak_m - CUT_BEFORE_M).max(halfway_m)
        });
        let limit = speeds[t.low] * WITHIN;
        let before = (0..t.low).rev().take_while(|i| speeds[*i] < limit).count();
        let after = (t.low..speeds.len()).take_while(|i| speeds[*i] < limit).count();
        let until = turns.get(k + 1).map_or(speeds.len() - 1, |next| next.peak);
        let fastest = speeds[t.low..=until.max(t.low)].iter().copied().fold(1.0, f64::max);
        corners.push(Corner {
            from_m: from,
            to_m: to,
            apex_m: t.low as f64 * lap.step_m,
            length_m: (before + after) as f64 * lap.step_m,
            entry_m: t.peak as f64 * lap.step_m,
            entry_mps: speeds[t.peak],
            min_mps: speeds[t.low].max(1.0),
            exit_mps: fastest,
        });
        from = to;
    }
    corners
}

/// A fall of speed from a peak to a low point.
struct Turn {
    peak: usize,
    low: usize,
}

/// Follows the speed up and down; a turn counts once it has moved by [`PROMINENCE_MPS`].
fn extremes(speeds: &[f64]) -> Vec<Turn> {
    let (mut turns, mut falling) = (Vec::new(), false);
    let (mut high, mut low) = (0, 0);
    for (i, v) in speeds.iter().enumerate() {
        if falling {
            if *v < speeds[low] {
                low = i;
            }
            if *v > speeds[low] + PROMINENCE_MPS {
                turns.push(Turn { peak: high, low });
                (falling, high) = (false, i);
            }
        } else {
            if *v > speeds[high] {
                high = i;
            }
            if *v < speeds[high] - PROMINENCE_MPS {
                (falling, low) = (true, i);
            }
        }
    }
    turns
}

/// Mean over about 15 m, so that noise makes no corners.
fn smooth(lap: &LapTrace) -> Vec<f64> {
    let reach = (7.5 / lap.step_m).round() as usize;
    let points = &lap.points;
    (0..points.len())
        .map(|i| {
            let near = &points[i.saturating_sub(reach)..(i + reach + 1).min(points.len())];
            near.iter().map(|p| f64::from(p.speed_mps)).sum::<f64>() / near.len() as f64
        })
        .collect()
}
