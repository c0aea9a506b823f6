//! How far event time has come.
//!
//! Every source (a vehicle, unless told otherwise) has its own newest event time. The watermark is the oldest of these over the sources
//! that are not idle, less the `delay` rows may be out of order by. It is looked at again when it can move by `every`: when the last
//! of the sources that held it has come far enough, or when the newest event time has moved so far that others may have become idle. So it
//! depends on the rows alone, and costs next to nothing per row.
//!
//! A source is idle when its newest row is more than `idle` behind the newest of all: then the others do not wait for it. When
//! all sources fall silent nobody moves time on; after `idle` of silence by the server's clock [`Watermarks::silence`] lets it
//! go to the newest event time, so that the last windows close.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

/// How event time is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkConfig {
    /// By how much rows of one source may be out of order.
    pub delay: Duration,
    /// How far a source may fall behind the newest before the others stop waiting for it.
    pub idle: Duration,
    /// The step in which the watermark moves.
    pub every: Duration,
}

impl Default for WatermarkConfig {
    fn default() -> Self {
        Self { delay: Duration::from_secs(2), idle: Duration::from_secs(30), every: Duration::from_millis(100) }
    }
}

/// What no source has reached yet.
const NEVER: i64 = i64::MIN;

/// Newest times of all sources, and what follows from them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watermarks {
    config: WatermarkConfig,
    /// Per source, by its dense number.
    newest: Vec<i64>,
    newest_of_all: i64,
    looked_at: i64,
    watermark: i64,
    /// The event time every source must reach for the watermark to move by a step.
    next: i64,
    /// Per source: whether it has not reached it, and is waited for.
    behind: Vec<bool>,
    behind_count: usize,
}

impl Watermarks {
    /// None has come yet.
    pub const fn new(config: WatermarkConfig) -> Self {
        Self {
            config,
            newest: Vec::new(),
            newest_of_all: NEVER,
            looked_at: NEVER,
            watermark: NEVER,
            next: NEVER,
            behind: Vec::new(),
            behind_count: 0,
        }
    }

    /// Notes a row of `source`. `Some` when the watermark moved, with where to.
    #[inline]
    pub fn note(&mut self, source: usize, time: Timestamp) -> Option<Timestamp> {
        if source >= self.newest.len() {
            self.newest.resize(source + 1, NEVER);
            self.behind.resize(source + 1, false);
        }
        let micros = time.micros();
        if micros <= self.newest[source] {
            return None;
        }
        self.newest[source] = micros;
        self.newest_of_all = self.newest_of_all.max(micros);
        let behind = micros < self.next && micros >= self.newest_of_all.saturating_sub(micros_of(self.config.idle));
        let was_behind = std::mem::replace(&mut self.behind[source], behind);
        self.behind_count = self.behind_count + usize::from(behind) - usize::from(was_behind);
        let all_came = was_behind && self.behind_count == 0;
        if self.looked_at != NEVER && !all_came && self.newest_of_all - self.looked_at < micros_of(self.config.every) {
            return None;
        }
        self.looked_at = self.newest_of_all;
        self.look()
    }

    fn look(&mut self) -> Option<Timestamp> {
        let waited_for = self.newest_of_all.saturating_sub(micros_of(self.config.idle));
        let oldest = self.newest.iter().copied().filter(|t| *t >= waited_for).min()?;
        let raised = self.raise(oldest.saturating_sub(micros_of(self.config.delay)));
        let reached = self.watermark.saturating_add(micros_of(self.config.delay));
        self.next = reached.saturating_add(micros_of(self.config.every));
        self.behind_count = 0;
        for (behind, newest) in self.behind.iter_mut().zip(&self.newest) {
            *behind = *newest >= waited_for && *newest < self.next;
            self.behind_count += usize::from(*behind);
        }
        raised
    }

