//! How far a member has come: by its speed where that is told often, else by its positions.

use serde::{Deserialize, Serialize};

use crate::{
    geo::Position,
    motion::{JumpFilter, Reach, Verdict},
};

/// Speeds farther apart tell little of what was between, µs: positions tell more.
const SPARSE: i64 = 2_000_000;

/// Distance by speed is not integrated over a longer silence, µs.
const SPEED_GAP: i64 = 30_000_000;

/// Distance by positions is not counted over a longer silence, µs.
const PLACE_GAP: i64 = 600_000_000;

/// Noise of a position that is no jump, m.
const NOISE_M: f64 = 20.0;

/// A way that adds up.
///
/// Between two speeds at most two seconds apart it is their trapezoid. Between others, and where there are none, it is the
/// way from position to position, without those that nobody reaches in the time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Distance {
    /// Up to the newest speed, m.
    settled_m: f64,
    speed: Option<(i64, f64)>,
    place: Option<(i64, Position)>,
    filter: JumpFilter,
    /// By positions since the newest speed, m.
    way_m: f64,
    /// How much of the time since the newest speed positions cover, µs.
    covered: i64,
}

impl Distance {
    /// Resumes at `settled_m`, m, with the newest speed (µs, m/s).
    pub(super) fn resume(settled_m: f64, speed: Option<(i64, f64)>) -> Self {
        Self { settled_m, speed, ..Self::default() }
    }

    /// So far, m.
    pub(super) fn metres(&self) -> f64 {
        // What the next speed will tell better is left to it.
        let by_positions = self.speed.is_none() || self.covered > SPARSE;
        self.settled_m + if by_positions { self.way_m } else { 0.0 }
    }

    /// The newest speed, m/s.
    pub(super) fn speed_mps(&self) -> Option<f64> {
        self.speed.map(|(_, speed)| speed)
    }

    /// The newest sample is of `at`, µs: what is known by a later time was told by a clock that was ahead, and the way goes on from here.
    pub(super) fn forget_later(&mut self, at: i64) {
        if self.speed.is_some_and(|(known, _)| known > at) {
            self.settled_m = self.metres();
            self.speed = None;
            (self.way_m, self.covered) = (0.0, 0);
        }
        if self.place.is_some_and(|(known, _)| known > at) {
            self.place = None;
            self.filter = JumpFilter::default();
        }
    }

    /// Takes a speed (m/s) at `at`, µs, in; returns whether it counts: late and repeated ones do not.
    pub(super) fn speed(&mut self, at: i64, speed: f64) -> bool {
        if let Some((before_at, before)) = self.speed {
            if at <= before_at {
                return false;
            }
            let elapsed = at - before_at;
            let by_positions = elapsed > SPARSE && self.covered >= elapsed / 2;
            if by_positions {
                self.settled_m += self.way_m;
            } else if elapsed <= SPEED_GAP {
                self.settled_m += f64::midpoint(speed, before) * (elapsed as f64 / 1e6);
            }
        } else {
            self.settled_m += self.way_m;
        }
        (self.way_m, self.covered) = (0.0, 0);
        self.speed = Some((at, speed));
        true
    }

