//! When a vehicle enters, leaves, and stays.

use serde::{Deserialize, Serialize};

use super::set::FenceSet;
use crate::geo::Position;

/// What counts as leaving and staying.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FenceRule {
    /// A vehicle has left when it is farther outside than this, m, so that noise at the border tells nothing.
    pub margin_m: f64,
    /// Staying this long is told once per visit, s; 0 tells nothing.
    pub dwell_s: f64,
}

impl Default for FenceRule {
    fn default() -> Self {
        Self { margin_m: 15.0, dwell_s: 0.0 }
    }
}

/// What happened at a fence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum FenceEvent {
    /// First seen inside, at `at`, µs.
    Enter {
        /// The fence's name.
        fence: String,
        /// When, µs.
        at: i64,
    },
    /// It has been inside for the time to stay.
    Dwell {
        /// The fence's name.
        fence: String,
        /// When the time was full, µs.
        at: i64,
        /// When it entered, µs.
        since: i64,
    },
    /// First seen outside again.
    Leave {
        /// The fence's name.
        fence: String,
        /// When, µs.
        at: i64,
        /// When it entered, µs.
        since: i64,
    },
}

/// The fences one vehicle is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// By name, so that a set of fences can be replaced under it.
    inside: Vec<Inside>,
    seen: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inside {
    fence: String,
    since: i64,
    dwelt: bool,
}

impl Presence {
    /// Takes a position at `at`, µs, in the order of time; appends what happened, what is overdue first, then leaving, then entering.
    pub fn apply(&mut self, set: &FenceSet, rule: &FenceRule, at: i64, position: Position, told: &mut Vec<FenceEvent>) {
        if self.seen.is_some_and(|seen| at < seen) {
            return;
        }
        self.seen = Some(at);
        self.advance(rule, at, told);
        self.inside.retain(|inside| {
            let gone = set.find(&inside.fence).is_none_or(|fence| set.outside_m(fence, position).is_none_or(|m| m > rule.margin_m));
            if gone {
                told.push(FenceEvent::Leave { fence: inside.fence.clone(), at, since: inside.since });
            }
            !gone
        });
        for fence in set.around(position) {
            let name = set.name(fence);
            if !self.inside.iter().any(|inside| inside.fence == name) {
                self.inside.push(Inside { fence: name.to_owned(), since: at, dwelt: false });
                told.push(FenceEvent::Enter { fence: name.to_owned(), at });
            }
        }
    }

    /// It is `now`, µs, and nothing came since: tells who has stayed long enough. The vehicle is taken to be where it was.
    pub fn advance(&mut self, rule: &FenceRule, now: i64, told: &mut Vec<FenceEvent>) {
        if rule.dwell_s <= 0.0 {
            return;
        }
        let mut due: Vec<(i64, usize)> = (self.inside.iter().enumerate())
            .filter(|(_, inside)| !inside.dwelt)
            .map(|(i, inside)| (inside.since + dwell(rule), i))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort_unstable();
        for (at, i) in due {
            let inside = &mut self.inside[i];
            inside.dwelt = true;
            told.push(FenceEvent::Dwell { fence: inside.fence.clone(), at, since: inside.since });
        }
    }

    /// When the next stay is full, µs, if the vehicle stays.
    pub fn next_due(&self, rule: &FenceRule) -> Option<i64> {
        (rule.dwell_s > 0.0).then(|| self.inside.iter().filter(|i| !i.dwelt).map(|i| i.since + dwell(rule)).min())?
    }

    /// The names of the fences it is in, in the order of entering.
    pub fn inside(&self) -> impl Iterator<Item = &str> {
        self.inside.iter().map(|i| i.fence.as_str())
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        self.inside.capacity() * size_of::<Inside>() + self.inside.iter().map(|i| i.fence.capacity()).sum::<usize>()
    }
}