    fn raise(&mut self, to: i64) -> Option<Timestamp> {
        if to <= self.watermark {
            return None;
        }
        self.watermark = to;
        Some(Timestamp::from_micros(to))
    }

    /// All sources have been silent for [`WatermarkConfig::idle`] by the server's clock: time moves just behind the newest row.
    pub fn silence(&mut self) -> Option<Timestamp> {
        if self.newest_of_all == NEVER {
            return None;
        }
        self.raise(self.newest_of_all.saturating_add(1))
    }

    /// Where it is; the lowest time there is while nothing came.
    pub const fn watermark(&self) -> Timestamp {
        Timestamp::from_micros(self.watermark)
    }

    /// The newest event time of all sources.
    pub fn newest(&self) -> Option<Timestamp> {
        (self.newest_of_all != NEVER).then(|| Timestamp::from_micros(self.newest_of_all))
    }

    /// How far the watermark is behind the newest event time.
    pub fn lag(&self) -> Duration {
        self.newest().map_or(Duration::ZERO, |newest| if self.watermark == NEVER { Duration::ZERO } else { newest.since(self.watermark()) })
    }

    /// How many sources there are, and how many of them are idle.
    pub fn sources(&self) -> (usize, usize) {
        let waited_for = self.newest_of_all.saturating_sub(micros_of(self.config.idle));
        let known = self.newest.iter().filter(|t| **t != NEVER);
        let (all, idle) = known.fold((0, 0), |(all, idle), t| (all + 1, idle + usize::from(*t < waited_for)));
        (all, idle)
    }

    /// How it is set.
    pub const fn config(&self) -> &WatermarkConfig {
        &self.config
    }

    /// Memory held, in bytes.
    pub const fn heap_bytes(&self) -> usize {
        self.newest.capacity() * 9
    }
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: f64) -> Timestamp {
        Timestamp::from_secs_f64(secs)
    }

    fn set(delay: u64, idle: u64) -> Watermarks {
        let config = WatermarkConfig { delay: Duration::from_secs(delay), idle: Duration::from_secs(idle), every: Duration::from_secs(1) };
        Watermarks::new(config)
    }

    #[test]
    fn the_slowest_source_holds_the_watermark_until_it_is_idle() {
        let mut w = set(1, 10);
        assert_eq!(w.note(0, at(5.0)), Some(at(4.0)));
        assert_eq!(w.note(1, at(2.0)), None);
        assert_eq!(w.note(0, at(12.0)), None, "source 1 is 10 s behind, not more");
        assert_eq!(w.note(0, at(13.0)), Some(at(12.0)), "source 1 is idle");
        assert_eq!(w.sources(), (2, 1));
        assert_eq!(w.note(1, at(13.5)), None, "it is back");
        assert_eq!(w.note(0, at(20.0)), Some(at(12.5)));
    }

    #[test]
    fn it_never_falls_and_moves_in_steps() {
        let mut w = set(0, 10);
        assert_eq!(w.note(0, at(5.0)), Some(at(5.0)));
        assert_eq!(w.note(0, at(5.5)), None, "less than a step");
        assert_eq!(w.note(1, at(1.0)), None);
        assert_eq!(w.watermark(), at(5.0));
    }

    #[test]
    fn it_moves_as_soon_as_the_last_source_has_come() {
        let mut w = set(1, 10);
        for (source, time) in [(0, 5.0), (1, 5.0), (2, 5.0)] {
            w.note(source, at(time));
        }
        assert_eq!((w.note(0, at(8.0)), w.note(1, at(8.0))), (None, None));
        assert_eq!(w.note(2, at(8.0)), Some(at(7.0)));
    }

    #[test]
    fn silence_closes_what_is_open() {
        let mut w = set(5, 10);
        assert_eq!(w.silence(), None);
        w.note(0, at(7.0));
        assert_eq!(w.silence(), Some(Timestamp::from_micros(7_000_001)));
        assert_eq!(w.silence(), None);
    }
}