    /// Takes a position at `at`, µs, in. Nobody is faster than `max_speed_mps`.
    pub(super) fn position(&mut self, at: i64, position: Position, max_speed_mps: f64) {
        if self.place.is_some_and(|(before, _)| at <= before) {
            return;
        }
        match self.filter.judge(at, position, &Reach::with_clusters(max_speed_mps, NOISE_M)) {
            Verdict::Held => return,
            // The way to where the track goes on was not driven.
            Verdict::Relocated { from, .. } => self.place = Some(from),
            // What was between were strays.
            Verdict::Returned { left } => self.place = Some(left),
            Verdict::Believed | Verdict::Outlier => {}
        }
        if let Some((before_at, before)) = self.place
            && at - before_at <= PLACE_GAP
        {
            self.way_m += before.distance_m(position).unwrap_or(0.0);
            let since = self.speed.map_or(before_at, |(speed_at, _)| before_at.max(speed_at));
            self.covered += (at - since).max(0);
        }
        self.place = Some((at, position));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geo::{LatLon, Point};

    const MAX_MPS: f64 = 200.0;

    fn at_x(x_m: f64) -> Position {
        Position::Track(Point::new(x_m, 0.0))
    }

    #[test]
    fn positions_alone_tell_the_distance() {
        let mut distance = Distance::default();
        for s in 0..=60_i32 {
            distance.position(i64::from(s) * 1_000_000, at_x(40.0 * f64::from(s)), MAX_MPS);
        }
        assert!((distance.metres() - 2_400.0).abs() < 1e-9, "{}", distance.metres());
    }

    #[test]
    fn positions_fill_in_where_speed_is_rare_and_speed_counts_where_it_is_not() {
        // Positions five times a second, a speed each twenty seconds, on a way of 60 km.
        let mut rare = Distance::default();
        for i in 0..=10_000_i32 {
            let at = i64::from(i) * 200_000;
            rare.position(at, at_x(6.0 * f64::from(i)), MAX_MPS);
            if i % 100 == 0 {
                // What a moment tells of twenty seconds: now twice as fast, now standing.
                rare.speed(at, if i % 200 == 0 { 60.0 } else { 0.0 });
            }
        }
        assert!((rare.metres() - 60_000.0).abs() < 1.0, "{}", rare.metres());

        // A standing vehicle whose receiver wanders tells its speed.
        let mut standing = Distance::default();
        for i in 0..=1_000_i32 {
            standing.position(i64::from(i) * 200_000, at_x(f64::from(i % 7)), MAX_MPS);
            standing.speed(i64::from(i) * 200_000, 0.0);
        }
        assert!(standing.metres() < 1e-9, "{}", standing.metres());
    }

    #[test]
    fn a_stray_position_adds_nothing() {
        let mut distance = Distance::default();
        for s in 0..=60_i32 {
            let stray = if s == 30 { 50_000.0 } else { 0.0 };
            distance.position(i64::from(s) * 1_000_000, at_x(10.0 * f64::from(s) + stray), MAX_MPS);
        }
        assert!((distance.metres() - 600.0).abs() < 1e-9, "{}", distance.metres());
    }

    #[test]
    fn a_cluster_of_strays_adds_nothing_and_costs_nothing() {
        for strays in [1, 2, 5, 10] {
            let mut distance = Distance::default();
            for s in 0..=60_i32 {
                let stray = if (30..30 + strays).contains(&s) { 5_000.0 } else { 0.0 };
                distance.position(i64::from(s) * 1_000_000, at_x(10.0 * f64::from(s) + stray), MAX_MPS);
            }
            let inside = 10.0 * f64::from(strays);
            assert!((distance.metres() - 600.0).abs() <= inside, "{strays}: {}", distance.metres());
        }
    }

    #[test]
    fn speed_that_ends_is_followed_by_positions() {
        let mut distance = Distance::default();
        for s in 0..=100_i32 {
            let place = LatLon::new(50.0, 10.0 + 0.0001 * f64::from(s)).unwrap();
            distance.position(i64::from(s) * 1_000_000, Position::Earth(place), MAX_MPS);
            if s <= 50 {
                distance.speed(i64::from(s) * 1_000_000, 7.15);
            }
        }
        assert!((distance.metres() - 715.0).abs() < 2.0, "{}", distance.metres());
    }

    proptest! {
        #[test]
        fn it_never_goes_back_by_more_than_the_next_speed_settles(
            samples in prop::collection::vec((1_i64..8_000, prop::option::of(0.0..50.0_f64), any::<bool>()), 1..80)
        ) {
            let (mut distance, mut at, mut x) = (Distance::default(), 0, 0.0);
            let mut most = 0.0_f64;
            for (ms, speed, placed) in samples {
                at += ms * 1_000;
                x += 20.0 * ms as f64 / 1_000.0;
                if placed {
                    distance.position(at, at_x(x), MAX_MPS);
                }
                if let Some(speed) = speed {
                    distance.speed(at, speed);
                }
                most = most.max(distance.metres());
                prop_assert!(distance.metres().is_finite() && distance.metres() >= 0.0);
            }
            prop_assert!(most <= x.max(50.0 * at as f64 / 1e6) + 1e-6);
        }
    }
}
