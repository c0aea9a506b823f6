//! A track without its noise: a parabola through the neighbours of each position.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use crate::geo::{LocalFrame, Point, Position};

/// Fits a parabola over `window` positions around each one (least squares, with their real times) and takes its
/// value there. On evenly spaced samples this is the Savitzky-Golay filter of order 2, ends included: the first
/// and last half window lie on the parabola of the first and last whole window.
///
/// A position leaves half a window after it came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Smoother {
    raw: VecDeque<(i64, Position)>,
    /// How many of `raw` have left already.
    left: usize,
}

impl Smoother {
    /// Takes a position in; appends those that are smooth now.
    pub fn push(&mut self, at: i64, position: Position, window: usize, out: &mut Vec<(i64, Position)>) {
        if window < 3 {
            out.push((at, position));
            return;
        }
        self.raw.push_back((at, position));
        if self.raw.len() < window {
            return;
        }
        if self.raw.len() > window {
            self.raw.pop_front();
            self.left -= 1;
        }
        self.leave(window / 2 + 1, out);
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        self.raw.capacity() * size_of::<(i64, Position)>()
    }

    /// The track ends here: the rest leaves, and a new one may begin.
    pub fn end(&mut self, out: &mut Vec<(i64, Position)>) {
        self.leave(self.raw.len(), out);
        *self = Self::default();
    }

    fn leave(&mut self, upto: usize, out: &mut Vec<(i64, Position)>) {
        if self.left >= upto {
            return;
        }
        let Some(fit) = Parabola::through(&self.raw) else {
            out.extend(self.raw.range(self.left..upto));
            self.left = upto;
            return;
        };
        out.extend(self.raw.range(self.left..upto).map(|(at, _)| (*at, fit.at(*at))));
        self.left = upto;
    }
}

/// Two parabolas over time, one for each axis of a plane.
struct Parabola {
    origin_at: i64,
    frame: Option<LocalFrame>,
    x: [f64; 3],
    y: [f64; 3],
}

impl Parabola {
    /// The one nearest to the positions; `None` for fewer than three times, or positions of two kinds.
    fn through(raw: &VecDeque<(i64, Position)>) -> Option<Self> {
        let (origin_at, middle) = *raw.get(raw.len() / 2)?;
        let frame = match middle {
            Position::Earth(place) => Some(LocalFrame::at(place)),
            Position::Track(_) => None,
        };
        // Sums of powers of time, and of those times each axis.
        let (mut s, mut tx, mut ty) = ([0.0; 5], [0.0; 3], [0.0; 3]);
        for (at, position) in raw {
            let p = match (position, &frame) {
                (Position::Track(p), None) => *p,
                (Position::Earth(place), Some(frame)) => frame.point(*place),
                _ => return None,
            };
            let t = (at - origin_at) as f64 / 1e6;
            let mut power = 1.0;
            for k in 0..5 {
                s[k] += power;
                if k < 3 {
                    tx[k] += power * p.x_m;
                    ty[k] += power * p.y_m;
                }
                power *= t;
            }
        }
        let normal = [[s[0], s[1], s[2]], [s[1], s[2], s[3]], [s[2], s[3], s[4]]];
        Some(Self { origin_at, frame, x: solve(normal, tx)?, y: solve(normal, ty)? })
    }

    fn at(&self, at: i64) -> Position {
        let t = (at - self.origin_at) as f64 / 1e6;
        let value = |c: &[f64; 3]| c[0] + t * (c[1] + t * c[2]);
        let point = Point::new(value(&self.x), value(&self.y));
        match &self.frame {
            Some(frame) => Position::Earth(frame.place(point)),
            None => Position::Track(point),
        }
    }
}

/// Solves three linear equations (Gauss with pivots).
fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> Option<[f64; 3]> {
    for col in 0..3 {
        let pivot = (col..3).max_by(|i, j| a[*i][col].abs().total_cmp(&a[*j][col].abs()))?;
        if a[pivot][col].abs() < 1e-12 {
            return None;
        }
        a.swap(col, pivot);
        b.swap(col, pivot);
        for row in col + 1..3 {
            let f = a[row][col] / a[col][col];
            let upper = a[col];
            for (value, above) in a[row].iter_mut().zip(upper) {
                *value -= f * above;
            }
            b[row] -= f * b[col];
        }
    }
    let mut x = [0.0; 3];
    for row in (0..3).rev() {
        let rest: f64 = (row + 1..3).map(|k| a[row][k] * x[k]).sum();
        x[row] = (b[row] - rest) / a[row][row];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smooth(xs: &[f64], window: usize) -> Vec<f64> {
        let (mut smoother, mut out) = (Smoother::default(), Vec::new());
        for (i, x) in xs.iter().enumerate() {
            smoother.push(i as i64 * 40_000, Position::Track(Point::new(*x, -x)), window, &mut out);
        }
        smoother.end(&mut out);
        assert!(out.windows(2).all(|w| w[0].0 + 40_000 == w[1].0), "in order, each once");
        out.iter().map(|(_, p)| if let Position::Track(p) = p { p.x_m } else { unreachable!() }).collect()
    }

    #[test]
    fn it_is_the_savitzky_golay_filter() {
        // scipy.signal.savgol_filter([0, 1, 0, 5, 2, 8, 3, 9, 9], 5, 2)
        let expected = [-0.285_714, 0.942_857, 1.885_714, 2.342_857, 5.171_429, 4.4, 6.342_857, 7.771_429, 9.057_143];
        let told = smooth(&[0.0, 1.0, 0.0, 5.0, 2.0, 8.0, 3.0, 9.0, 9.0], 5);
        for (a, b) in told.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{told:?} beside {expected:?}");
        }
    }

    #[test]
    fn a_parabola_passes_unchanged_and_short_tracks_leave_whole() {
        let parabola: Vec<f64> = (0..50).map(|i| f64::from(i * i) * 0.01 - f64::from(i)).collect();
        for (a, b) in smooth(&parabola, 21).iter().zip(&parabola) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        for n in 0..21 {
            assert_eq!(smooth(&parabola[..n], 21).len(), n);
        }
    }
}
