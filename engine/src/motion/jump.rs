//! Positions that cannot be: reached faster than anyone goes.

use serde::{Deserialize, Serialize};

use crate::geo::Position;

/// What a position is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It follows from the last believed one.
    Believed,
    /// Too far: the next position decides. Nothing is counted yet.
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
}

/// Tells jumps from motion. Reachable is what lies within `max_speed_mps` times the time since, plus
/// `slack_m` for the receiver's noise.
///
/// One position that cannot be reached is held back. When the next one can be reached from the last believed
/// position, the held one was an outlier and is dropped. When it cannot, but from the held one it can, the track
/// has moved (a tracker that had lost its player, a receiver that found its satellites): it goes on there, and
/// the way between is not counted. When neither, the newest is held instead. So a jump never adds distance or
/// speed, and costs at most the samples within it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct JumpFilter {
    believed: Option<(i64, Position)>,
    held: Option<(i64, Position)>,
}

impl JumpFilter {
    /// Judges a position at `at`, µs, in the order of time.
    pub fn judge(&mut self, at: i64, position: Position, max_speed_mps: f64, slack_m: f64) -> Verdict {
        let now = (at, position);
        let reach = |from: (i64, Position)| {
            let way = from.1.distance_m(position).unwrap_or(f64::INFINITY);
            way <= max_speed_mps * ((at - from.0) as f64 / 1e6) + slack_m
        };
        let Some(believed) = self.believed else {
            self.believed = Some(now);
            return Verdict::Believed;
        };
        if reach(believed) {
            self.believed = Some(now);
            return if self.held.take().is_some() { Verdict::Outlier } else { Verdict::Believed };
        }
        match self.held.take() {
            Some(held) if reach(held) => {
                self.believed = Some(now);
                Verdict::Relocated { from: held, way_m: believed.1.distance_m(held.1).unwrap_or(0.0) }
            }
            _ => {
                self.held = Some(now);
                Verdict::Held
            }
        }
    }

    /// Believes whatever comes next.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Point;

    fn judge(xs: &[f64]) -> Vec<Verdict> {
        let mut filter = JumpFilter::default();
        (xs.iter().enumerate()).map(|(i, x)| filter.judge(i as i64 * 100_000, at(*x), 10.0, 0.0)).collect()
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
    fn wild_positions_are_held_one_after_the_other() {
        use Verdict::{Believed, Held};
        assert_eq!(judge(&[0.0, 50.0, 100.0, 150.0]), [Believed, Held, Held, Held]);
    }
}
