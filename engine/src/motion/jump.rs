//! Positions that cannot be: reached faster than anyone goes.

use serde::{Deserialize, Serialize};

use crate::geo::Position;

/// What a position is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It follows from the last believed one.
    Believed,
    /// Too far: the next position decides. Nothing is counted yet. A position that may lack a coordinate never decides.
    Held,
    /// The position held before was wrong and is dropped; this one follows from the last believed one.
    Outlier,
    /// The one held before was right: the track goes on from there, `from` (time in µs), and the way to it,
    /// `way_m`, was not driven. This position follows from it.
    Relocated {
        /// The position that was held, and its time, µs.
        from: (i64, Position),
        /// From the last believed position to it, m.
        way_m: f64,
        /// It had moved before, and may still come back to where it was first.
        again: bool,
    },
    /// The track is back where it was before it moved: the positions since were wrong, and this one follows from the one at
    /// `left` (time in µs).
    Returned {
        /// The last position before the jump away, and its time, µs.
        left: (i64, Position),
    },
}

/// A track that comes back to where it jumped away from within so long was never away, µs.
const RETURN_WITHIN: i64 = 300_000_000;

/// What a vehicle can reach.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// No vehicle is faster, m/s.
    pub max_speed_mps: f64,
    /// Noise of a position that is no jump, m.
    pub slack_m: f64,
    /// Other sources limit the way since the last believed position to this, m; infinite where there are none.
    pub most_m: f64,
    /// The track may be sampled rarely and have clusters of strays: a position beside the held one confirms it, however late it comes,
    /// and a track that comes back to where it left was never away. Without it a position that can be reached is believed.
    pub has_clusters: bool,
}

impl Reach {
    /// Of a track that is sampled often, by its highest speed alone.
    pub const fn often_sampled(max_speed_mps: f64, slack_m: f64) -> Self {
        Self { max_speed_mps, slack_m, most_m: f64::INFINITY, has_clusters: false }
    }

    /// Of a track that may be sampled rarely, by its highest speed alone.
    pub const fn with_clusters(max_speed_mps: f64, slack_m: f64) -> Self {
        Self { max_speed_mps, slack_m, most_m: f64::INFINITY, has_clusters: true }
    }

    fn contains(&self, from: (i64, Position), to: (i64, Position)) -> bool {
        way(from, to) <= self.max_speed_mps * ((to.0 - from.0) as f64 / 1e6) + self.slack_m
    }
}

/// Tells jumps from motion. Reachable is what lies within the highest speed times the time since, plus the receiver's noise
/// ([`Reach`]).
///
/// One position that cannot be reached is held back. When the next one can be reached from the last believed
/// position, the held one was an outlier and is dropped. When it lies beside the held one, the track
/// has moved (a tracker that had lost its player, a receiver that found its satellites): it goes on there, and
/// the way between is not counted. When neither, the newest is held instead. So a jump never adds distance or
/// speed, and costs at most the samples within it.
///
/// A track of [`Reach::has_clusters`] that moved and comes back to where it left within five minutes was a cluster of strays: it goes
/// on from where it left.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct JumpFilter {
    believed: Option<(i64, Position)>,
    held: Option<(i64, Position)>,
    /// The last position before the track moved, where it may come back to.
    left: Option<(i64, Position)>,
}

impl JumpFilter {
    /// Judges a position at `at`, µs, in the order of time.
    pub fn judge(&mut self, at: i64, position: Position, reach: &Reach) -> Verdict {
        let now = (at, position);
        let Some(believed) = self.believed else { return self.believe(now) };
        let is_reached = reach.contains(believed, now);
        if position.may_lack_a_coordinate() && !is_reached {
            return Verdict::Held;
        }
        if is_reached && !reach.has_clusters {
            return self.believe(now);
        }
        let nearer = |from: (i64, Position)| reach.contains(from, now) && (!reach.has_clusters || way(from, now) < way(believed, now));
        self.left = self.left.filter(|left| reach.has_clusters && at - left.0 <= RETURN_WITHIN);
        if let Some(left) = self.left.filter(|left| nearer(*left)) {
            *self = Self { believed: Some(now), held: None, left: None };
            return Verdict::Returned { left };
        }
        if let Some(held) = self.held.filter(|held| nearer(*held)) {
            return self.relocate(believed, held, now);
        }
        if is_reached && way(believed, now) <= reach.most_m { self.believe(now) } else { self.hold(now) }
    }

