use std::{collections::VecDeque, time::Duration};

use slipstream_protocol::Timestamp;

/// How far back distances are remembered.
const WINDOW: Duration = Duration::from_secs(1);
/// A shorter memory tells no speed.
const SHORTEST_S: f64 = 0.7;
/// As few distances tell no speed.
const FEWEST: usize = 5;
/// Distances remembered at most, whatever the rate.
const MOST: usize = 64;
/// Distances that lie further than this from a straight line are noise, not a speed; root mean square, m.
const NOISE_M: f64 = 1.0;

/// How the distance to another vehicle changed within the last second: a second opinion on the closing
/// speed, which vehicles with a broken speed sensor do not spoil.
#[derive(Clone, Debug, Default)]
pub(super) struct Approach {
    distances: VecDeque<(Timestamp, f64)>,
}

impl Approach {
    /// Takes a distance in, m.
    pub(super) fn note(&mut self, time: Timestamp, distance_m: f64) {
        if self.distances.back().is_some_and(|(newest, _)| time <= *newest) {
            return;
        }
        while self.distances.len() >= MOST || self.distances.front().is_some_and(|(oldest, _)| time.since(*oldest) > WINDOW) {
            self.distances.pop_front();
        }
        self.distances.push_back((time, distance_m));
    }

    /// How fast the distance shrinks, m/s, by least squares; `None` while there is too little, or too much noise.
    pub(super) fn closing_mps(&self) -> Option<f64> {
        let (first, last) = (self.distances.front()?.0, self.distances.back()?.0);
        if self.distances.len() < FEWEST || last.since(first).as_secs_f64() < SHORTEST_S {
            return None;
        }
        let count = self.distances.len() as f64;
        let points = || self.distances.iter().map(|(time, distance)| (time.since(first).as_secs_f64(), *distance));
        let (mean_t, mean_d) = points().fold((0.0, 0.0), |(t, d), (time, distance)| (t + time / count, d + distance / count));
        let (mut product, mut square) = (0.0, 0.0);
        for (time, distance) in points() {
            product += (time - mean_t) * (distance - mean_d);
            square += (time - mean_t).powi(2);
        }
        let slope = product / square;
        let off: f64 = points().map(|(time, distance)| (distance - mean_d - slope * (time - mean_t)).powi(2)).sum();
        ((off / count).sqrt() <= NOISE_M).then_some(-slope)
    }

    /// Forgets everything: it is about another vehicle now.
    pub(super) fn clear(&mut self) {
        self.distances.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(distances: impl Fn(f64) -> f64) -> Option<f64> {
        let mut approach = Approach::default();
        for tick in 0..12 {
            let time_s = f64::from(tick) * 0.1;
            approach.note(Timestamp::from_secs_f64(time_s), distances(time_s));
        }
        approach.closing_mps()
    }

    #[test]
    fn a_second_of_distances_tells_how_fast_they_shrink() {
        let closing = after(|t| 50.0 - 7.5 * t).unwrap();
        assert!((closing - 7.5).abs() < 1e-6, "{closing}");
    }

    #[test]
    fn noise_and_too_little_tell_nothing() {
        assert_eq!(after(|t| if (t * 10.0).round() % 2.0 == 0.0 { 50.0 } else { 45.0 }), None);
        let mut approach = Approach::default();
        for tick in 0..4 {
            approach.note(Timestamp::from_secs_f64(f64::from(tick)), 10.0);
        }
        assert_eq!(approach.closing_mps(), None, "samples a second apart are forgotten before there are five");
    }
}
