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
    },
    /// The track is back where it was before it moved: the positions since were wrong, and this one follows from the one at
    /// `left` (time in µs).
    Returned {
        /// The last position before the jump away, and its time, µs.
        left: (i64, Position),
    },
}

/// A track that comes back to where it jumped away from within so long was never away, µs.
pub(crate) const RETURN_WITHIN: i64 = 300_000_000;

/// Tells jumps from motion. Reachable is what lies within `max_speed_mps` times the time since, plus
/// `slack_m` for the receiver's noise.
///
/// One position that cannot be reached is held back. When the next one can be reached from the last believed
/// position, the held one was an outlier and is dropped. When it cannot, but from the held one it can, the track
/// has moved (a tracker that had lost its player, a receiver that found its satellites): it goes on there, and
/// the way between is not counted. When neither, the newest is held instead. So a jump never adds distance or
/// speed, and costs at most the samples within it.
///
/// Of rare samples ([`JumpFilter::judge_within`]) one that lies beside the held one confirms it, however late it comes; and a
/// track that moved and comes back to where it left within five minutes was a cluster of strays: it goes on from where it left.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct JumpFilter {
    believed: Option<(i64, Position)>,
    held: Option<(i64, Position)>,
    /// The last position before the track moved, where it may come back to.
    left: Option<(i64, Position)>,
}

impl JumpFilter {
    /// Judges a position at `at`, µs, in the order of time, of a track that is sampled often: clusters of strays are not looked for.
    pub fn judge(&mut self, at: i64, position: Position, max_speed_mps: f64, slack_m: f64) -> Verdict {
        let now = (at, position);
        let reach = |from: (i64, Position)| way(from, now) <= reachable_m(from, at, max_speed_mps, slack_m);
        let Some(believed) = self.believed else { return self.believe(now) };
        if reach(believed) {
            return self.believe(now);
        }
        if position.may_lack_a_coordinate() {
            return Verdict::Held;
        }
        match self.held.take().filter(|held| reach(*held)) {
            Some(held) => self.relocate(believed, held, now),
            None => self.hold(now),
        }
    }

    /// As [`JumpFilter::judge`], of a track that may have clusters of strays and be sampled rarely, where other sources limit the way
    /// since the last believed position to `most_m`, m.
    pub fn judge_within(&mut self, at: i64, position: Position, max_speed_mps: f64, slack_m: f64, most_m: f64) -> Verdict {
        let now = (at, position);
        let reach = |from: (i64, Position)| way(from, now) <= reachable_m(from, at, max_speed_mps, slack_m);
        let Some(believed) = self.believed else { return self.believe(now) };
        if position.may_lack_a_coordinate() && !reach(believed) {
            return Verdict::Held;
        }
        let nearer = |from: (i64, Position)| reach(from) && way(from, now) < way(believed, now);
        self.left = self.left.filter(|left| at - left.0 <= RETURN_WITHIN);
        if let Some(left) = self.left.filter(|left| nearer(*left)) {
            *self = Self { believed: Some(now), held: None, left: None };
            return Verdict::Returned { left };
        }
        if let Some(held) = self.held.filter(|held| nearer(*held)) {
            self.left = self.left.or(Some(believed));
            return self.relocate(believed, held, now);
        }
        if reach(believed) && way(believed, now) <= most_m { self.believe(now) } else { self.hold(now) }
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
        (self.believed, self.held) = (Some(now), None);
        Verdict::Relocated { from: held, way_m: believed.1.distance_m(held.1).unwrap_or(0.0) }
    }

    /// Believes whatever comes next.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

fn way(from: (i64, Position), to: (i64, Position)) -> f64 {
    from.1.distance_m(to.1).unwrap_or(f64::INFINITY)
}

fn reachable_m(from: (i64, Position), at: i64, max_speed_mps: f64, slack_m: f64) -> f64 {
    max_speed_mps * ((at - from.0) as f64 / 1e6) + slack_m
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Point;

    fn judge(xs: &[f64]) -> Vec<Verdict> {
        let mut filter = JumpFilter::default();
        (xs.iter().enumerate()).map(|(i, x)| filter.judge(i as i64 * 100_000, at(*x), 10.0, 0.0)).collect()
    }

    fn judge_within(xs: &[f64]) -> Vec<Verdict> {
        let mut filter = JumpFilter::default();
        (xs.iter().enumerate()).map(|(i, x)| filter.judge_within(i as i64 * 100_000, at(*x), 10.0, 0.0, f64::INFINITY)).collect()
    }

    fn at(x: f64) -> Position {
        Position::Track(Point::new(x, 0.0))
    }

    #[test]
    fn a_single_wrong_position_is_dropped() {
        use Verdict::{Believed, Held, Outlier};
        assert_eq!(judge(&[0.0, 0.5, 20.0, 1.5, 2.0]), [Believed, Believed, Held, Outlier, Believed]);
    }

    #[test]
    fn a_track_that_goes_on_elsewhere_is_followed_there() {
        let told = judge(&[0.0, 0.5, 20.0, 20.5, 21.0]);
        assert_eq!(told[2], Verdict::Held);
        assert_eq!(told[3], Verdict::Relocated { from: (200_000, at(20.0)), way_m: 19.5 });
        assert_eq!(told[4], Verdict::Believed);
    }

    #[test]
    fn a_cluster_of_strays_is_left_as_it_was_entered() {
        use Verdict::{Believed, Held};
        let told = judge_within(&[0.0, 0.5, 20.0, 20.5, 20.1, 2.5, 3.0]);
        assert_eq!(told[2..5], [Held, Verdict::Relocated { from: (200_000, at(20.0)), way_m: 19.5 }, Believed]);
        assert_eq!(told[5..], [Verdict::Returned { left: (100_000, at(0.5)) }, Believed]);
    }

    #[test]
    fn a_position_beside_the_held_one_confirms_it_however_late_it_comes() {
        let mut filter = JumpFilter::default();
        let mut judge = |time: i64, x: f64| filter.judge_within(time, at(x), 10.0, 0.0, f64::INFINITY);
        judge(0, 0.0);
        assert_eq!(judge(1_000_000, 50.0), Verdict::Held);
        // Now it could have driven there; by the time of the first it could not.
        assert!(matches!(judge(9_000_000, 51.0), Verdict::Relocated { .. }));
    }

    #[test]
    fn wild_positions_are_held_one_after_the_other() {
        use Verdict::{Believed, Held};
        assert_eq!(judge(&[0.0, 50.0, 100.0, 150.0]), [Believed, Held, Held, Held]);
    }
}
