//! When a vehicle passed marks along the lap, from its lap distance.

use serde::{Deserialize, Serialize};

use super::crossings::Crossing;

/// Follows one vehicle's lap distance over the marks of a course: 0, the start line, and others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct MarkWatch {
    last: Option<Reached>,
    /// The farthest of the running lap, m.
    farthest: f64,
    /// Length of the last lap by its farthest distance, m.
    length: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Reached {
    at: i64,
    dist: f64,
    speed: Option<f64>,
}

/// What the watch goes by.
pub(super) struct Marks<'a> {
    /// Distances of the marks after the line, m, ascending.
    pub(super) at_m: &'a [f64],
    /// The lap's length, m, where it is known.
    pub(super) length_m: Option<f64>,
    /// A mark passed inside a longer silence is not timed, µs.
    pub(super) max_gap: i64,
}

/// A distance that falls by less than this share of the farthest is noise, not a new lap.
const FALL: f64 = 0.5;

impl MarkWatch {
    /// Takes a lap distance in, in the order of time; appends the marks that were passed.
    pub(super) fn take(&mut self, at: i64, dist: f64, speed: Option<f64>, marks: &Marks<'_>, told: &mut Vec<Crossing>) {
        if !dist.is_finite() {
            return;
        }
        let now = Reached { at, dist, speed };
        let Some(before) = self.last else {
            (self.last, self.farthest) = (Some(now), dist);
            return;
        };
        if at < before.at {
            return;
        }
        let new_lap = dist < self.farthest * FALL && self.farthest > 100.0;
        if new_lap {
            self.over_the_line(before, now, marks, told);
        } else if dist > self.farthest {
            along(before, now, self.farthest, marks, told);
            self.farthest = dist;
        }
        self.last = Some(now);
    }

    fn over_the_line(&mut self, before: Reached, now: Reached, marks: &Marks<'_>, told: &mut Vec<Crossing>) {
        let between = now.at - before.at;
        let length = marks.length_m.or(self.length).filter(|l| *l >= before.dist);
        let f = line_fraction(before, now, length);
        let line = before.at + (between as f64 * f).round() as i64;
        // What is left of the old lap, then the line, then what the new lap has already passed.
        if let Some(length) = length {
            let end = Reached { at: line, dist: length, speed: None };
            along(before, end, self.farthest, marks, told);
        }
        let timed = between <= marks.max_gap;
        told.push(Crossing { gate: 0, at: timed.then_some(line), between });
        self.length = Some(self.farthest.max(before.dist));
        self.farthest = now.dist;
        along(Reached { at: line, dist: 0.0, speed: None }, now, 0.0, marks, told);
        if !timed {
            self.length = None;
        }
    }

    /// The length of the last lap, m: the farthest its distance went.
    #[cfg(test)]
    pub(super) const fn length(&self) -> Option<f64> {
        self.length
    }
}

/// The marks beyond `from` up to `now`.
fn along(before: Reached, now: Reached, from: f64, marks: &Marks<'_>, told: &mut Vec<Crossing>) {
    let (between, way) = (now.at - before.at, now.dist - before.dist);
    for (i, mark) in marks.at_m.iter().enumerate() {
        if *mark > from && *mark <= now.dist {
            let f = if way > 0.0 { ((mark - before.dist) / way).clamp(0.0, 1.0) } else { 1.0 };
            let at = before.at + (between as f64 * f).round() as i64;
            told.push(Crossing { gate: i + 1, at: (between <= marks.max_gap).then_some(at), between });
        }
    }
}

/// Which fraction of the way between two samples lies before the line: by the lap's length, else by
/// the speed after the line, else the middle.
fn line_fraction(before: Reached, now: Reached, length: Option<f64>) -> f64 {
    let elapsed_s = (now.at - before.at) as f64 / 1e6;
    if elapsed_s <= 0.0 {
        return 1.0;
    }
    let speed = now.speed.or(before.speed).filter(|v| *v > 1.0);
    if let Some(speed) = speed {
        return (1.0 - now.dist / speed / elapsed_s).clamp(0.0, 1.0);
    }
    match length {
        Some(length) if length - before.dist + now.dist > 0.0 => (length - before.dist) / (length - before.dist + now.dist),
        _ => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_the_line_are_timed_between_samples() {
        let marks = Marks { at_m: &[300.0, 700.0], length_m: Some(1_000.0), max_gap: 3_000_000 };
        for speed in [None, Some(50.0)] {
            let (mut watch, mut told) = (MarkWatch::default(), Vec::new());
            for i in 0..240_i64 {
                let driven = 50.0 * (i as f64 * 0.2 + 0.03);
                watch.take(i * 200_000, driven % 1_000.0, speed, &marks, &mut told);
            }
            let expected: Vec<(usize, f64)> = (0..10)
                .flat_map(|lap| [(0, 0.0), (1, 300.0), (2, 700.0)].map(|(g, d)| (g, f64::from(lap) * 20.0 + d / 50.0 - 0.03)))
                .skip(1)
                .take_while(|(_, at)| *at < 239.0 * 0.2)
                .collect();
            assert_eq!(told.len(), expected.len());
            for (crossing, (gate, at_s)) in told.iter().zip(expected) {
                assert_eq!(crossing.gate, gate);
                assert!((crossing.at.unwrap() as f64 / 1e6 - at_s).abs() < 1e-5, "{crossing:?} at {at_s}");
            }
        }
    }

    #[test]
    fn a_distance_that_wavers_is_no_new_lap() {
        let marks = Marks { at_m: &[500.0], length_m: None, max_gap: 3_000_000 };
        let (mut watch, mut told) = (MarkWatch::default(), Vec::new());
        for (i, dist) in [490.0, 495.0, 501.0, 498.0, 502.0, 499.0, 503.0, 980.0, 976.0, 990.0].into_iter().enumerate() {
            watch.take(i as i64 * 100_000, dist, None, &marks, &mut told);
        }
        assert_eq!(told.iter().map(|c| c.gate).collect::<Vec<_>>(), [1], "once");
        assert_eq!(watch.length(), None);
    }
}