fn dwell(rule: &FenceRule) -> i64 {
    (rule.dwell_s * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        geo::Point,
        geofence::{Anchor, Fence, Shape},
    };

    fn circles(middles: &[(f64, f64)]) -> FenceSet {
        let circle = |(x, r): &(f64, f64)| Shape::Circle { middle: Anchor::Track(Point::new(*x, 0.0)), radius_m: *r };
        let fences: Vec<Fence> = middles.iter().enumerate().map(|(i, m)| Fence { name: format!("f{i}"), shape: circle(m) }).collect();
        FenceSet::new(&fences).unwrap()
    }

    fn walk(set: &FenceSet, rule: &FenceRule, xs: &[f64]) -> Vec<FenceEvent> {
        let (mut presence, mut told) = (Presence::default(), Vec::new());
        for (i, x) in xs.iter().enumerate() {
            presence.apply(set, rule, i as i64 * 1_000_000, Position::Track(Point::new(*x, 0.0)), &mut told);
        }
        told
    }

    #[test]
    fn entering_staying_and_leaving_are_told_once_and_noise_at_the_border_is_not() {
        let set = circles(&[(100.0, 50.0)]);
        let rule = FenceRule { margin_m: 10.0, dwell_s: 4.5 };
        let told = walk(&set, &rule, &[0.0, 45.0, 51.0, 48.0, 52.0, 49.0, 100.0, 100.0, 145.0, 155.0, 161.0, 170.0]);
        let s = 1_000_000;
        assert_eq!(
            told,
            [
                FenceEvent::Enter { fence: "f0".into(), at: 2 * s },
                FenceEvent::Dwell { fence: "f0".into(), at: 6_500_000, since: 2 * s },
                FenceEvent::Leave { fence: "f0".into(), at: 10 * s, since: 2 * s },
            ]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Beside a slow one that looks at each fence alone, and wherever the stream is cut and taken up.
        #[test]
        fn visits_are_those_of_each_fence_looked_at_alone(
            middles in prop::collection::vec((-500.0..500.0_f64, 5.0..200.0_f64), 1..20), steps in prop::collection::vec(-60.0..60.0_f64, 1..120), margin in 0.0..30.0_f64, cut in 0..120_usize
        ) {
            let set = circles(&middles);
            let rule = FenceRule { margin_m: margin, dwell_s: 3.0 };
            let xs: Vec<f64> = steps.iter().scan(0.0, |x, step| { *x += step; Some(*x) }).collect();
            let (mut presence, mut told) = (Presence::default(), Vec::new());
            for (i, x) in xs.iter().enumerate() {
                if i == cut {
                    presence = postcard::from_bytes(&postcard::to_allocvec(&presence).unwrap()).unwrap();
                }
                presence.apply(&set, &rule, i as i64 * 1_000_000, Position::Track(Point::new(*x, 0.0)), &mut told);
            }
            let mut slow = Vec::new();
            for (f, (middle, radius)) in middles.iter().enumerate() {
                let (mut since, fence) = (None::<usize>, format!("f{f}"));
                for (i, x) in xs.iter().enumerate() {
                    let outside = (x - middle).abs() - radius;
                    match since {
                        Some(s) => {
                            if i == s + 3 {
                                slow.push(FenceEvent::Dwell { fence: fence.clone(), at: i as i64 * 1_000_000, since: s as i64 * 1_000_000 });
                            }
                            if outside > margin {
                                slow.push(FenceEvent::Leave { fence: fence.clone(), at: i as i64 * 1_000_000, since: s as i64 * 1_000_000 });
                                since = None;
                            }
                        }
                        None if outside <= 0.0 => {
                            slow.push(FenceEvent::Enter { fence: fence.clone(), at: i as i64 * 1_000_000 });
                            since = Some(i);
                        }
                        None => {}
                    }
                }
            }
            let key = |e: &FenceEvent| format!("{e:?}");
            let (mut fast, mut slow): (Vec<_>, Vec<_>) = (told.iter().map(key).collect(), slow.iter().map(key).collect());
            fast.sort();
            slow.sort();
            prop_assert_eq!(fast, slow);
        }
    }
}