    fn believe(&mut self, now: (i64, Position)) -> Verdict {
        self.believed = Some(now);
        if self.held.take().is_some() { Verdict::Outlier } else { Verdict::Believed }
    }

    const fn hold(&mut self, now: (i64, Position)) -> Verdict {
        self.held = Some(now);
        Verdict::Held
    }

    fn relocate(&mut self, believed: (i64, Position), held: (i64, Position), now: (i64, Position)) -> Verdict {
        let again = self.left.is_some();
        *self = Self { believed: Some(now), held: None, left: self.left.or(Some(believed)) };
        Verdict::Relocated { from: held, way_m: believed.1.distance_m(held.1).unwrap_or(0.0), again }
    }

    /// Believes whatever comes next.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

fn way(from: (i64, Position), to: (i64, Position)) -> f64 {
    from.1.distance_m(to.1).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Point;

    const OFTEN: Reach = Reach::often_sampled(10.0, 0.0);
    const CLUSTERS: Reach = Reach::with_clusters(10.0, 0.0);

    fn judge(xs: &[f64], reach: &Reach) -> Vec<Verdict> {
        let mut filter = JumpFilter::default();
        (xs.iter().enumerate()).map(|(i, x)| filter.judge(i as i64 * 100_000, at(*x), reach)).collect()
    }

    fn at(x: f64) -> Position {
        Position::Track(Point::new(x, 0.0))
    }

    #[test]
    fn a_single_wrong_position_is_dropped() {
        use Verdict::{Believed, Held, Outlier};
        for reach in [OFTEN, CLUSTERS] {
            assert_eq!(judge(&[0.0, 0.5, 20.0, 1.5, 2.0], &reach), [Believed, Believed, Held, Outlier, Believed]);
        }
    }

    #[test]
    fn a_track_that_goes_on_elsewhere_is_followed_there() {
        for reach in [OFTEN, CLUSTERS] {
            let told = judge(&[0.0, 0.5, 20.0, 20.5, 21.0], &reach);
            assert_eq!(told[2], Verdict::Held);
            assert_eq!(told[3], Verdict::Relocated { from: (200_000, at(20.0)), way_m: 19.5, again: false });
            assert_eq!(told[4], Verdict::Believed);
        }
    }

    #[test]
    fn a_cluster_of_strays_is_left_as_it_was_entered() {
        use Verdict::{Believed, Held};
        let told = judge(&[0.0, 0.5, 20.0, 20.5, 20.1, 2.5, 3.0], &CLUSTERS);
        assert_eq!(told[2..5], [Held, Verdict::Relocated { from: (200_000, at(20.0)), way_m: 19.5, again: false }, Believed]);
        assert_eq!(told[5..], [Verdict::Returned { left: (100_000, at(0.5)) }, Believed]);
    }

    #[test]
    fn a_position_beside_the_held_one_confirms_it_however_late_it_comes() {
        let mut filter = JumpFilter::default();
        let mut judge = |time: i64, x: f64| filter.judge(time, at(x), &CLUSTERS);
        judge(0, 0.0);
        assert_eq!(judge(1_000_000, 50.0), Verdict::Held);
        // Now it could have driven there; by the time of the first it could not.
        assert!(matches!(judge(9_000_000, 51.0), Verdict::Relocated { .. }));
    }

    #[test]
    fn a_step_just_too_far_costs_an_often_sampled_track_no_way() {
        // A metre in 0.1 s is reached, 1.1 are not, and the next position follows from both.
        let told = judge(&[0.0, 0.9, 2.0, 2.8], &OFTEN);
        assert_eq!(told[2..], [Verdict::Held, Verdict::Outlier]);
    }

    #[test]
    fn wild_positions_are_held_one_after_the_other() {
        use Verdict::{Believed, Held};
        assert_eq!(judge(&[0.0, 50.0, 100.0, 150.0], &OFTEN), [Believed, Held, Held, Held]);
    }
}
